/**
 * Arguments of Node with which a service is started from its sources, before the path of its main.
 *
 * Node lets its young generation grow to 128 MiB; a fraction of that costs nothing. Records that pass
 * through live for a moment in great numbers, which V8 takes for a reason to make their like in the
 * old generation at once: 60 MiB of garbage there. Both are measured (docs/benchmarks.md).
 */
export const serviceFlags: readonly string[] = [
  "--conditions=@hybridge/source",
  "--max-semi-space-size=8",
  "--no-allocation-site-pretenuring",
  "--import",
  "@hybridge/tracing/preload",
];

/**
 * Environment of a service, for glibc's allocator: one arena instead of eight per core, and large
 * pieces, which buffers are made of, go back to the system when they are freed. Other allocators do
 * not know the names.
 */
export const serviceEnvironment: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
};
