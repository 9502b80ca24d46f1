/**
 * What every service is started with: `node --import @hybridge/tracing/preload`.
 *
 * Compiled code, without its types, is kept from start to start (measured: 30 MB and half of the CPU
 * of a start, because what strips the types is not even loaded: that is why this file has none). It
 * stands beside the packages and not in the system's temporary folder, where others could put code
 * in its place. Where it cannot be written, as in an image, nothing is kept.
 */
import module from "node:module";
import { fileURLToPath } from "node:url";

const FLUSH_AFTER_MS = 10_000;

module.enableCompileCache(
  fileURLToPath(new URL("../../node_modules/.cache/hybridge", import.meta.url)),
);
// After the cache is on, so that it serves these modules too.
await import("@hybridge/tracing/instrument");
// A process that is killed would otherwise leave nothing for the next one.
setTimeout(() => module.flushCompileCache(), FLUSH_AFTER_MS).unref();
