import assert from "node:assert/strict";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { causes, type Emit } from "@hybridge/core";
import { describeTopic, openMembership, openPartitions } from "../../src/groups.ts";
import {
  clusterIdOf,
  countRanges,
  createTopicIfMissing,
  describeLog,
  ensureTopic,
  grantAcls,
  minimalAcls,
  NotAuthorizedError,
  openFencedWriter,
  openReader,
  readOffsets,
  type Acl,
  type ClusterOptions,
  type KafkaService,
} from "../../src/index.ts";
import { POSITIONS_TOPIC } from "../../src/raw.ts";
import { revokeAcl } from "../../src/testing/index.ts";
import { within, type SecuredBroker } from "./broker.ts";

const POSTS = "posts";
const record = { key: null, value: Buffer.from("{}"), headers: [], timestampMs: 1 };

/** All that a service does in Kafka, by the functions that it does it with. */
type Work = (cluster: ClusterOptions, topic: string, signal: AbortSignal) => Promise<unknown>;

/** What a warehouse does: it joins its group, reads what it is given and commits how far it is. */
const land: (group: string) => Work = (group) => async (cluster, topic, outer) => {
  await clusterIdOf(cluster, outer);
  await describeTopic(cluster, topic, outer);
  const refused = Promise.withResolvers<never>();
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  // A warehouse tells what it lacks and tries again, for ever.
  const emit: Emit = ({ error }) => {
    for (const link of causes(error)) if (link instanceof NotAuthorizedError) refused.reject(link);
  };
  const read = async () => {
    await using partitions = openPartitions({ cluster, topic, signal, emit });
    await using membership = openMembership({
      ...{ cluster, group, topics: [topic], signal, emit },
      listener: {
        assigned: (list) => list.forEach(({ partition }) => partitions.add(partition, "earliest")),
        revoked: () => Promise.resolve(),
        lost: () => undefined,
      },
    });
    for await (const result of partitions) {
      if (result.kind === "failed") throw result.error;
      if (result.records.length === 0) continue;
      const { partition, nextOffset: offset } = result;
      await membership.commit([{ topic, partition, offset }]);
      return;
    }
    throw new Error("there are no more partitions, and no record came");
  };
  try {
    await Promise.race([read(), refused.promise]);
  } finally {
    stop.abort();
  }
};

const works: Readonly<Record<Exclude<KafkaService, "mirror">, Work>> = {
  ingest: async (cluster, topic, signal) => {
    await createTopicIfMissing(cluster, { topic, partitions: 1 }, signal);
    await readOffsets(cluster, topic, signal);
    const transactionalId = `hybridge-ingest-${topic}-spool`;
    const at = { cluster, topic, transactionalId, partitions: [0], signal };
    await using writer = await openFencedWriter(at);
    await writer.append(0, [record]);
    await readFirst(cluster, topic, signal);
  },
  "warehouse-internal": land("hybridge-warehouse-internal"),
  "warehouse-external": land("hybridge-warehouse-external"),
  "query-gateway": async (cluster, topic, signal) => {
    const { partitions } = await describeLog(cluster, topic, signal);
    const to = partitions.get(0)?.end ?? 0n;
    const range = { partition: 0, from: 0n, to };
    await countRanges(cluster, topic, [range], { bytes: 1 << 20, untilMs: Infinity }, signal);
    // As the mirror's library reads them.
    await readFirst(cluster, POSITIONS_TOPIC, signal);
  },
};

async function readFirst(cluster: ClusterOptions, topic: string, signal: AbortSignal) {
  const positions = new Map([[0, "earliest" as const]]);
  for await (const { records } of openReader({ cluster, topic, positions, signal })) {
    const [first] = records;
    if (first) return first.offset;
  }
  throw new Error("the reader ended without a record");
}

/** A right that was taken away or given counts a moment after the answer. */
async function untilRefused(work: () => Promise<unknown>): Promise<NotAuthorizedError> {
  for (let round = 0; round < 200; round += 1) {
    const error = await work().catch((thrown: unknown) => thrown);
    if (error instanceof NotAuthorizedError) return error;
    assert.ok(!(error instanceof Error), error as Error);
    await sleep(25);
  }
  throw new Error("it works without the right");
}

async function untilWorking(work: () => Promise<unknown>): Promise<void> {
  for (let round = 0; ; round += 1) {
    const error = await work().catch((thrown: unknown) => thrown);
    if (!(error instanceof Error)) return;
    assert.ok(error instanceof NotAuthorizedError && round < 200, error);
    await sleep(25);
  }
}

async function withoutOne(
  { as }: SecuredBroker,
  service: keyof typeof works,
  acl: Acl,
  topic: string,
): Promise<void> {
  const what = `${service}: ${acl.operation} on ${acl.resource} ${acl.name}`;
  const grant = { principal: `User:${service}`, acl };
  const work = () => works[service](as(service), topic, within());
  await revokeAcl(as("admin"), grant, within());
  const { message } = await untilRefused(work);
  // Of a prefix it is the whole name that is refused.
  const end = acl.pattern === "prefixed" ? "" : " is missing";
  const missing = `the right ${acl.operation} on ${acl.resource} ${acl.name}${end}`;
  assert.ok(message.includes(missing), `${what}: ${message}`);
  await grantAcls(as("admin"), [grant], within());
  await untilWorking(work);
}

/** The broker is both clusters here: the users are different ones, and so are their rights. */
export function testRights(broker: SecuredBroker): void {
  before(() => furnish(broker.as("admin")));

  for (const service of Object.keys(works) as (keyof typeof works)[]) {
    test(`each right of ${service} is needed, and told by its name when it is missing`, async () => {
      const topic = service === "ingest" ? "made-by-ingest" : POSTS;
      const acls = minimalAcls(service, { topics: [topic] });
      const grants = acls.map((acl) => ({ principal: `User:${service}`, acl }));
      await grantAcls(broker.as("admin"), grants, within());
      // Create comes first: it is needed only while there is no topic.
      const isCreate = ({ operation }: Acl) => operation === "Create";
      const first = acls.filter(isCreate);
      for (const acl of [...first, ...acls.filter((each) => !isCreate(each))]) {
        await withoutOne(broker, service, acl, topic);
      }
    });
  }
}

/** What others have made: a topic with a post, and the mirror's with something in it. */
async function furnish(cluster: ClusterOptions): Promise<void> {
  const contents = [
    [POSTS, record],
    [POSITIONS_TOPIC, { ...record, key: Buffer.from("a position") }],
  ] as const;
  for (const [topic, content] of contents) {
    await ensureTopic(cluster, { topic, partitions: 1 }, within());
    const at = { cluster, topic, transactionalId: topic, partitions: [0], signal: within() };
    await using writer = await openFencedWriter(at);
    await writer.append(0, [content]);
  }
}
