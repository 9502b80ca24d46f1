export { mutatedLines, someBytes, treesOfPosts, valuesInPlaceOfOthers } from "./hostile-values.ts";
