import { describeError } from "@hybridge/core";
import { join } from "node:path";
import { folderOf, layout, namesOf, type ComponentName } from "./cloud-layout.ts";
import { pidFileOf } from "./component.ts";
import { readPidFile } from "./pid-file.ts";
import { rememberedPorts } from "./ports.ts";
import { isAlive, residentBytes } from "./process-identity.ts";
import { securityOf, type CloudSecurity } from "./security.ts";

export interface ComponentStatus {
  readonly name: ComponentName;
  /** DOWN: no process; UNHEALTHY: a process that does not do its work (yet). */
  readonly state: "HEALTHY" | "UNHEALTHY" | "DOWN";
  /** Why it is not healthy; empty when it is. */
  readonly reason: string;
  readonly address: string;
  readonly pid: number | undefined;
  readonly residentBytes: number;
  readonly logFile: string;
}

const PROBE_MS = 5_000;

/** Looks at every component of the cloud in `dir`, whoever started it. */
export async function cloudStatus(dir: string): Promise<readonly ComponentStatus[]> {
  const security = securityOf(dir);
  return Promise.all(namesOf(security).map((name) => statusOf(dir, name, security)));
}

async function statusOf(
  dir: string,
  name: ComponentName,
  security: CloudSecurity | undefined,
): Promise<ComponentStatus> {
  const folder = folderOf(dir, name);
  const ports = definedPorts(rememberedPorts(folder));
  const common = {
    name,
    address: Object.keys(ports).length === 0 ? "" : layout[name].address(ports),
    logFile: join(folder, `${name}.log`),
  };
  const running = readPidFile(pidFileOf(folder, name))?.process;
  if (running === undefined || !isAlive(running)) {
    return { ...common, state: "DOWN", reason: "not running", pid: undefined, residentBytes: 0 };
  }
  const process = { pid: running.pid, residentBytes: residentBytes(running.pid) };
  try {
    await layout[name].probe(ports, security)(AbortSignal.timeout(PROBE_MS));
    return { ...common, ...process, state: "HEALTHY", reason: "" };
  } catch (error) {
    return { ...common, ...process, state: "UNHEALTHY", reason: describeError(error) };
  }
}

function definedPorts(ports: Partial<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(ports).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );
}
