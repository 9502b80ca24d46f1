import { ConfigError, InvariantError, isAbort, type Emit } from "@hybridge/core";
import { BrokerError } from "@hybridge/kafka";
import {
  AuthenticationError,
  brokerError,
  errorCode,
  UnsupportedBrokerError,
  type TopicMetadata,
} from "@hybridge/kafka/raw";
import { mirrorEvents } from "../events.ts";
import type { Route } from "../route.ts";
import type { MirrorContext } from "../context.ts";
import { TargetUnfitError } from "../errors.ts";
import { inspectTarget, isWanted, makeTarget, type TopicRules } from "./target-topic.ts";

/** Listings in a row that a topic has to be absent from: one may come from a broker that is behind. */
const ABSENCES = 2;

/** Finds out which topics there are to mirror, and prepares their targets. */
export class Discovery {
  readonly #context: MirrorContext;
  readonly #rules: TopicRules;
  readonly #emit: Emit;
  /** By source topic: why its target cannot be prepared. */
  readonly #refused = new Map<string, string>();
  readonly #absences = new Map<string, number>();
  /** The ids of the target topics that need not be looked at any more. */
  readonly #inspected = new Set<string>();

  constructor(context: MirrorContext, rules: TopicRules) {
    this.#context = context;
    this.#rules = rules;
    this.#emit = context.emit;
  }

  /** Why a topic is not mirrored although it is wanted; undefined when there is none. */
  get refusal(): string | undefined {
    const [first] = this.#refused;
    return first && `topic ${first[0]} is refused: ${first[1]}`;
  }

  /**
   * All topics of the source. Those that this user may not describe are not among them, unless they
   * are asked for by name: then they come with the error.
   */
  async list(signal: AbortSignal): Promise<readonly TopicMetadata[]> {
    const { source } = this.#context;
    const { topics } = await source.describe(undefined, signal);
    const listed = new Set(topics.map(({ name }) => name));
    const missing = this.#rules.named.filter((name) => !listed.has(name));
    if (missing.length === 0) return topics;
    const asked = (await source.describe(missing, signal)).topics;
    return [...topics, ...asked.filter(({ error }) => error !== errorCode.unknownTopicOrPartition)];
  }

  /** Those of the mirrored topics that the source no longer has. */
  gone(topics: readonly TopicMetadata[], mirrored: Iterable<string>): readonly string[] {
    const listed = new Set(topics.map(({ name }) => name));
    for (const name of listed) this.#absences.delete(name);
    for (const name of this.#refused.keys()) if (!listed.has(name)) this.#refused.delete(name);
    const gone: string[] = [];
    for (const name of mirrored) {
      if (listed.has(name)) continue;
      const absences = (this.#absences.get(name) ?? 0) + 1;
      this.#absences.set(name, absences);
      if (absences < ABSENCES) continue;
      this.#absences.delete(name);
      gone.push(name);
    }
    return gone;
  }

  /**
   * By topic, the partitions that are not mirrored yet, with their target prepared. A topic for
   * which that is refused is left for the next time and does not stop the others.
   *
   * @throws when a cluster does not answer, or will not answer us at all
   */
  async *fresh(
    topics: readonly TopicMetadata[],
    isMirrored: (sourceTopic: string, partition: number) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Route[]> {
    const wanted = topics.filter((topic) => isWanted(topic, this.#rules));
    const nameOf = (topic: TopicMetadata) => `${this.#rules.prefix}${topic.name}`;
    await this.#context.targets.look(wanted.map(nameOf), signal);
    for (const topic of wanted) {
      const targetTopic = nameOf(topic);
      if (!(await this.#isReady(topic, targetTopic, signal))) continue;
      const fresh = topic.partitions.filter(({ partition }) => !isMirrored(topic.name, partition));
      if (fresh.length === 0) continue;
      yield fresh.map(({ partition }) => ({ sourceTopic: topic.name, targetTopic, partition }));
    }
  }

  async #isReady(topic: TopicMetadata, targetTopic: string, signal: AbortSignal): Promise<boolean> {
    try {
      const need = { operation: "Read", name: topic.name } as const;
      if (topic.error !== 0) {
        throw brokerError(`look up topic ${topic.name}`, topic.error, null, need);
      }
      const isReady = await this.#prepare(topic, targetTopic, signal);
      this.#refused.delete(topic.name);
      return isReady;
    } catch (error) {
      if (!isAboutOneTopic(error) || isAbort(error, signal)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (this.#refused.get(topic.name) !== reason) {
        this.#emit(mirrorEvents.topicRefused(topic.name, targetTopic, error));
      }
      this.#refused.set(topic.name, reason);
      return false;
    }
  }

  /** @returns false when it is not known yet whether the target has to be made */
  async #prepare(topic: TopicMetadata, targetTopic: string, signal: AbortSignal): Promise<boolean> {
    const { targets, onTargetDeletion } = this.#context;
    const found = targets.found(targetTopic);
    if (found?.isHidden === true) {
      const need = { operation: "Describe", name: targetTopic } as const;
      const { topicAuthorizationFailed } = errorCode;
      throw brokerError(`look up topic ${targetTopic}`, topicAuthorizationFailed, null, need);
    }
    if (found?.id !== undefined) {
      await this.#inspect(topic.name, targetTopic, found.id, signal);
      if (found.partitions >= topic.partitions.length) return true;
    } else if (this.#hasHeldRecords(topic, targetTopic)) {
      if (!targets.isGone(targetTopic)) return false;
      // Each of its partitions finds that out, and stops.
      if (onTargetDeletion === "stop") return true;
    }
    await makeTarget(this.#context, topic, targetTopic, signal);
    targets.made(targetTopic);
    return true;
  }

  /** Looks at what others made, once, before the first record. What is refused is looked at again. */
  async #inspect(sourceTopic: string, targetTopic: string, id: string, signal: AbortSignal) {
    if (this.#inspected.has(id)) return;
    await inspectTarget(this.#context, sourceTopic, targetTopic, signal);
    this.#inspected.add(id);
  }

  #hasHeldRecords({ name: sourceTopic, id, partitions }: TopicMetadata, targetTopic: string) {
    const { positions } = this.#context;
    const topics = { sourceTopic, sourceTopicId: id, targetTopic };
    return partitions.some(
      ({ partition }) => positions.targetIds({ ...topics, partition }).size > 0,
    );
  }
}

/** A broker answered, and what it said concerns the topic and not us. */
function isAboutOneTopic(error: unknown): boolean {
  const isAboutUs =
    error instanceof AuthenticationError ||
    error instanceof UnsupportedBrokerError ||
    error instanceof ConfigError ||
    error instanceof InvariantError;
  if (isAboutUs) return false;
  if (error instanceof TargetUnfitError) return true;
  return error instanceof BrokerError || (error as Error).cause instanceof BrokerError;
}
