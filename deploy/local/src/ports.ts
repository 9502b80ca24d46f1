import { createServer } from "node:net";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { PortInUseError } from "./errors.ts";

/*
 * Below the range from which Linux (32768) and others (49152) take the ports of outgoing
 * connections: a port of that range can be taken between our look and the component's bind.
 */
const FIRST = 20_000;
const LAST = 31_999;
const given = new Set<number>();

/** A TCP port of 127.0.0.1 that nobody listens on and that this process was not given before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => {
      resolve(false);
    });
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/** @throws PortInUseError naming who wants it */
export async function requireFree(port: number, component: string, remedy: string): Promise<void> {
  if (await isFree(port)) return;
  throw new PortInUseError(
    `${component}: port ${port} of 127.0.0.1 is in use by another program; ${remedy}`,
  );
}

/**
 * The ports of a component: those that the caller gives; else those that it had in this folder the
 * last time (clients and stored addresses keep working); else free ones. Remembered in ports.json.
 *
 * @throws PortInUseError when a given port is taken
 */
export async function choosePorts<Name extends string>(
  component: string,
  dir: string,
  names: readonly Name[],
  wanted: Partial<Record<NoInfer<Name>, number>> = {},
): Promise<Record<Name, number>> {
  const file = join(dir, "ports.json");
  const before = readPorts(file);
  const chosen = {} as Record<Name, number>;
  for (const name of names) {
    const fixed = wanted[name];
    const last = before[name];
    if (fixed !== undefined) {
      await requireFree(fixed, component, `end that program, or give another port for "${name}"`);
      chosen[name] = fixed;
    } else if (last !== undefined && (await isFree(last))) chosen[name] = last;
    else chosen[name] = await freePort();
  }
  mkdirSync(dir, { recursive: true });
  writeFileSync(file, JSON.stringify(chosen) + "\n");
  return chosen;
}

/** The ports that a component has, or had the last time, in this folder. */
export function rememberedPorts(dir: string): Partial<Record<string, number>> {
  return readPorts(join(dir, "ports.json"));
}

function readPorts(file: string): Partial<Record<string, number>> {
  try {
    return z.record(z.string(), z.number().int()).parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return {};
  }
}
