import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UnavailableError } from "@hybridge/core";
import { z } from "zod";
import { pidFileOf, runToEnd, startComponent, type Component } from "./component.ts";
import { createEncryptionZone, transitionTo } from "./hadoop-rpc.ts";
import {
  hdfsAddresses,
  hdfsPorts,
  ID_PROPERTY,
  isFormatted,
  nameNodeIds,
  writeHdfsConf,
  type HdfsAddresses,
  type HdfsOptions,
  type HdfsPorts,
} from "./hdfs-site.ts";
import { javaCommand, javaEnvironment, openedPackages, type JavaProgram } from "./java.ts";
import { reclaim } from "./launch.ts";
import { choosePorts } from "./ports.ts";
import { httpCall, probeHttp } from "./probes.ts";

export type { HdfsAddresses, HdfsOptions } from "./hdfs-site.ts";

/** Of one NameNode. */
export interface NameNodeAddresses {
  readonly fs: string;
  readonly webhdfs: string;
}

/** A NameNode, a standby of it where one was asked for, and one DataNode. Leaving its scope stops all. */
export interface Hdfs extends AsyncDisposable {
  readonly addresses: HdfsAddresses;
  readonly nameNode: Component<NameNodeAddresses>;
  readonly standby: Component<NameNodeAddresses> | undefined;
  readonly dataNode: Component<{ readonly http: string }>;
  health(signal?: AbortSignal): Promise<void>;
  /** Makes the standby the active one; the other one becomes standby, if it is up. */
  failOver(signal: AbortSignal): Promise<void>;
  /** Makes an empty folder an encryption zone with a key of the KMS. */
  encrypt(path: string, key: string, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

const STOP_MS = 8_000;
const NAME_NODE = "org.apache.hadoop.hdfs.server.namenode.NameNode";

/**
 * Starts HDFS with one replica; ready when a file can be written through WebHDFS. A Kerberized one may
 * need some more seconds for that.
 */
export async function startHdfs(options: HdfsOptions): Promise<Hdfs> {
  const setup = await prepareHdfs(options);
  const { signal } = options;
  const nameNode = startNameNode(setup, signal);
  // The DataNode looks for its NameNodes by itself, so all can start at once.
  const dataNode = startDataNode(setup, signal);
  const standby = options.standby === true ? startStandby(setup, signal) : undefined;
  const starting = [nameNode, dataNode, ...(standby === undefined ? [] : [standby])];
  const stop = async () => {
    const results = await Promise.allSettled<Component<unknown>>(starting);
    const started = results.filter((result) => result.status === "fulfilled");
    await Promise.all(started.map(({ value }) => value.stop()));
  };
  try {
    const [first, second, third] = await Promise.all([nameNode, dataNode, standby]);
    return {
      addresses: setup.addresses,
      nameNode: first,
      standby: third,
      dataNode: second,
      async health(healthSignal) {
        const all = [first, second, ...(third === undefined ? [] : [third])];
        await Promise.all(all.map((each) => each.health(healthSignal)));
      },
      failOver: (failSignal) => failOver(setup, failSignal),
      encrypt: (path, key, zoneSignal) =>
        createEncryptionZone({ port: setup.ports.rpc, path, key }, zoneSignal),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Everything that the processes of HDFS need. */
export interface HdfsSetup {
  readonly options: HdfsOptions;
  readonly ports: HdfsPorts;
  readonly conf: string;
  readonly addresses: HdfsAddresses;
  /** Resolves when the folders of the NameNodes are there. */
  readonly format: (signal: AbortSignal | undefined) => Promise<void>;
}

/** Chooses the ports and writes the configuration. */
export async function prepareHdfs(options: HdfsOptions): Promise<HdfsSetup> {
  const { dir } = options;
  for (const name of ["namenode", "standby", "datanode"]) {
    await reclaim(pidFileOf(dir, name), name, STOP_MS);
  }
  const ports = await choosePorts("hdfs", dir, hdfsPorts, options.ports);
  const conf = join(dir, "conf");
  writeHdfsConf(conf, options, ports);
  let formatting: Promise<void> | undefined;
  const setup: HdfsSetup = {
    options,
    ports,
    conf,
    addresses: hdfsAddresses(options, ports),
    format: (signal) => (formatting ??= format(setup, signal)),
  };
  return setup;
}

async function format(setup: HdfsSetup, signal: AbortSignal | undefined): Promise<void> {
  const { dir } = setup.options;
  const names = join(dir, "name");
  if (!isFormatted(names)) {
    rmSync(names, { recursive: true, force: true });
    rmSync(join(dir, "shared-edits"), { recursive: true, force: true });
    rmSync(join(dir, "name-standby"), { recursive: true, force: true });
    const program = { ...programOf(setup, NAME_NODE, "namenode"), name: "format" };
    const command = javaCommand({ ...program, args: ["-format", "-nonInteractive"] });
    const limits = { startMs: 180_000, stopMs: STOP_MS };
    await runToEnd({ dir, name: "format", env: javaEnvironment(), ...limits, ...command }, signal);
    // What -bootstrapStandby does, while nothing has happened yet.
    if (setup.options.standby === true) {
      cpSync(names, join(dir, "name-standby"), { recursive: true });
    }
  }
}

/** Starts the NameNode, formatting a new folder first; ready when it is out of safe mode. */
export async function startNameNode(
  setup: HdfsSetup,
  signal?: AbortSignal,
): Promise<Component<NameNodeAddresses>> {
  const { options, ports } = setup;
  const secured = { caFile: setup.addresses.caFile };
  const open =
    options.standby === true ? activeProbe(ports, secured) : nameNodeProbe(ports, secured);
  const probe = isKerberized(options) ? loginProbe(ports.http, secured) : open;
  return await startNode(setup, "namenode", probe, signal);
}

/** Starts the second NameNode; ready when it answers, whichever of both is active. */
export async function startStandby(
  setup: HdfsSetup,
  signal?: AbortSignal,
): Promise<Component<NameNodeAddresses>> {
  const probe = standbyProbe(setup.ports, { caFile: setup.addresses.caFile });
  return await startNode(setup, "standby", probe, signal);
}

async function startNode(
  setup: HdfsSetup,
  name: "namenode" | "standby",
  probe: Probe,
  signal: AbortSignal | undefined,
): Promise<Component<NameNodeAddresses>> {
  await setup.format(signal);
  const { ports, addresses } = setup;
  const [rpc, http] =
    name === "namenode" ? [ports.rpc, ports.http] : [ports.standbyRpc, ports.standbyHttp];
  return startComponent(
    {
      dir: setup.options.dir,
      env: javaEnvironment(),
      stopMs: STOP_MS,
      name,
      addresses: { fs: `hdfs://127.0.0.1:${rpc}`, webhdfs: urlOf(http, addresses.caFile) },
      ...javaCommand(programOf(setup, NAME_NODE, name)),
      probe,
      startMs: 180_000,
    },
    signal,
  );
}

/** Starts the DataNode; ready when the NameNode counts it as alive. */
export async function startDataNode(
  setup: HdfsSetup,
  signal?: AbortSignal,
): Promise<Component<{ readonly http: string }>> {
  const { options, ports } = setup;
  const { caFile } = setup.addresses;
  const main = "org.apache.hadoop.hdfs.server.datanode.DataNode";
  return startComponent(
    {
      dir: options.dir,
      env: javaEnvironment(),
      stopMs: STOP_MS,
      name: "datanode",
      addresses: { http: urlOf(ports.dataHttp, caFile) },
      ...javaCommand(programOf(setup, main, "datanode")),
      probe: isKerberized(options)
        ? loginProbe(ports.dataHttp, { caFile })
        : dataNodeProbe(ports, { caFile }),
      startMs: 180_000,
    },
    signal,
  );
}

async function failOver({ options, ports, addresses }: HdfsSetup, signal: AbortSignal) {
  if (options.standby !== true) throw new RangeError("this HDFS has no standby");
  if ((await stateOf(ports.http, addresses.caFile, signal)) === "active") {
    await transitionTo("Standby", ports.rpc, signal);
  }
  await transitionTo("Active", ports.standbyRpc, signal);
}

function programOf(setup: HdfsSetup, main: string, name: string): JavaProgram {
  const { dir, heapMb = 192, jvm = [] } = setup.options;
  const id = name === "standby" ? nameNodeIds.standby : nameNodeIds.namenode;
  return {
    name,
    component: "hdfs",
    before: [setup.conf],
    heapMb,
    tmpDir: join(dir, "tmp"),
    options: [...openedPackages, `-D${ID_PROPERTY}=${id}`, ...jvm],
    main,
  };
}

type Probe = (signal: AbortSignal) => Promise<void>;

/** What an https WebHDFS is trusted by. */
interface Trusts {
  readonly caFile?: string | undefined;
}

function urlOf(port: number, caFile: string | undefined): string {
  return `${caFile === undefined ? "http" : "https"}://127.0.0.1:${port}`;
}

const nameNodeInfo = z.object({ Safemode: z.string(), LiveNodes: z.string() });
const nameNodeStatus = z.object({ State: z.string() });

/** The only bean of a NameNode with a name. */
async function readBean<T>(
  schema: z.ZodType<T>,
  name: string,
  { port, caFile }: Trusts & { port: number },
  signal: AbortSignal,
): Promise<T> {
  const url = urlOf(port, caFile);
  const body = await probeHttp(
    `${url}/jmx?qry=Hadoop:service=NameNode,name=${name}`,
    signal,
    caFile,
  );
  const { beans } = z.object({ beans: z.array(schema) }).parse(JSON.parse(body));
  if (beans[0] === undefined) throw new UnavailableError(`the NameNode ${url} is starting`);
  return beans[0];
}

/** Healthy when the NameNode is out of safe mode. */
export function nameNodeProbe(ports: { http: number }, { caFile }: Trusts = {}): Probe {
  return async (signal) => {
    const at = { port: ports.http, caFile };
    const { Safemode } = await readBean(nameNodeInfo, "NameNodeInfo", at, signal);
    if (Safemode !== "") throw new UnavailableError(`the NameNode is in safe mode: ${Safemode}`);
  };
}

function isKerberized({ site }: HdfsOptions): boolean {
  return site?.["hadoop.security.authentication"] === "kerberos";
}

/** Healthy when it asks for a login: a Kerberized HDFS tells strangers nothing of its state. */
function loginProbe(port: number, { caFile }: Trusts): Probe {
  return async (signal) => {
    const url = `${urlOf(port, caFile)}/jmx`;
    const { status } = await httpCall("GET", url, signal, { caFile });
    if (status !== 200 && status !== 401) throw new UnavailableError(`${url} answers ${status}`);
  };
}

/** "active" or "standby"; undefined for one that does not answer. */
async function stateOf(port: number, caFile: string | undefined, signal: AbortSignal) {
  try {
    return (await readBean(nameNodeStatus, "NameNodeStatus", { port, caFile }, signal)).State;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/**
 * NameNodes of a pair start as standbys. Nobody elects here: the first one is made active wherever
 * the second one is not, before its health is looked at.
 */
export function activeProbe(
  ports: Pick<HdfsPorts, "http" | "rpc" | "standbyHttp">,
  trusts: Trusts = {},
): Probe {
  const probe = nameNodeProbe(ports, trusts);
  return async (signal) => {
    const { caFile } = trusts;
    const at = { port: ports.http, caFile };
    const { State } = await readBean(nameNodeStatus, "NameNodeStatus", at, signal);
    if (State === "standby") {
      if ((await stateOf(ports.standbyHttp, caFile, signal)) === "active") return;
      await transitionTo("Active", ports.rpc, signal);
    }
    await probe(signal);
  };
}

/** Healthy when it knows its state. */
export function standbyProbe(
  { standbyHttp }: Pick<HdfsPorts, "standbyHttp">,
  { caFile }: Trusts = {},
): Probe {
  return async (signal) => {
    const at = { port: standbyHttp, caFile };
    const { State } = await readBean(nameNodeStatus, "NameNodeStatus", at, signal);
    if (State !== "standby" && State !== "active") {
      throw new UnavailableError(`the second NameNode is ${State}`);
    }
  };
}

/** Healthy when the DataNode answers and the NameNode counts it as alive. */
export function dataNodeProbe(
  ports: Pick<HdfsPorts, "http" | "data" | "dataHttp">,
  { caFile }: Trusts = {},
): Probe {
  return async (signal) => {
    const runtime = `${urlOf(ports.dataHttp, caFile)}/jmx?qry=java.lang:type=Runtime`;
    await probeHttp(runtime, signal, caFile);
    const at = { port: ports.http, caFile };
    const { LiveNodes } = await readBean(nameNodeInfo, "NameNodeInfo", at, signal);
    const live = Object.values(liveNodes.parse(JSON.parse(LiveNodes)));
    if (!live.some((node) => node.xferaddr === `127.0.0.1:${ports.data}`)) {
      throw new UnavailableError("the NameNode does not know the DataNode yet");
    }
  };
}

const liveNodes = z.record(z.string(), z.object({ xferaddr: z.string() }));
