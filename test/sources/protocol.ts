import { readFileSync } from "node:fs";

/** One fact of a vendor's protocol, and where the vendor, or somebody who met it, says so. */
interface Fact<T> {
  readonly value: T;
  readonly source: string;
}

type Problem = Readonly<Record<string, unknown>>;

interface Protocol {
  readonly x: Readonly<
    Record<
      | "heartbeatMs"
      | "networkStepMs"
      | "networkMaxMs"
      | "httpBaseMs"
      | "httpMaxMs"
      | "rateLimitBaseMs"
      | "windowMs"
      | "connectsPerWindow"
      | "rulesReadsPerWindow"
      | "rulesWritesPerWindow"
      | "connectionsMax"
      | "rulesMax"
      | "ruleLengthMax"
      | "backfillMinutesMax"
      | "heldConnectionMs",
      Fact<number>
    > &
      Record<
        | "tooManyConnections"
        | "tooManyRequests"
        | "unavailable"
        | "unauthorized"
        | "backfillRefused"
        | "operationalDisconnect"
        | "bareOperationalDisconnect"
        | "invalidRule"
        | "duplicateRule",
        Fact<Problem>
      > &
      Record<"heartbeat", Fact<string>>
  >;
  readonly jetstream: Readonly<
    Record<"collectionsMax" | "didsMax" | "timeCursorMin" | "lookbackMs" | "pingMs", Fact<number>> &
      Record<"kinds" | "legacyParameters", Fact<readonly string[]>> &
      Record<"path" | "typePrefix", Fact<string>> &
      Record<
        "goingAway" | "dataFromClient",
        Fact<{ readonly code: number; readonly reason?: string }>
      > &
      Record<
        "cursorTooOld" | "unavailable" | "handleNotFound",
        Fact<{ error: string; message: string }>
      > &
      Record<"outdatedCursor", Fact<{ name: string; message: string }>> &
      Record<"tooSlow", Fact<Problem>>
  >;
}

type Values<T> = { readonly [K in keyof T]: T[K] extends Fact<infer V> ? V : never };

/** What the simulators follow: protocol.json, each line of which names its source. */
export const facts = JSON.parse(
  readFileSync(new URL("protocol.json", import.meta.url), "utf8"),
) as Protocol;

export const xProtocol = valuesOf(facts.x);
export const jetstreamProtocol = valuesOf(facts.jetstream);

function valuesOf<T extends object>(all: T): Values<T> {
  const entries = Object.entries(all as Record<string, Fact<unknown>>);
  return Object.fromEntries(entries.map(([name, { value }]) => [name, value])) as Values<T>;
}

/** A text of the protocol with its places filled: `{floor}`. */
export function filled(template: string, values: Readonly<Record<string, number>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}
