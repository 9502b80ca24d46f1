import type { Random } from "@hybridge/kafka/testing";
import type { ProxiedCluster } from "../../support/proxied-cluster.ts";
import type { MirrorService } from "./service.ts";

/** What a fault can get hold of. */
export interface Stage {
  readonly source: ProxiedCluster;
  readonly target: ProxiedCluster;
  readonly random: Random;
  /** The mirror that runs now. */
  current(): MirrorService;
  /** Starts another one beside it, with a failpoint if one is named, and makes it the current. */
  start(failpoint?: string): MirrorService;
}

export type Fault = (stage: Stage) => Promise<void>;

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const FAILPOINTS = [
  "kafka.fence.open",
  "mirror.fenced",
  "mirror.resumed",
  "mirror.produce.sent",
  "mirror.produce.acked",
  "mirror.positions.before-write",
  "mirror.positions.after-write",
];

const someMs = (random: Random, most: number) => Math.floor(random() * most);

async function replace(stage: Stage, failpoint?: string): Promise<void> {
  const old = stage.current();
  if (!old.hasEnded()) old.child.kill("SIGKILL");
  await old.ended;
  stage.start(failpoint);
}

/** Everything that the mirror has to survive without losing or doubling a record. */
export const faults: Readonly<Record<string, Fault>> = {
  async "kill the mirror"(stage) {
    await sleep(someMs(stage.random, 1_200));
    await replace(stage);
  },
  async "kill the mirror at a failpoint"(stage) {
    const name = FAILPOINTS[Math.floor(stage.random() * FAILPOINTS.length)] ?? "mirror.fenced";
    await replace(stage, `${name}@${1 + Math.floor(stage.random() * 4)}`);
    // Not every failpoint is passed so often: then it is a plain kill.
    await Promise.race([stage.current().ended, sleep(3_000)]);
    await replace(stage);
  },
  async "two owners, the first asleep"(stage) {
    const first = stage.current();
    first.child.kill("SIGSTOP");
    await sleep(someMs(stage.random, 500));
    const second = stage.start();
    await sleep(1_000 + someMs(stage.random, 1_500));
    first.child.kill("SIGCONT");
    await sleep(500 + someMs(stage.random, 500));
    if (!first.hasEnded()) first.child.kill("SIGKILL");
    await first.ended;
    // Whoever owned last may be either of them: what counts is that the log is right.
    if (second.hasEnded()) stage.start();
  },
  async "kill the source broker"(stage) {
    await stage.source.kafka.kill("SIGKILL");
    await sleep(someMs(stage.random, 300));
    await stage.source.kafka.restart();
  },
  async "kill the target broker"(stage) {
    await stage.target.kafka.kill("SIGKILL");
    await sleep(someMs(stage.random, 300));
    await stage.target.kafka.restart();
  },
  async "stop the target broker for a while"(stage) {
    await stage.target.kafka.kill("SIGSTOP");
    await sleep(500 + someMs(stage.random, 2_000));
    await stage.target.kafka.kill("SIGCONT");
  },
  async "cut connections to the source"(stage) {
    for (let count = 0; count < 3; count++) {
      await sleep(someMs(stage.random, 200));
      stage.source.proxy.cut();
    }
  },
  async "cut connections to the target"(stage) {
    for (let count = 0; count < 3; count++) {
      await sleep(someMs(stage.random, 200));
      stage.target.proxy.cut();
    }
  },
  async "swallow acknowledgements"(stage) {
    await sleep(someMs(stage.random, 300));
    await stage.target.proxy.swallow(20 + someMs(stage.random, 400));
  },
  async "delay the target"(stage) {
    stage.target.proxy.delay(20 + someMs(stage.random, 60));
    await sleep(500);
    await stage.target.proxy.swallow(50);
    stage.target.proxy.delay(0);
  },
};
