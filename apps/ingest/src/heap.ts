import v8 from "node:v8";

// Imported before everything else, as in the mirror: under load the young generation would grow to 128 MB
// and never shrink. What lives long here are the bytes of posts, which are not in it.
v8.setFlagsFromString("--semi-space-growth-factor=1");
