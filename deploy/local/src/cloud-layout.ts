import { join } from "node:path";
import { activeProbe, dataNodeProbe, nameNodeProbe, standbyProbe } from "./hdfs.ts";
import type { localSettings } from "./config.ts";
import { probeHive, probeKafka } from "./probes.ts";
import { redshiftProbe } from "./redshift-endpoint.ts";
import { s3Probe } from "./s3.ts";
import { hiveSecurityOf, type CloudSecurity } from "./security.ts";

/** The processes of the local cloud; the standby NameNode is in a secured one only. */
export const componentNames = [
  "source",
  "target",
  "namenode",
  "standby",
  "datanode",
  "hive",
  "s3",
  "redshift",
] as const;

export type ComponentName = (typeof componentNames)[number];

/** Those of a cloud. */
export function namesOf(security: CloudSecurity | undefined): readonly ComponentName[] {
  return componentNames.filter((name) => name !== "standby" || security !== undefined);
}

type PortSetting = Exclude<keyof typeof localSettings, "HYBRIDGE_CACHE_DIR">;
type Probe = (signal: AbortSignal) => Promise<void>;
type Ports = Readonly<Record<string, number>>;

/** What has to be known about a component from outside: from its folder and its ports alone. */
export interface ComponentLayout {
  /** Its folder in the cloud's; the two processes of HDFS share one. */
  readonly folder: string;
  /** The ports that have a setting, by their names in ports.json. */
  readonly fixed: Readonly<Record<string, PortSetting>>;
  readonly address: (ports: Ports) => string;
  readonly probe: (ports: Ports, security?: CloudSecurity) => Probe;
}

const at = (port: number | undefined) => `127.0.0.1:${port ?? 0}`;

function kafka(folder: string, portSetting: PortSetting): ComponentLayout {
  return {
    folder,
    fixed: { broker: portSetting },
    address: (ports) => at(ports["broker"]),
    probe: (ports, security) => (signal) => probeKafka(ports["broker"] ?? 0, signal, security),
  };
}

export const layout: Readonly<Record<ComponentName, ComponentLayout>> = {
  source: kafka("source", "HYBRIDGE_LOCAL_SOURCE_PORT"),
  target: kafka("target", "HYBRIDGE_LOCAL_TARGET_PORT"),
  namenode: {
    folder: "hdfs",
    fixed: { rpc: "HYBRIDGE_LOCAL_HDFS_PORT", http: "HYBRIDGE_LOCAL_WEBHDFS_PORT" },
    address: (ports) => at(ports["http"]),
    probe: ({ http = 0, rpc = 0, standbyHttp = 0 }, security) =>
      security === undefined
        ? nameNodeProbe({ http })
        : activeProbe({ http, rpc, standbyHttp }, security),
  },
  standby: {
    folder: "hdfs",
    fixed: { standbyHttp: "HYBRIDGE_LOCAL_STANDBY_PORT" },
    address: (ports) => at(ports["standbyHttp"]),
    probe: ({ standbyHttp = 0 }, security) => standbyProbe({ standbyHttp }, security),
  },
  datanode: {
    folder: "hdfs",
    fixed: {},
    address: (ports) => at(ports["data"]),
    probe: ({ http = 0, data = 0, dataHttp = 0 }, security) =>
      dataNodeProbe({ http, data, dataHttp }, security),
  },
  hive: {
    folder: "hive",
    fixed: { thrift: "HYBRIDGE_LOCAL_HIVE_PORT" },
    address: (ports) => at(ports["thrift"]),
    probe: (ports, security) => (signal) =>
      probeHive(ports["thrift"] ?? 0, signal, security && hiveSecurityOf(security)),
  },
  s3: {
    folder: "s3",
    fixed: { http: "HYBRIDGE_LOCAL_S3_PORT" },
    address: (ports) => `http://${at(ports["http"])}`,
    probe: ({ http = 0 }) => s3Probe({ http }),
  },
  redshift: {
    folder: "redshift",
    fixed: { http: "HYBRIDGE_LOCAL_REDSHIFT_PORT" },
    address: (ports) => `http://${at(ports["http"])}`,
    probe: ({ http = 0 }) => redshiftProbe({ http }),
  },
};

/** The folder of a component in the cloud that is kept in `dir`. */
export function folderOf(dir: string, name: ComponentName): string {
  return join(dir, layout[name].folder);
}
