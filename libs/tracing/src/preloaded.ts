const KEY = Symbol.for("hybridge.tracing.preloaded");
const shared = globalThis as { [KEY]?: boolean };

/** Notes that the patches are in place; shared by all copies of this module in the process. */
export function markPreloaded(): void {
  shared[KEY] = true;
}

/** False: the process was started without the preload, and its gRPC calls make no spans. */
export function wasPreloaded(): boolean {
  return shared[KEY] === true;
}
