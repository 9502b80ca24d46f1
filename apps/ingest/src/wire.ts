import { systemClock, type Emit } from "@hybridge/core";
import {
  deadLettersWritten,
  fileBroken,
  openDeadLetters,
  openReplay,
  openStatusBoard,
  runIngest,
  Tally,
  type DeadLetters,
  type PostSource,
} from "@hybridge/ingest";
import {
  clusterOptions,
  createTopicIfMissing,
  openFencedWriter,
  openReader,
  readOffsets,
} from "@hybridge/kafka";
import { startRpcServer } from "@hybridge/rpc";
import { startRecordTrace } from "@hybridge/tracing";
import type { IngestConfig } from "./config.ts";
import { ingestService } from "./rpc/ingest-service.ts";

/** A wired ingest: it serves from the start and works while `run` runs. */
export interface Ingest extends AsyncDisposable {
  run(signal: AbortSignal): Promise<void>;
}

/** Constructs everything and connects it; starts the gRPC server. */
export async function wireIngest(config: IngestConfig, emit: Emit): Promise<Ingest> {
  await using opened = new AsyncDisposableStack();
  const tally = new Tally();
  const status = openStatusBoard(emit, tally);
  const deadLetters = opened.use(
    await openDeadLetters({
      dir: config.HYBRIDGE_DEAD_LETTER_DIR,
      onWritten(letters) {
        for (const count of letters.counts.values()) status.addDeadLetters(count);
        emit(deadLettersWritten(letters));
      },
      onWait: (reason) =>
        reason === undefined ? status.become("RUNNING") : status.become("DEGRADED", reason),
    }),
  );
  const source = await openSource(config, deadLetters, tally, emit);
  const topic = config.HYBRIDGE_TOPIC;
  const services = [ingestService(status, source, topic)];
  const server = opened.use(await startRpcServer({ config, services, emit }));
  server.setServing(true);
  emit({
    name: "service.listening",
    level: "info",
    message: `ingest serves gRPC on ${server.address}`,
    fields: { address: server.address },
  });
  const owned = opened.move();
  return {
    run: (signal) =>
      runIngest(
        {
          kafka: { openReader, openFencedWriter, createTopicIfMissing, readOffsets },
          cluster: clusterOptions(config, "HYBRIDGE_SOURCE", "hybridge-ingest", emit),
          topic,
          partitions: config.HYBRIDGE_TOPIC_PARTITIONS,
          compression: config.HYBRIDGE_COMPRESSION,
          source,
          deadLetters,
          status,
          emit,
          publishing: {
            lingerMs: config.HYBRIDGE_LINGER_MS,
            batchBytesMax: config.HYBRIDGE_BATCH_BYTES_MAX,
            bytesMax: config.HYBRIDGE_IN_FLIGHT_BYTES_MAX,
            startTrace: ({ id }) =>
              startRecordTrace("ingest post", {
                "hybridge.post.id": id,
                "messaging.destination.name": topic,
              }),
          },
        },
        signal,
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The only source so far. X and Bluesky join here, each behind the same port. */
async function openSource(
  config: IngestConfig,
  deadLetters: DeadLetters,
  tally: Tally,
  emit: Emit,
): Promise<PostSource> {
  return openReplay({
    files: config.HYBRIDGE_REPLAY_FILES,
    posts: config.HYBRIDGE_REPLAY_POSTS,
    rate: config.HYBRIDGE_REPLAY_RATE,
    seed: config.HYBRIDGE_REPLAY_SEED,
    epochMs: Date.parse(config.HYBRIDGE_REPLAY_EPOCH),
    postBytesMax: config.HYBRIDGE_POST_BYTES_MAX,
    deadLetters,
    tally,
    onBrokenFile: (file, item, reason) => emit(fileBroken(file, item, reason)),
    clock: systemClock,
  });
}
