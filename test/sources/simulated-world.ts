import { seededRandom } from "@hybridge/kafka/testing";
import { MadePosts } from "./made-posts.ts";
import { serveJetstream, type JetstreamServer } from "./jetstream/jetstream-server.ts";
import { isRecord, Network } from "./jetstream/network-log.ts";
import { serveX, type XServer } from "./x/x-server.ts";

export interface WorldOptions {
  /** Records in all, posts and deletions; 0 for no end. */
  readonly records: number;
  /** Per second; 0 for as fast as it goes. */
  readonly rate: number;
  readonly seed: number;
}

/** Both sources over real connections on 127.0.0.1, in which people post, edit and delete. */
export interface SimulatedWorld extends AsyncDisposable {
  readonly x: XServer;
  readonly bluesky: readonly JetstreamServer[];
}

/** What X's simulator takes for an app's token; it is no secret. */
export const SIMULATED_TOKEN = "simulated";
const TICK_MS = 20;
/** Of records, those that X tells. */
const X_SHARE = 0.5;
const PER_TICK_MAX = 100;
/** How often a source does what sources do: ends a connection, or says something twice. */
const TROUBLE_MS = 15_000;

/**
 * Opens both. Nothing happens before both feeds are there, and X says nothing while nobody listens:
 * the number of records is exact.
 */
export async function openWorld({ records, rate, seed }: WorldOptions): Promise<SimulatedWorld> {
  await using opened = new AsyncDisposableStack();
  const random = seededRandom(seed);
  const x = opened.use(await serveX({ token: SIMULATED_TOKEN, plan: "pay-per-use" }, inPieces));
  const east = opened.use(await serveJetstream({ firstSeq: 1_000, delayMs: 0 }));
  const west = opened.use(await serveJetstream({ firstSeq: 800_000, delayMs: 50 }));
  const network = new Network(seed, random);
  const posts = new MadePosts(seed, "x.v2");
  let told = 0;
  let beganMs: number | undefined;
  const tellOne = () => {
    if (random() < X_SHARE) {
      if (x.simulator.connections === 0) return false;
      x.simulator.publish(posts.next(Date.now()));
      return true;
    }
    for (;;) {
      const happening = network.happen(Date.now());
      for (const { instance } of [east, west]) instance.see(happening);
      if (isRecord(happening)) return true;
    }
  };
  const tick = () => {
    if (beganMs === undefined) {
      const isWatched = x.simulator.connections > 0 && east.instance.subscribers > 0;
      if (!isWatched) return;
      beganMs = Date.now();
    }
    const due = rate === 0 ? Infinity : (rate * (Date.now() - beganMs)) / 1_000 - told;
    const left = records === 0 ? Infinity : records - told;
    const count = Math.min(due, left, PER_TICK_MAX);
    for (let each = 0; each < count; each++) if (tellOne()) told += 1;
  };
  const trouble = () => {
    const choice = Math.floor(random() * 4);
    if (choice === 0) x.simulator.disconnect("end");
    if (choice === 1) x.simulator.disconnect("repeat");
    if (choice === 2) east.instance.disconnect("going away");
    if (choice === 3) east.instance.disconnect("reset");
  };
  for (const timer of [setInterval(tick, TICK_MS), setInterval(trouble, TROUBLE_MS)]) {
    opened.defer(() => clearInterval(timer));
  }
  const owned = opened.move();
  return { x, bluesky: [east, west], [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** As a network may: no piece ends where a line or a character does. */
function inPieces(bytes: Buffer): Buffer[] {
  const at = Math.floor(Math.random() * bytes.length);
  return [bytes.subarray(0, at), bytes.subarray(at)];
}
