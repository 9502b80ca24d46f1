import { Mirror } from "@hybridge/mirror";
import { startRpcServer } from "@hybridge/rpc";
import type { Telemetry } from "@hybridge/tracing";
import { mirrorOptions, type MirrorConfig } from "./config.ts";
import { measureMirror } from "./measurements.ts";
import { mirrorControlService } from "./rpc/mirror-control-service.ts";

/** Runs the mirror and its gRPC service until the signal is aborted. */
export async function runMirror(
  config: MirrorConfig,
  { emit, observe }: Telemetry,
  signal: AbortSignal,
): Promise<void> {
  const mirror = new Mirror({ ...mirrorOptions(config, emit), emit });
  observe(() => measureMirror(mirror));
  await using server = await startRpcServer({
    config,
    services: [mirrorControlService(mirror)],
    emit,
  });
  server.setServing(true);
  emit({
    name: "service.listening",
    level: "info",
    message: `mirror serves gRPC on ${server.address}`,
    fields: { address: server.address },
  });
  await mirror.run(signal);
  const { records } = mirror.totals;
  emit({
    name: "service.stopped",
    level: "info",
    message: `mirror stopped as it was told to, after ${records} records`,
    fields: { records: String(records) },
  });
}
