import { mkdirSync } from "node:fs";
import { ConfigError } from "@hybridge/core";
import { removeAddresses, writeAddresses, type CloudAddresses } from "./addresses.ts";
import { componentNames, folderOf, layout, namesOf, type ComponentName } from "./cloud-layout.ts";
import { cloudStatus, type ComponentStatus } from "./cloud-status.ts";
import { pidFileOf, type Component } from "./component.ts";
import { readLocalConfig } from "./config.ts";
import { prepareHdfs, startDataNode, startNameNode, startStandby } from "./hdfs.ts";
import { startHive } from "./hive.ts";
import { startKafka } from "./kafka.ts";
import { reclaim } from "./launch.ts";
import { choosePorts, isFree } from "./ports.ts";
import { startRedshift } from "./redshift-endpoint.ts";
import { startS3 } from "./s3.ts";
import { hiveSecurityOf, openSecurity, securityOf, type CloudSecurity } from "./security.ts";
import { supervise } from "./supervise.ts";

export interface LocalCloudOptions {
  /** Data, logs, pid files and addresses.json of all components. */
  readonly dir: string;
  /** The ports of the HYBRIDGE_LOCAL_ settings; otherwise free ones, remembered in `dir`. */
  readonly fixedPorts: boolean;
  /** TLS, logins and ACLs wherever a component has them; certificates and passwords are made in `dir`. */
  readonly secure?: boolean;
  /** A line for people, when something happened to a component. */
  readonly onEvent: (line: string) => void;
  /** Aborting it while the cloud starts stops what was started and rejects. */
  readonly signal: AbortSignal;
}

/** The running cloud. Leaving its scope stops every component; the data stays. */
export interface LocalCloud extends AsyncDisposable {
  readonly addresses: CloudAddresses;
  /** Undefined for a cloud that is not secured. */
  readonly security: CloudSecurity | undefined;
  /** The processes, for tests that kill them: supervision starts them again. */
  readonly components: Readonly<Record<Exclude<ComponentName, "standby">, Component<unknown>>> & {
    readonly standby?: Component<unknown>;
  };
  status(): Promise<readonly ComponentStatus[]>;
}

/**
 * Starts two Kafka clusters, HDFS, Hive, S3 and the Redshift endpoint, all at once, and keeps them
 * running: one that ends is started again on its data.
 *
 * @throws ConfigError naming every taken port and its setting, before anything is started
 * @throws ComponentFailedError when one does not start; the others are stopped
 */
export async function startLocalCloud(options: LocalCloudOptions): Promise<LocalCloud> {
  const { dir, onEvent } = options;
  mkdirSync(dir, { recursive: true });
  removeAddresses(dir);
  for (const name of componentNames) {
    await reclaim(pidFileOf(folderOf(dir, name), name), name, 10_000);
  }
  if (options.secure !== true) refuseSecured(dir);
  const security = options.secure === true ? openSecurity(dir) : undefined;
  const ports = options.fixedPorts ? await fixedPorts(namesOf(security)) : {};
  const stopping = new AbortController();
  const started = new Map<ComponentName, Component<unknown>>();
  const signal = AbortSignal.any([options.signal, stopping.signal]);
  const starting = { dir, ports, security, onEvent, abort: stopping, signal, started };
  const addresses = await startAll(starting).catch(async (error: unknown) => {
    await stopAll(started);
    throw error;
  });
  const components = Object.fromEntries(started) as Record<ComponentName, Component<unknown>>;
  const supervisors = [...started.values()].map((component) =>
    supervise(component, onEvent, stopping.signal),
  );
  writeAddresses(dir, addresses);
  return {
    addresses,
    security,
    components,
    status: () => cloudStatus(dir),
    async [Symbol.asyncDispose]() {
      stopping.abort(new DOMException("the local cloud is stopped", "AbortError"));
      removeAddresses(dir);
      await Promise.all(supervisors);
      await stopAll(started);
    },
  };
}

interface Starting {
  readonly dir: string;
  readonly ports: Partial<Record<ComponentName, Record<string, number>>>;
  readonly security: CloudSecurity | undefined;
  readonly onEvent: (line: string) => void;
  /** Aborts when the caller's signal does, and when one component fails. */
  readonly abort: AbortController;
  readonly signal: AbortSignal;
  /** Filled as components become healthy. */
  readonly started: Map<ComponentName, Component<unknown>>;
}

