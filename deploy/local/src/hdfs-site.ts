import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { IssuedCertificate } from "./certificates.ts";
import type { ComponentOptions } from "./component.ts";
import { coreSite, writeSite } from "./hadoop-conf.ts";

/** The NameNode's, the standby's and the DataNode's. */
export const hdfsPorts = [
  ...(["rpc", "http", "standbyRpc", "standbyHttp"] as const),
  ...(["data", "dataHttp", "dataIpc"] as const),
] as const;

export type HdfsPort = (typeof hdfsPorts)[number];
export type HdfsPorts = Record<HdfsPort, number>;

export interface HdfsOptions extends ComponentOptions<HdfsPort> {
  /** Where the DataNode keeps blocks; by default in `dir`. A small file system makes a full disk. */
  readonly dataDir?: string;
  readonly blockBytes?: number;
  /** A second NameNode, which is standby; Hadoop's high availability, with edits in a shared folder. */
  readonly standby?: boolean;
  /** With it WebHDFS is https, and nothing else. */
  readonly tls?: { readonly caFile: string; readonly certificate: IssuedCertificate };
  /** Properties of core-site.xml and hdfs-site.xml, beside and above those of the local cloud. */
  readonly site?: Readonly<Record<string, string>>;
  /** Further options of the JVMs. */
  readonly jvm?: readonly string[];
}

export interface HdfsAddresses {
  /** hdfs://127.0.0.1:PORT, or hdfs://hybridge where there are two NameNodes. */
  readonly fs: string;
  /** http(s)://127.0.0.1:PORT, where /webhdfs/v1 is; with a standby two with a comma, it first. */
  readonly webhdfs: string;
  /** Signed what an https WebHDFS shows. */
  readonly caFile?: string;
  /** What other programs of Hadoop need in their hdfs-site.xml to find `fs`. */
  readonly client: Readonly<Record<string, string>>;
}

/** The nameservice of two NameNodes, and their names in it. */
const SERVICE = "hybridge";
export const nameNodeIds = { namenode: "nn1", standby: "nn2" } as const;

/** The system property that says which of both a JVM is. */
export const ID_PROPERTY = "hybridge.namenode";

export function hdfsAddresses(
  { standby, tls }: HdfsOptions,
  ports: Pick<HdfsPorts, "rpc" | "http" | "standbyRpc" | "standbyHttp">,
): HdfsAddresses {
  const scheme = tls === undefined ? "http" : "https";
  const urls = [...(standby === true ? [ports.standbyHttp] : []), ports.http];
  return {
    fs: standby === true ? `hdfs://${SERVICE}` : `hdfs://127.0.0.1:${ports.rpc}`,
    webhdfs: urls.map((port) => `${scheme}://127.0.0.1:${port}`).join(),
    ...(tls === undefined ? {} : { caFile: tls.caFile }),
    client: standby === true ? nameService(ports) : {},
  };
}

/** Writes the folder of configuration that all processes of HDFS share. */
export function writeHdfsConf(conf: string, options: HdfsOptions, ports: HdfsPorts): void {
  // The web servers want their folders on the classpath, even empty ones.
  for (const name of ["hdfs", "datanode"]) {
    mkdirSync(join(conf, "webapps", name), { recursive: true });
  }
  writeFileSync(join(conf, "log4j.properties"), LOGGING);
  writeSite(conf, "core-site.xml", {
    ...coreSite(hdfsAddresses(options, ports).fs),
    ...options.site,
  });
  writeSite(conf, "hdfs-site.xml", {
    ...hdfsSite(options, ports),
    ...(options.standby === true ? highAvailability(options.dir, ports) : oneNameNode(ports)),
    ...(options.tls === undefined ? {} : HTTPS),
    ...options.site,
  });
  if (options.tls !== undefined) writeSite(conf, "ssl-server.xml", keyStore(options.tls));
}

const at = (port: number) => `127.0.0.1:${port}`;

function hdfsSite(options: HdfsOptions, ports: HdfsPorts): Record<string, string> {
  const data = options.dataDir ?? join(options.dir, "data");
  return {
    "dfs.replication": "1",
    "dfs.namenode.name.dir": `file://${join(options.dir, "name")}`,
    "dfs.datanode.data.dir": `file://${data}`,
    "dfs.datanode.address": at(ports.data),
    "dfs.datanode.http.address": at(ports.dataHttp),
    "dfs.datanode.https.address": at(ports.dataHttp),
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

function oneNameNode(ports: HdfsPorts): Record<string, string> {
  return {
    "dfs.namenode.rpc-address": at(ports.rpc),
    "dfs.namenode.http-address": at(ports.http),
    "dfs.namenode.https-address": at(ports.http),
  };
}

/** Where both NameNodes are, for every client of theirs. */
function nameService(
  ports: Pick<HdfsPorts, "rpc" | "http" | "standbyRpc" | "standbyHttp">,
): Record<string, string> {
  const { namenode, standby } = nameNodeIds;
  return {
    "dfs.nameservices": SERVICE,
    [`dfs.ha.namenodes.${SERVICE}`]: `${namenode},${standby}`,
    [`dfs.namenode.rpc-address.${SERVICE}.${namenode}`]: at(ports.rpc),
    [`dfs.namenode.rpc-address.${SERVICE}.${standby}`]: at(ports.standbyRpc),
    [`dfs.namenode.http-address.${SERVICE}.${namenode}`]: at(ports.http),
    [`dfs.namenode.http-address.${SERVICE}.${standby}`]: at(ports.standbyHttp),
    [`dfs.namenode.https-address.${SERVICE}.${namenode}`]: at(ports.http),
    [`dfs.namenode.https-address.${SERVICE}.${standby}`]: at(ports.standbyHttp),
    [`dfs.client.failover.proxy.provider.${SERVICE}`]:
      "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider",
  };
}

function highAvailability(dir: string, ports: HdfsPorts): Record<string, string> {
  return {
    ...nameService(ports),
    // All addresses are of this machine: each process has to be told which one is its own.
    "dfs.ha.namenode.id": `\${${ID_PROPERTY}}`,
    [`dfs.namenode.name.dir.${SERVICE}.${nameNodeIds.standby}`]: `file://${join(dir, "name-standby")}`,
    "dfs.namenode.shared.edits.dir": `file://${join(dir, "shared-edits")}`,
    "dfs.ha.tail-edits.period": "1s",
    "dfs.ha.standby.checkpoints": "false",
    "dfs.ha.fencing.methods": "shell(/bin/true)",
  };
}

const HTTPS = { "dfs.http.policy": "HTTPS_ONLY" };

function keyStore({ certificate }: NonNullable<HdfsOptions["tls"]>): Record<string, string> {
  return {
    "ssl.server.keystore.location": certificate.storeFile,
    "ssl.server.keystore.type": "PKCS12",
    "ssl.server.keystore.password": certificate.storePassword,
    "ssl.server.keystore.keypassword": certificate.storePassword,
  };
}

const LOGGING = `log4j.rootLogger=WARN, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %m (%c{1})%n
# Says on every start that there is no native library.
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
`;

/** Whether a folder of a NameNode was formatted to its end. */
export function isFormatted(folder: string): boolean {
  return existsSync(join(folder, "current", "VERSION"));
}
