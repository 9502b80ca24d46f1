import { join } from "node:path";
import type { Emit } from "@hybridge/core";
import {
  deadLettersWritten,
  openDeadLetters,
  openIngest,
  openSpool,
  openStatusBoard,
  spoolTailCut,
  waitForTopic,
  type Ingest,
  type Spool,
  type StatusBoard,
} from "@hybridge/ingest";
import {
  clusterOptions,
  createTopicIfMissing,
  openFencedWriter,
  openReader,
  readOffsets,
} from "@hybridge/kafka";
import { startRpcServer } from "@hybridge/rpc";
import { startRecordTrace, type Telemetry } from "@hybridge/tracing";
import type { IngestConfig } from "./config.ts";
import { openFeeds } from "./feeds.ts";
import { measureIngest } from "./measurements.ts";
import { controlService } from "./rpc/control-service.ts";
import { ingestService } from "./rpc/ingest-service.ts";

/** A wired ingest: it serves from the start and works while `run` runs. */
export interface WiredIngest extends AsyncDisposable {
  run(signal: AbortSignal): Promise<void>;
}

/** Constructs everything and connects it; starts the gRPC server. */
export async function wireIngest(
  config: IngestConfig,
  { emit, observe }: Telemetry,
): Promise<WiredIngest> {
  await using opened = new AsyncDisposableStack();
  const status = openStatusBoard(emit);
  const onWait = (reason: string | undefined) =>
    reason === undefined ? status.become("RUNNING") : status.become("DEGRADED", reason);
  const deadLetters = opened.use(
    await openDeadLetters({
      dir: config.HYBRIDGE_DEAD_LETTER_DIR,
      onWritten(letters) {
        for (const count of letters.counts.values()) status.addDeadLetters(count);
        emit(deadLettersWritten(letters));
      },
      onWait,
    }),
  );
  const spool = opened.use(
    await openSpool({
      dir: join(config.HYBRIDGE_SPOOL_DIR, config.HYBRIDGE_TOPIC),
      bytesMax: config.HYBRIDGE_SPOOL_BYTES_MAX,
      syncMs: config.HYBRIDGE_SPOOL_SYNC_MS,
      onWait,
      onTorn: (bytes) => emit(spoolTailCut(bytes)),
    }),
  );
  const topicSeen = waitForTopic();
  const ingest = openIngest({
    ...publishing(config, emit),
    feeds: await openFeeds({ config, spool, topicSeen, emit }),
    postBytesMax: config.HYBRIDGE_POST_BYTES_MAX,
    topicSeen,
    spool,
    deadLetters,
    status,
    emit,
  });
  observe(() => measureIngest(status, ingest.feeds));
  await serve(config, opened, ingest, { status, spool, emit });
  const owned = opened.move();
  return {
    async run(signal) {
      await ingest.run(signal);
      // A finished ingest still answers questions.
      await aborted(signal);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
  });
}

async function serve(
  config: IngestConfig,
  opened: AsyncDisposableStack,
  ingest: Ingest,
  { status, spool, emit }: { status: StatusBoard; spool: Spool; emit: Emit },
): Promise<void> {
  const services = [
    ingestService(status, ingest.feeds, config.HYBRIDGE_TOPIC),
    controlService(status, ingest.feeds, spool.id),
  ];
  const server = opened.use(await startRpcServer({ config, services, emit }));
  server.setServing(true);
  emit({
    name: "service.listening",
    level: "info",
    message: `ingest serves gRPC on ${server.address}`,
    fields: { address: server.address },
  });
}

function publishing(config: IngestConfig, emit: Emit) {
  const topic = config.HYBRIDGE_TOPIC;
  return {
    kafka: { openReader, openFencedWriter, createTopicIfMissing, readOffsets },
    cluster: clusterOptions(config, "HYBRIDGE_SOURCE", "hybridge-ingest", emit),
    topic,
    partitions: config.HYBRIDGE_TOPIC_PARTITIONS,
    compression: config.HYBRIDGE_COMPRESSION,
    publishing: {
      lingerMs: config.HYBRIDGE_LINGER_MS,
      batchBytesMax: config.HYBRIDGE_BATCH_BYTES_MAX,
      bytesMax: config.HYBRIDGE_IN_FLIGHT_BYTES_MAX,
      startTrace: (key: string) =>
        startRecordTrace("ingest post", {
          "hybridge.post.id": key,
          "messaging.destination.name": topic,
        }),
    },
  };
}