/** Everything at once; only Hive waits, for the NameNode. */
async function startAll(starting: Starting): Promise<CloudAddresses> {
  const { dir, signal, ports, security } = starting;
  const secured = security === undefined ? {} : { security };
  const place = (name: ComponentName) => ({
    dir: folderOf(dir, name),
    signal,
    ...(ports[name] === undefined ? {} : { ports: ports[name] }),
  });
  const kafka = (name: "source" | "target") =>
    begin(starting, name, () => startKafka({ ...place(name), ...secured, name }));
  const hdfs = await prepareHdfs({
    ...place("namenode"),
    ports: { ...ports.namenode, ...ports.standby },
    standby: security !== undefined,
    ...(security === undefined ? {} : { tls: security }),
  });
  const source = kafka("source");
  const target = kafka("target");
  const nameNode = begin(starting, "namenode", () => startNameNode(hdfs, signal));
  const standby = security && begin(starting, "standby", () => startStandby(hdfs, signal));
  const dataNode = begin(starting, "datanode", () => startDataNode(hdfs, signal));
  const s3Ports = await choosePorts("s3", folderOf(dir, "s3"), ["http", "https"], ports.s3);
  const s3 = begin(starting, "s3", () => startS3({ ...place("s3"), ports: s3Ports }));
  const s3Endpoint = layout.s3.address(s3Ports);
  const redshift = begin(starting, "redshift", () =>
    startRedshift({ ...place("redshift"), s3Endpoint }),
  );
  const hive = nameNode.then(() =>
    begin(starting, "hive", () =>
      startHive({
        ...place("hive"),
        ...(security === undefined ? {} : { security: hiveSecurityOf(security) }),
        hdfs: hdfs.addresses,
      }),
    ),
  );
  await Promise.allSettled([source, target, nameNode, standby, dataNode, s3, hive, redshift]);
  signal.throwIfAborted();
  return {
    source: (await source).addresses.bootstrap,
    target: (await target).addresses.bootstrap,
    webhdfs: hdfs.addresses.webhdfs,
    hdfs: hdfs.addresses.fs,
    hive: (await hive).addresses.address,
    s3: (await s3).addresses.endpoint,
    redshift: (await redshift).addresses.endpoint,
  };
}

async function begin<A extends object>(
  starting: Starting,
  name: ComponentName,
  start: () => Promise<Component<A>>,
): Promise<Component<A>> {
  const since = performance.now();
  try {
    starting.signal.throwIfAborted();
    const component = await start();
    starting.started.set(name, component);
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    starting.onEvent(`${name} is healthy at ${show(component)} after ${seconds} s`);
    return component;
  } catch (error) {
    starting.abort.abort(error);
    throw error;
  }
}

/** Hive goes before the HDFS that it writes its last files to; the rest at once. */
async function stopAll(started: ReadonlyMap<ComponentName, Component<unknown>>): Promise<void> {
  const stop = async (...names: ComponentName[]) => {
    await Promise.all(names.map(async (name) => started.get(name)?.stop()));
  };
  const files = async () => {
    await stop("hive");
    await stop("namenode", "standby", "datanode");
  };
  await Promise.all([files(), stop("source", "target", "s3", "redshift")]);
}

/** @throws ConfigError when the folder holds the data of a secured cloud */
function refuseSecured(dir: string): void {
  if (securityOf(dir) === undefined) return;
  throw new ConfigError(
    `the data in ${dir} belongs to a secured cloud: add --secure, or choose another folder (--dir)`,
  );
}

async function fixedPorts(names: readonly ComponentName[]): Promise<Starting["ports"]> {
  const config = readLocalConfig();
  const ports: Starting["ports"] = {};
  const problems: string[] = [];
  for (const name of names) {
    for (const [port, portSetting] of Object.entries(layout[name].fixed)) {
      const number = config[portSetting];
      (ports[name] ??= {})[port] = number;
      if (!(await isFree(number))) problems.push(portProblem(name, number, portSetting));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return ports;
}

function portProblem(name: string, port: number, portSetting: string): string {
  return (
    `port ${port} of 127.0.0.1, for ${name}, is in use by another program: ` +
    `end that, or set ${portSetting} to a free one`
  );
}

function show(component: Component<object>): string {
  return Object.values(component.addresses).join(", ");
}
