import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UnavailableError } from "@hybridge/core";
import { z } from "zod";
import {
  pidFileOf,
  runToEnd,
  startComponent,
  type Component,
  type ComponentOptions,
} from "./component.ts";
import { coreSite, writeSite } from "./hadoop-conf.ts";
import { javaCommand, javaEnvironment, openedPackages, type JavaProgram } from "./java.ts";
import { reclaim } from "./launch.ts";
import { choosePorts } from "./ports.ts";
import { probeHttp } from "./probes.ts";

type NameNodePort = "rpc" | "http";
type DataNodePort = "data" | "dataHttp" | "dataIpc";
type Ports = Record<NameNodePort | DataNodePort, number>;

export interface HdfsOptions extends ComponentOptions<NameNodePort | DataNodePort> {
  /** Where the DataNode keeps blocks; by default in `dir`. A small file system makes a full disk. */
  readonly dataDir?: string;
  readonly blockBytes?: number;
}

export interface HdfsAddresses {
  /** hdfs://127.0.0.1:PORT */
  readonly fs: string;
  /** http://127.0.0.1:PORT, where /webhdfs/v1 is. */
  readonly webhdfs: string;
}

/** A NameNode and one DataNode. Leaving its scope stops both. */
export interface Hdfs extends AsyncDisposable {
  readonly addresses: HdfsAddresses;
  readonly nameNode: Component<HdfsAddresses>;
  readonly dataNode: Component<{ readonly http: string }>;
  health(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

const STOP_MS = 8_000;

/** Starts HDFS with one replica; ready when a file can be written through WebHDFS. */
export async function startHdfs(options: HdfsOptions): Promise<Hdfs> {
  const setup = await prepareHdfs(options);
  const nameNode = startNameNode(setup, options.signal);
  // The DataNode looks for its NameNode by itself, so both can start at once.
  const dataNode = startDataNode(setup, options.signal);
  const [first, second] = await Promise.allSettled([nameNode, dataNode]);
  if (first.status === "rejected" || second.status === "rejected") {
    if (first.status === "fulfilled") await first.value.stop();
    if (second.status === "fulfilled") await second.value.stop();
    throw first.status === "rejected" ? first.reason : (second as PromiseRejectedResult).reason;
  }
  const stop = async () => {
    await Promise.all([second.value.stop(), first.value.stop()]);
  };
  return {
    addresses: first.value.addresses,
    nameNode: first.value,
    dataNode: second.value,
    async health(signal) {
      await Promise.all([first.value.health(signal), second.value.health(signal)]);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Everything that both processes of HDFS need. */
export interface HdfsSetup {
  readonly dir: string;
  readonly ports: Ports;
  readonly conf: string;
  readonly heapMb: number;
}

/** Chooses the ports and writes the configuration. */
export async function prepareHdfs(options: HdfsOptions): Promise<HdfsSetup> {
  const { dir } = options;
  for (const name of ["namenode", "datanode"]) await reclaim(pidFileOf(dir, name), name, STOP_MS);
  const names = ["rpc", "http", "data", "dataHttp", "dataIpc"] as const;
  const ports = await choosePorts("hdfs", dir, names, options.ports);
  const conf = join(dir, "conf");
  // Both web servers want their folder on the classpath, even an empty one.
  for (const name of ["hdfs", "datanode"])
    mkdirSync(join(conf, "webapps", name), { recursive: true });
  writeFileSync(join(conf, "log4j.properties"), LOGGING);
  writeSite(conf, "core-site.xml", coreSite(`hdfs://127.0.0.1:${ports.rpc}`));
  writeSite(conf, "hdfs-site.xml", hdfsSite(options, ports));
  return { dir, ports, conf, heapMb: options.heapMb ?? 192 };
}

/** Starts the NameNode, formatting a new folder first; ready when it is out of safe mode. */
export async function startNameNode(
  setup: HdfsSetup,
  signal?: AbortSignal,
): Promise<Component<HdfsAddresses>> {
  const webhdfs = `http://127.0.0.1:${setup.ports.http}`;
  const main = "org.apache.hadoop.hdfs.server.namenode.NameNode";
  const common = { dir: setup.dir, env: javaEnvironment(), stopMs: STOP_MS };
  const names = join(setup.dir, "name");
  const formatted = join(names, "current", "VERSION");
  if (!existsSync(formatted)) {
    rmSync(names, { recursive: true, force: true });
    const format = { ...program(setup, main, "namenode"), args: ["-format", "-nonInteractive"] };
    const command = javaCommand({ ...format, name: "format" });
    await runToEnd({ ...common, ...command, name: "format", startMs: 60_000 }, signal);
  }
  return startComponent(
    {
      ...common,
      name: "namenode",
      addresses: { fs: `hdfs://127.0.0.1:${setup.ports.rpc}`, webhdfs },
      ...javaCommand(program(setup, main, "namenode")),
      probe: nameNodeProbe(setup.ports),
      startMs: 90_000,
    },
    signal,
  );
}

/** Starts the DataNode; ready when the NameNode counts it as alive. */
export async function startDataNode(
  setup: HdfsSetup,
  signal?: AbortSignal,
): Promise<Component<{ readonly http: string }>> {
  const http = `http://127.0.0.1:${setup.ports.dataHttp}`;
  const main = "org.apache.hadoop.hdfs.server.datanode.DataNode";
  return startComponent(
    {
      dir: setup.dir,
      env: javaEnvironment(),
      stopMs: STOP_MS,
      name: "datanode",
      addresses: { http },
      ...javaCommand(program(setup, main, "datanode")),
      probe: dataNodeProbe(setup.ports),
      startMs: 90_000,
    },
    signal,
  );
}

function program(setup: HdfsSetup, main: string, name: string): JavaProgram {
  return {
    name,
    component: "hdfs",
    before: [setup.conf],
    heapMb: setup.heapMb,
    tmpDir: join(setup.dir, "tmp"),
    options: [...openedPackages],
    main,
  };
}

function hdfsSite(options: HdfsOptions, ports: Ports): Record<string, string> {
  const at = (port: number) => `127.0.0.1:${port}`;
  const data = options.dataDir ?? join(options.dir, "data");
  return {
    "dfs.replication": "1",
    "dfs.namenode.name.dir": `file://${join(options.dir, "name")}`,
    "dfs.datanode.data.dir": `file://${data}`,
    "dfs.namenode.rpc-address": at(ports.rpc),
    "dfs.namenode.http-address": at(ports.http),
    "dfs.datanode.address": at(ports.data),
    "dfs.datanode.http.address": at(ports.dataHttp),
    "dfs.datanode.ipc.address": at(ports.dataIpc),
    "dfs.datanode.hostname": "127.0.0.1",
    "dfs.namenode.datanode.registration.ip-hostname-check": "false",
    "dfs.blocksize": String(options.blockBytes ?? 128 * 1024 * 1024),
    "dfs.namenode.fs-limits.min-block-size": "65536",
    "dfs.namenode.safemode.extension": "0",
    // With these a DataNode that comes back is in use within a second or two.
    "dfs.heartbeat.interval": "1",
    "dfs.namenode.heartbeat.recheck-interval": "5000",
    "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
    // Closing a file waits for the block report: the default first wait makes every WebHDFS CREATE
    // take 430 ms instead of 30.
    "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "20",
    "dfs.namenode.stale.datanode.interval": "10000",
    "dfs.block.scanner.volume.bytes.per.second": "0",
    "dfs.namenode.handler.count": "8",
    "dfs.datanode.handler.count": "4",
  };
}

const nameNodeInfo = z.object({
  beans: z.array(z.object({ Safemode: z.string(), LiveNodes: z.string() })),
});

async function readNameNodeInfo(webhdfs: string, signal: AbortSignal) {
  const query = "qry=Hadoop:service=NameNode,name=NameNodeInfo";
  const body = await probeHttp(`${webhdfs}/jmx?${query}`, signal);
  const info = nameNodeInfo.parse(JSON.parse(body)).beans[0];
  if (info === undefined) throw new UnavailableError(`the NameNode ${webhdfs} is starting`);
  return info;
}

/** Healthy when the NameNode is out of safe mode. */
export function nameNodeProbe(ports: { http: number }) {
  return async (signal: AbortSignal): Promise<void> => {
    const { Safemode } = await readNameNodeInfo(`http://127.0.0.1:${ports.http}`, signal);
    if (Safemode !== "") throw new UnavailableError(`the NameNode is in safe mode: ${Safemode}`);
  };
}

/** Healthy when the DataNode answers and the NameNode counts it as alive. */
export function dataNodeProbe(ports: { http: number; data: number; dataHttp: number }) {
  return async (signal: AbortSignal): Promise<void> => {
    await probeHttp(`http://127.0.0.1:${ports.dataHttp}/jmx?qry=java.lang:type=Runtime`, signal);
    const { LiveNodes } = await readNameNodeInfo(`http://127.0.0.1:${ports.http}`, signal);
    const live = Object.values(liveNodes.parse(JSON.parse(LiveNodes)));
    if (!live.some((node) => node.xferaddr === `127.0.0.1:${ports.data}`)) {
      throw new UnavailableError("the NameNode does not know the DataNode yet");
    }
  };
}

const liveNodes = z.record(z.string(), z.object({ xferaddr: z.string() }));

const LOGGING = `log4j.rootLogger=WARN, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %m (%c{1})%n
# Says on every start that there is no native library.
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
`;
