/**
 * Patches @grpc/grpc-js as it is loaded, which is the only moment when that works under ESM. Nothing
 * is recorded until startTelemetry() gives the patches a tracer.
 */
import module from "node:module";
import { registerInstrumentations } from "@opentelemetry/instrumentation";
import { GrpcInstrumentation } from "@opentelemetry/instrumentation-grpc";
import { register, supportsSyncHooks } from "import-in-the-middle/register-hooks.mjs";
import { markPreloaded } from "./preloaded.ts";

// Hooks on this thread where Node has them (24.11.1 and later); else the ones with a thread of their own.
if (supportsSyncHooks()) register({ include: ["@grpc/grpc-js"] });
// oxlint-disable-next-line typescript/no-deprecated -- for those older versions only
else module.register("@opentelemetry/instrumentation/hook.mjs", import.meta.url);

registerInstrumentations({
  instrumentations: [
    // Health checks and reflection come every second and say nothing.
    new GrpcInstrumentation({
      ignoreGrpcMethods: [/^Check$/i, /^Watch$/i, /ServerReflectionInfo/i],
    }),
  ],
});
markPreloaded();
