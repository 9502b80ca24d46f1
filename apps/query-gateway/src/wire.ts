import type { Emit } from "@hybridge/core";
import { hdfsTableStore, openWebHdfs, webHdfsOptions } from "@hybridge/hdfs";
import { hiveOptions, openHive } from "@hybridge/hive";
import { clusterOptions, countRanges, describeLog, type ClusterOptions } from "@hybridge/kafka";
import { TABLE_NAME, type TableStore } from "@hybridge/landing";
import { readPositions } from "@hybridge/mirror";
import { openRedshift, redshiftNames, redshiftOptions, redshiftTables } from "@hybridge/redshift";
import { startRpcServer } from "@hybridge/rpc";
import type { QueryGatewayConfig } from "./config.ts";
import { guardEngine, type GuardedEngine } from "./engine.ts";
import { hiveEngine, redshiftEngine } from "./engines.ts";
import { engineHealth } from "./health.ts";
import type { ReconcileSources, SourceLog } from "./reconcile-states.ts";
import { readInternalEnds } from "./internal-ends.ts";
import { queryService } from "./rpc/query-service.ts";
import { reconcileService } from "./rpc/reconcile-service.ts";
import { tweetService } from "./rpc/tweet-service.ts";

/** A wired gateway: it serves from the start, and watches its engines while `run` runs. */
export interface QueryGateway extends AsyncDisposable {
  run(signal: AbortSignal): Promise<void>;
}

/** Constructs everything; connects when there is something to ask. */
export async function wireQueryGateway(
  config: QueryGatewayConfig,
  emit: Emit,
): Promise<QueryGateway> {
  await using opened = new AsyncDisposableStack();
  const hive = opened.use(
    openHive({
      ...hiveOptions(config, emit),
      database: config.HYBRIDGE_HIVE_DATABASE,
      // One more than callers may have, for looking whether it is there.
      sessionsMax: config.HYBRIDGE_QUERY_CONCURRENT_MAX + 1,
    }),
  );
  const redshift = opened.use(openRedshift({ ...redshiftOptions(config, "us-east-1"), emit }));
  const targets = [hiveEngine(hive), redshiftEngine(redshift)] as const;
  const health = engineHealth(targets, emit);
  const [hiveGuarded, redshiftGuarded] = [guard(targets[0]), guard(targets[1])];
  function guard(target: (typeof targets)[number]) {
    return guardEngine(target, config.HYBRIDGE_QUERY_CONCURRENT_MAX, health, emit);
  }
  const engines = new Map([hiveGuarded, redshiftGuarded].map((each) => [each.engine, each]));
  const time = { msMax: config.HYBRIDGE_QUERY_MS_MAX };
  const database = config.HYBRIDGE_HIVE_DATABASE;
  const loaded = redshiftTables(redshiftNames(config));
  const tables = {
    hive: `${database}.${config.HYBRIDGE_HIVE_TABLE}`,
    redshift: loaded.posts,
    redshiftDeletions: loaded.deletions,
    redshiftRanges: loaded.ranges,
  };
  const limits = {
    rowsMax: config.HYBRIDGE_QUERY_ROWS_MAX,
    bytesMax: config.HYBRIDGE_QUERY_BYTES_MAX,
    batchBytes: config.HYBRIDGE_QUERY_BATCH_BYTES,
  };
  const hdfs = opened.use(openWebHdfs(webHdfsOptions(config, emit)));
  const store = hdfsTableStore(hdfs, `${config.HYBRIDGE_HDFS_DIR}/${TABLE_NAME}`);
  const sources = reconcileSources(config, { store, hiveGuarded, redshiftGuarded }, emit);
  const services = [
    queryService({ engines, limits, time, health }),
    tweetService({ engines, time, tables }),
    reconcileService({ sources, time, tables, topic: config.HYBRIDGE_TOPIC }),
  ];
  const server = opened.use(await startRpcServer({ config, services, emit }));
  server.setServing(true);
  emit({
    name: "service.listening",
    level: "info",
    message: `query-gateway serves gRPC on ${server.address}`,
    fields: { address: server.address },
  });
  const owned = opened.move();
  return {
    run: (signal) => health.watch(signal),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Bytes that are read from the source to count what a side lacks, and how long. */
const COUNT_BYTES = 64 << 20;
const COUNT_MS = 10_000;

function reconcileSources(
  config: QueryGatewayConfig,
  engines: {
    /** The folder of the internal table, whose log says what Hive shows. */
    readonly store: TableStore;
    readonly hiveGuarded: GuardedEngine;
    readonly redshiftGuarded: GuardedEngine;
  },
  emit: Emit,
): ReconcileSources {
  const clientId = "hybridge-query-gateway";
  const target = clusterOptions(config, "HYBRIDGE_TARGET", clientId, emit);
  const source =
    config.HYBRIDGE_SOURCE_BOOTSTRAP === undefined
      ? undefined
      : clusterOptions(config, "HYBRIDGE_SOURCE", clientId, emit);
  return {
    hive: engines.hiveGuarded,
    redshift: engines.redshiftGuarded,
    source: source && sourceLog(source),
    positions: (sourceTopic, signal) => readPositions(target, { sourceTopic, source }, signal),
    internalEnds: (topic, signal) => readInternalEnds(engines.store, topic, emit, signal),
  };
}

function sourceLog(source: ClusterOptions): SourceLog {
  return {
    describe: (topic, signal) => describeLog(source, topic, signal),
    count: (topic, ranges, signal) => {
      const budget = { bytes: COUNT_BYTES, untilMs: performance.now() + COUNT_MS };
      return countRanges(source, topic, ranges, budget, signal);
    },
  };
}
