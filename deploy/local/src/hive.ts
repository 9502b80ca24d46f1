import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { retry, UnavailableError } from "@hybridge/core";
import { pidFileOf, startComponent, type Component, type ComponentOptions } from "./component.ts";
import { coreSite, hadoopUser, writeSite } from "./hadoop-conf.ts";
import type { HdfsAddresses } from "./hdfs.ts";
import { javaCommand, javaEnvironment, openedPackages } from "./java.ts";
import { preparePasswordCheck, securedHive, type HiveSecurity } from "./hive-security.ts";
import { reclaim } from "./launch.ts";
import { choosePorts } from "./ports.ts";
import { httpCall, probeHive, probeHiveWithoutSasl } from "./probes.ts";

export interface HiveOptions extends ComponentOptions<"thrift" | "http"> {
  readonly hdfs: HdfsAddresses;
  /** Properties of hive-site.xml beside and above those of the local cloud. */
  readonly site?: Readonly<Record<string, string>>;
  /** Further options of the JVM, such as those of its flight recorder. */
  readonly jvm?: readonly string[];
  /** With it: TLS and a password. Without it, SASL PLAIN lets in any user. */
  readonly security?: HiveSecurity;
  /** Thrift over HTTP, at /cliservice, beside the binary one. */
  readonly overHttp?: boolean;
}

/** host:port of the binary Thrift service, and of that over HTTP where there is one. */
export type Hive = Component<{ readonly address: string; readonly http?: string }>;

const STOP_MS = 10_000;

/**
 * Starts HiveServer2 with its metastore inside (Derby, in `dir`) and Tez in local mode, all in one
 * JVM, on a running HDFS. Ready when it accepts log-ins.
 */
export async function startHive(options: HiveOptions): Promise<Hive> {
  const { dir, signal, security } = options;
  await reclaim(pidFileOf(dir, "hive"), "hive", STOP_MS);
  const ports = await choosePorts("hive", dir, ["thrift", "http"], options.ports);
  const conf = join(dir, "conf");
  mkdirSync(conf, { recursive: true });
  writeSite(conf, "core-site.xml", coreSite(options.hdfs.fs));
  writeSite(conf, "hdfs-site.xml", options.hdfs.client);
  writeSite(conf, "hive-site.xml", {
    ...hiveSite(dir, ports.thrift),
    ...(options.overHttp === true ? overHttp(ports.http) : {}),
    ...(security === undefined ? {} : securedHive(security)),
    ...options.site,
  });
  writeFileSync(join(conf, "hive-log4j2.properties"), LOGGING);
  const check =
    security === undefined ? undefined : await preparePasswordCheck(dir, security, signal);
  await makeFolders(options.hdfs, signal);
  return startComponent(
    {
      name: "hive",
      dir,
      addresses: {
        address: `127.0.0.1:${ports.thrift}`,
        ...(options.overHttp === true ? { http: `127.0.0.1:${ports.http}` } : {}),
      },
      ...javaCommand({
        name: "hive",
        component: "hive",
        before: [conf, ...(check === undefined ? [] : [check.classes])],
        main: "org.apache.hive.service.server.HiveServer2",
        heapMb: options.heapMb ?? 768,
        tmpDir: join(dir, "tmp"),
        options: [
          ...openedPackages,
          `-Dlog4j.configurationFile=file://${join(conf, "hive-log4j2.properties")}`,
          `-Dderby.stream.error.file=${join(dir, "derby.log")}`,
          ...(check?.options ?? []),
          ...(options.jvm ?? []),
        ],
      }),
      env: javaEnvironment(),
      probe: (probeSignal) =>
        options.site?.["hive.server2.authentication"] === "NOSASL"
          ? probeHiveWithoutSasl(ports.thrift, probeSignal)
          : probeHive(ports.thrift, probeSignal, security),
      startMs: 180_000,
      stopMs: STOP_MS,
    },
    signal,
  );
}

/** HiveServer2 does not make the folders that it needs on HDFS. */
async function makeFolders(hdfs: HdfsAddresses, signal: AbortSignal | undefined): Promise<void> {
  const user = hadoopUser();
  const urls = hdfs.webhdfs.split(",");
  const folders = ["/tmp", "/tmp/hive", "/user", `/user/${user}`, "/user/hive/warehouse"];
  let tries = 0;
  for (const folder of folders) {
    const make = () => {
      // The active NameNode may be any of them.
      const url = urls[tries++ % urls.length] ?? "";
      return makeFolder(`${url}/webhdfs/v1${folder}`, user, hdfs.caFile, signal);
    };
    await retry(make, {
      signal: signal ?? new AbortController().signal,
      tries: 60,
      maxMs: 1_000,
    });
    tries -= 1;
  }
}

