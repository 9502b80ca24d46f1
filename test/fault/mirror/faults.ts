import type { Random } from "@hybridge/kafka/testing";
import { apiKeys } from "../../support/proxy.ts";
import type { Side } from "./clusters.ts";
import { mirrorFailpoints } from "./failpoints.ts";
import type { MirrorService } from "./service.ts";

/** What a fault can get hold of. */
export interface Stage {
  readonly source: Side;
  readonly target: Side;
  readonly random: Random;
  /** The mirror that runs now. */
  current(): MirrorService;
  /** Starts another one beside it, with more settings if given, and makes it the current. */
  start(more?: Readonly<Record<string, string>>): MirrorService;
}

export interface Fault {
  readonly name: string;
  /** How often it is drawn: bounces of brokers take seconds. */
  readonly weight: number;
  /** Says what it did. */
  readonly strike: (stage: Stage) => Promise<string>;
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Beyond the mirror's time-outs for produce requests: 15 s, and 5 s until the client gives up. */
const LONG_SLEEP_MS = 21_000;
const LONG_SLEEP_CHANCE = 0.1;
/** A failpoint that is not passed in this time is not passed in this run: it is a plain kill. */
const FAILPOINT_MS = 3_000;

/** So long at most until there is an acknowledgement to swallow. */
const SWALLOW_MS = 1_500;

const upTo = (random: Random, most: number) => Math.floor(random() * most);

function pick<T>(random: Random, list: readonly T[]): T {
  const item = list[Math.floor(random() * list.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

async function replace(stage: Stage, more?: Readonly<Record<string, string>>): Promise<void> {
  await stage.current().end();
  stage.start(more);
}

async function kill(stage: Stage): Promise<string> {
  const ms = upTo(stage.random, 1_000);
  await sleep(ms);
  await replace(stage);
  return `kill after ${ms} ms`;
}

async function killAtFailpoint(stage: Stage): Promise<string> {
  const name = pick(stage.random, mirrorFailpoints());
  const at = `${name}@${1 + upTo(stage.random, 2)}`;
  await replace(stage, { HYBRIDGE_FAILPOINT: at, HYBRIDGE_POSITIONS_MS: "100" });
  const exit = await Promise.race([stage.current().ended, sleep(FAILPOINT_MS)]);
  await replace(stage);
  return `kill at ${at}${exit ? "" : " (not reached)"}`;
}

async function twoOwners(stage: Stage): Promise<string> {
  const first = stage.current();
  first.hasRival = true;
  first.signal("SIGSTOP");
  await sleep(upTo(stage.random, 300));
  const second = stage.start();
  second.hasRival = true;
  const isLong = stage.random() < LONG_SLEEP_CHANCE;
  const ms = isLong ? LONG_SLEEP_MS : 1_000 + upTo(stage.random, 1_200);
  await sleep(ms);
  first.signal("SIGCONT");
  await sleep(300 + upTo(stage.random, 500));
  await first.end();
  // Whoever owned last may be either of them: what counts is that the log is right.
  if (second.exit) stage.start();
  return `two owners, the first asleep for ${ms} ms`;
}

/** The same fault at either side of the mirror. */
function atBothSides(
  what: string,
  weight: number,
  strike: (side: Side, random: Random) => Promise<string>,
): Fault[] {
  return (["source", "target"] as const).map((name) => ({
    name: `${what} ${name}`,
    weight,
    strike: async (stage) => await strike(stage[name], stage.random),
  }));
}

async function bounce(side: Side, random: Random, signal: "SIGKILL" | "SIGTERM"): Promise<string> {
  const ms = upTo(random, 300);
  await side.alone(async () => {
    await side.kafka.kill(signal);
    await sleep(ms);
    await side.kafka.restart();
  });
  return `${signal} to the ${side.name} broker, back after ${ms} ms`;
}

async function freeze(side: Side, random: Random): Promise<string> {
  const ms = 300 + upTo(random, 1_700);
  await side.alone(async () => {
    await side.kafka.kill("SIGSTOP");
    await sleep(ms);
    await side.kafka.kill("SIGCONT");
  });
  return `${side.name} broker stopped for ${ms} ms`;
}

async function cut(side: Side, random: Random): Promise<string> {
  for (let count = 0; count < 3; count++) {
    await sleep(upTo(random, 200));
    side.proxy.cut();
  }
  return `connections to the ${side.name} cut`;
}

async function delay(side: Side, random: Random): Promise<string> {
  const ms = 20 + upTo(random, 60);
  await side.alone(async () => {
    side.proxy.delay(ms);
    await sleep(500 + upTo(random, 500));
    if (random() < 0.5) side.proxy.cut();
    side.proxy.delay(0);
  });
  return `${side.name} ${ms} ms away for a while`;
}

async function tear(side: Side, random: Random): Promise<string> {
  let torn = 0;
  await side.alone(async () => {
    for (let count = 0; count < 3; count++) {
      await sleep(upTo(random, 150));
      if (await side.proxy.tearAnswer(500)) torn += 1;
    }
  });
  return `${torn} answers of the ${side.name} cut in half`;
}

async function swallow(stage: Stage): Promise<string> {
  const { random, target } = stage;
  await sleep(upTo(random, 200));
  return await target.alone(async () => {
    const swallowing = target.proxy.swallowAnswers(apiKeys.produce);
    const deadline = Date.now() + SWALLOW_MS;
    while (swallowing.count === 0 && Date.now() < deadline) await sleep(10);
    await sleep(upTo(random, 400));
    swallowing.end();
    return `${swallowing.count} acknowledgements swallowed`;
  });
}

/** Everything that the mirror has to survive without losing or doubling a record. */
export const faults: readonly Fault[] = [
  { name: "kill", weight: 3, strike: kill },
  { name: "kill at a failpoint", weight: 6, strike: killAtFailpoint },
  { name: "two owners", weight: 3, strike: twoOwners },
  { name: "swallow acknowledgements", weight: 4, strike: swallow },
  ...atBothSides("kill", 1, (side, random) => bounce(side, random, "SIGKILL")),
  ...atBothSides("restart", 1, (side, random) => bounce(side, random, "SIGTERM")),
  ...atBothSides("freeze", 1, freeze),
  ...atBothSides("cut connections to", 2, cut),
  ...atBothSides("delay", 1, delay),
  ...atBothSides("tear answers of", 2, tear),
];

/** Draws some faults by their weights. */
export function drawFaults(random: Random): Fault[] {
  const lots = faults.flatMap((fault) => Array.from({ length: fault.weight }, () => fault));
  return Array.from({ length: 2 + Math.floor(random() * 3) }, () => pick(random, lots));
}
