import { errorCode, type Cluster } from "@hybridge/kafka/raw";

/** Listings in a row that a topic has to be absent from: one may come from a broker that is behind. */
const ABSENCES = 2;

/** A target topic as it was listed last. */
export interface TargetTopic {
  /** Undefined when it is not there. */
  readonly id: string | undefined;
  readonly partitions: number;
  /** Not even to be looked up: the right is missing. */
  readonly isHidden?: boolean;
}

/** Whether the target topics are there, and are those that they were: looked up every so often. */
export class TargetWatch {
  readonly #cluster: Cluster;
  readonly #topics = new Map<string, TargetTopic>();
  readonly #absences = new Map<string, number>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Looks all of these up, with one request. */
  async look(names: readonly string[], signal: AbortSignal): Promise<void> {
    const { topics } = await this.#cluster.describe(names, signal);
    for (const { name, id, error, partitions } of topics) {
      if (error === errorCode.none) {
        this.#absences.delete(name);
        this.#topics.set(name, { id, partitions: partitions.length });
      } else if (error === errorCode.unknownTopicOrPartition) {
        this.#absences.set(name, this.absences(name) + 1);
        this.#topics.set(name, { id: undefined, partitions: 0 });
      } else if (error === errorCode.topicAuthorizationFailed) {
        this.#topics.set(name, { id: undefined, partitions: 0, isHidden: true });
      } else this.#topics.delete(name);
    }
  }

  /** As it was listed last; undefined when nothing is known of it. */
  found(name: string): TargetTopic | undefined {
    return this.#topics.get(name);
  }

  /** In how many listings it was not there, since it last was. */
  absences(name: string): number {
    return this.#absences.get(name) ?? 0;
  }

  /** It is certainly not there. */
  isGone(name: string): boolean {
    return this.absences(name) >= ABSENCES;
  }

  /** It was made. */
  made(name: string): void {
    this.#absences.delete(name);
    this.#topics.delete(name);
  }
}