async function makeFolder(
  url: string,
  user: string,
  caFile: string | undefined,
  signal: AbortSignal | undefined,
) {
  const query = `user.name=${encodeURIComponent(user)}&permission=1777`;
  for (const op of ["MKDIRS", "SETPERMISSION"]) {
    const limit = AbortSignal.timeout(20_000);
    const either = signal ? AbortSignal.any([signal, limit]) : limit;
    const call = httpCall("PUT", `${url}?op=${op}&${query}`, either, { caFile });
    const { status, body } = await call.catch((cause: unknown) => {
      signal?.throwIfAborted();
      // A time-out too: on a busy machine a NameNode may take its time.
      throw new UnavailableError(`PUT ${url} (${op}) got no answer`, { cause });
    });
    if (status !== 200 || body.includes("false")) {
      throw new UnavailableError(`PUT ${url} (${op}) answers ${status}: ${body}`);
    }
  }
}

function overHttp(port: number): Record<string, string> {
  return {
    "hive.server2.transport.mode": "all",
    "hive.server2.thrift.http.port": String(port),
    "hive.server2.thrift.http.path": "cliservice",
  };
}

function hiveSite(dir: string, port: number): Record<string, string> {
  return {
    "javax.jdo.option.ConnectionURL": `jdbc:derby:;databaseName=${join(dir, "metastore")};create=true`,
    "datanucleus.schema.autoCreateAll": "true",
    "hive.metastore.schema.verification": "false",
    "hive.metastore.event.db.notification.api.auth": "false",
    "metastore.metastore.event.db.notification.api.auth": "false",
    "hive.metastore.warehouse.dir": "/user/hive/warehouse",
    "hive.server2.thrift.bind.host": "127.0.0.1",
    "hive.server2.thrift.port": String(port),
    "hive.server2.authentication": "NONE",
    "hive.server2.enable.doAs": "false",
    "hive.server2.webui.port": "0",
    "hive.server2.logging.operation.enabled": "false",
    "hive.server2.tez.initialize.default.sessions": "false",
    "hive.server2.sleep.interval.between.start.attempts": "1s",
    "hive.server2.materializedviews.registry.impl": "DUMMY",
    "hive.execution.engine": "tez",
    "tez.local.mode": "true",
    "tez.local.mode.without.network": "true",
    "tez.runtime.optimize.local.fetch": "true",
    "tez.ignore.lib.uris": "true",
    "tez.dag.recovery.enabled": "false",
    "tez.staging-dir": join(dir, "scratch", "tez"),
    "hive.tez.exec.inplace.progress": "false",
    "hive.tez.container.size": "256",
    "hive.exec.submit.local.task.via.child": "false",
    "mapreduce.framework.name": "local",
    "hive.user.install.directory": "/user",
    "hive.exec.scratchdir": "/tmp/hive",
    "hive.exec.local.scratchdir": join(dir, "scratch"),
    "hive.downloaded.resources.dir": join(dir, "scratch", "resources"),
    "hive.support.concurrency": "false",
    "hive.compactor.initiator.on": "false",
    "hive.compactor.cleaner.on": "false",
    // The tables of Derby are made when they are first used, which direct SQL does not expect.
    "hive.metastore.try.direct.sql": "false",
    "metastore.try.direct.sql": "false",
    // Counts come from the files, never from statistics that may be old.
    "hive.stats.autogather": "false",
    "hive.stats.fetch.column.stats": "false",
    "hive.compute.query.using.stats": "false",
    "hive.metastore.disallow.incompatible.col.type.changes": "false",
  };
}

const LOGGING = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c{1})%n%throwable{30}
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.datanucleus.name = DataNucleus
logger.datanucleus.level = error
logger.hiveconf.name = org.apache.hadoop.hive.conf.HiveConf
logger.hiveconf.level = error
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.functions.name = org.apache.hadoop.hive.ql.exec.FunctionRegistry
logger.functions.level = error
logger.tez.name = org.apache.tez.common
logger.tez.level = error
`;
