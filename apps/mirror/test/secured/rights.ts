import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { causes } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import {
  ensureTopic,
  grantAcls,
  minimalAcls,
  NotAuthorizedError,
  openFencedWriter,
  type Acl,
} from "@hybridge/kafka";
import { Cluster, makeTopic, POSITIONS_TOPIC } from "@hybridge/kafka/raw";
import { revokeAcl } from "@hybridge/kafka/testing";
import { Mirror, readPositions } from "@hybridge/mirror";
import { mirrorOptions, readMirrorConfig } from "../../src/config.ts";
import { within } from "../harness.ts";
import type { SecuredPair } from "./pair.ts";

const LARGE = 4_000;

/**
 * What one mirror works on, all of it its own. `made` has to be made in the target; `grown` is there
 * with too few partitions, and takes no batch as large as one of the source.
 */
const workOf = (id: string) => ({
  topics: [`made-${id}`, `grown-${id}`] as const,
  names: { topics: [`made-${id}`, `grown-${id}`], mirrorId: id, deadLetterTopic: `dead-${id}` },
});

async function furnish(pair: SecuredPair, id: string): Promise<void> {
  const [made, grown] = workOf(id).topics;
  const source = pair.as("admin", "source");
  for (const [topic, partitions] of [
    [made, 1],
    [grown, 2],
  ] as const) {
    await ensureTopic(source, { topic, partitions }, within());
    const at = { topic, transactionalId: topic, partitions: [0] };
    await using writer = await openFencedWriter({ cluster: source, ...at, signal: within() });
    const record = { key: null, value: Buffer.alloc(100), headers: [], timestampMs: 1 };
    await writer.append(0, [record]);
    if (topic === grown) await writer.append(0, [{ ...record, value: Buffer.alloc(LARGE) }]);
  }
  await using target = new Cluster(pair.as("admin", "target"));
  const config = { "max.message.bytes": String(LARGE / 2) };
  await makeTopic(target, { topic: grown, partitions: 1, config }, within());
}

/** A mirror in this process, as the user `mirror`. */
function startMirror(pair: SecuredPair, id: string) {
  const { topics, names } = workOf(id);
  const told = collectEvents();
  const config = readMirrorConfig({
    ...pair.settings("mirror", "source"),
    ...pair.settings("mirror", "target"),
    HYBRIDGE_TOPICS: topics.join(","),
    HYBRIDGE_MIRROR_ID: names.mirrorId,
    HYBRIDGE_DEAD_LETTER_TOPIC: names.deadLetterTopic,
    HYBRIDGE_DISCOVER_MS: "200",
    HYBRIDGE_POSITIONS_MS: "50",
  });
  const mirror = new Mirror({
    ...mirrorOptions(config),
    source: pair.as("mirror", "source"),
    target: pair.as("mirror", "target"),
    emit: told.emit,
  });
  const stop = new AbortController();
  const running = mirror.run(stop.signal);
  running.catch(() => undefined);
  return {
    mirror,
    /** The messages about missing rights, in order. */
    refusals: () =>
      told.events.flatMap(({ error }) =>
        [...causes(error)].flatMap((link) =>
          link instanceof NotAuthorizedError ? [link.message] : [],
        ),
      ),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running.catch(() => undefined);
    },
  };
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const signal = within();
  while (!(await holds())) {
    if (signal.aborted) throw new Error(`it did not get there: ${what}`);
    await sleep(25);
  }
}

function isDone({ partitions, state }: Mirror): boolean {
  const all = [...partitions.values()];
  const isMirrored = all.every((each) => each.state === "MIRRORING" && each.lag === 0n);
  const deadLetters = all.reduce((sum, each) => sum + each.deadLetters, 0n);
  return state.state === "RUNNING" && all.length === 3 && isMirrored && deadLetters >= 1n;
}

const grantTo = (acl: Acl) => ({ principal: "User:mirror", acl });
const give = (pair: SecuredPair, acl: Acl) =>
  grantAcls(pair.as("admin", acl.cluster), [grantTo(acl)], within());
const revoke = (pair: SecuredPair, acl: Acl) =>
  revokeAcl(pair.as("admin", acl.cluster), grantTo(acl), within());

/**
 * Runs a mirror that lacks one right, until it has told it, then gives it the right and waits until
 * all is mirrored: by the same mirror, which is not started again.
 */
async function lacking(
  pair: SecuredPair,
  id: string,
  acl: Acl,
  isReady?: () => Promise<boolean>,
): Promise<void> {
  const { pattern, operation, resource, name } = acl;
  const missing = `the right ${operation} on ${resource} ${name}${pattern === "literal" ? " is missing" : ""}`;
  await until(`${missing}: revoked`, isReady ?? (() => true));
  await using started = startMirror(pair, id);
  const { mirror, refusals } = started;
  const isTold = () => mirror.state.reason.includes(missing) && refusals().length > 0;
  await until(`${missing}: ${JSON.stringify(mirror.state)}`, isTold);
  await give(pair, acl);
  await until(`all is mirrored with ${missing}`, () => isDone(mirror));
  const others = refusals().filter((message) => !message.includes(missing));
  assert.deepEqual(others, [], missing);
}

/** The rights of a mirror that are its own, each where it is needed; all of them are granted. */
async function ownRights(pair: SecuredPair, id: string): Promise<Acl[]> {
  const { topics, names } = workOf(id);
  const own = minimalAcls("mirror", names).filter(({ name }) => name !== POSITIONS_TOPIC);
  for (const acl of own) await give(pair, acl);
  // One topic is to be made, the other one to be given partitions; the rest both need alike.
  return own.filter(({ name, operation }) =>
    operation === "Create" ? name !== topics[1] : name !== topics[0],
  );
}

const [create, read, write] = ["Create", "Read", "Write"].map((wanted) => {
  const acls = minimalAcls("mirror");
  const acl = acls.find(({ name, operation }) => name === POSITIONS_TOPIC && operation === wanted);
  if (!acl) throw new Error(`no right ${wanted} on ${POSITIONS_TOPIC} is documented`);
  return acl;
}) as [Acl, Acl, Acl];

/** Goes first: nobody has made the topic of positions by then. */
export function testRights(pair: SecuredPair): void {
  test("without the right to make the topic of positions it waits, and tells it", async () => {
    await give(pair, read);
    await give(pair, write);
    await furnish(pair, "first");
    await ownRights(pair, "first");
    await lacking(pair, "first", create);
  });

  test("each right on a topic and an id of its own is needed, and told by its name when it is missing", async () => {
    const count = (await ownRights(pair, "counted")).length;
    assert.equal(count, 10);
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const id = `own-${index}`;
        await furnish(pair, id);
        const acl = (await ownRights(pair, id))[index] as Acl;
        await revoke(pair, acl);
        await lacking(pair, id, acl);
      }),
    );
  });

  test("so are those on the topic of positions, which all mirrors share", async () => {
    const isRefused = () =>
      readPositions(pair.as("mirror", "target"), { sourceTopic: "x" }, within()).then(
        () => false,
        (error: unknown) => error instanceof NotAuthorizedError,
      );
    for (const acl of [read, write]) {
      const id = acl.operation.toLowerCase();
      await furnish(pair, id);
      await ownRights(pair, id);
      await revoke(pair, acl);
      await lacking(pair, id, acl, acl === read ? isRefused : undefined);
    }
  });
}
