/** A partition of a source topic. */
export interface SourcePartition {
  readonly sourceTopic: string;
  readonly partition: number;
}

/** Whose pauses they are: other mirrors may write to the same target. */
export interface PauseScope {
  readonly mirrorId: string;
  readonly sourceClusterId: string;
}

/** Begins a key; no topic can have this name, and version 1 had a topic's name here. */
const PAUSE = "pause:2";
/** Ends a key, also in version 1: never a number, as a position's key has there. */
const SUFFIX = "/paused";

export function isPauseKey(key: string): boolean {
  return key.endsWith(SUFFIX);
}

/**
 * What one mirror's operators paused: it has to outlive the process. In the topic, the key says who
 * and what, the value (JSON) since when; there is none when the partition is resumed. A pause of
 * version 1 names no mirror: it holds until this mirror writes something about the same partition.
 */
export class Pauses {
  readonly #scope: PauseScope;
  readonly #own = new Map<string, number | undefined>();
  readonly #former = new Map<string, number>();

  constructor(scope: PauseScope) {
    this.#scope = scope;
  }

  /** Takes a record of the topic whose key is one of a pause. */
  take(key: string, value: Buffer | null, nowMs: number): void {
    const [first = "", partition = "", ...rest] = key.slice(0, -SUFFIX.length).split("/");
    const isPaused = value !== null && !value.includes('"resumed"');
    const sinceMs = isPaused ? timeOf(value, nowMs) : undefined;
    if (first !== PAUSE) {
      const place = `${first}/${partition}`;
      if (sinceMs === undefined) this.#former.delete(place);
      else this.#former.set(place, sinceMs);
      return;
    }
    const [sourceTopic = "", mirrorId, sourceClusterId] = rest.map((part) =>
      decodeURIComponent(part),
    );
    const { mirrorId: ownId, sourceClusterId: ownSource } = this.#scope;
    if (mirrorId !== ownId || sourceClusterId !== ownSource) return;
    this.set({ sourceTopic, partition: Number(partition) }, sinceMs);
  }

  /** When an operator paused the partition; undefined when it is not paused. */
  since(at: SourcePartition): number | undefined {
    const place = placeOf(at);
    return this.#own.has(place) ? this.#own.get(place) : this.#former.get(place);
  }

  set(at: SourcePartition, sinceMs: number | undefined): void {
    this.#own.set(placeOf(at), sinceMs);
  }

  /** What is to be written about a pause, or (with undefined) its end. */
  encode(at: SourcePartition, sinceMs: number | undefined): { key: Buffer; value: Buffer | null } {
    const { mirrorId, sourceClusterId } = this.#scope;
    const whose = [at.sourceTopic, mirrorId, sourceClusterId]
      .map((part) => encodeURIComponent(part))
      .join("/");
    const key = Buffer.from(`${PAUSE}/${at.partition}/${whose}${SUFFIX}`);
    if (sinceMs !== undefined) {
      return {
        key,
        value: Buffer.from(JSON.stringify({ since: new Date(sinceMs).toISOString() })),
      };
    }
    // A tombstone goes with the next compaction, and what version 1 wrote would count again.
    const isFormer = this.#former.has(placeOf(at));
    return { key, value: isFormer ? Buffer.from(JSON.stringify({ resumed: true })) : null };
  }
}

function placeOf({ sourceTopic, partition }: SourcePartition): string {
  return `${sourceTopic}/${partition}`;
}

/** A pause with a time that cannot be read is still a pause. */
function timeOf(value: Buffer, nowMs: number): number {
  const sinceMs = Date.parse(/"since":"([^"]+)"/.exec(value.toString())?.[1] ?? "");
  return Number.isNaN(sinceMs) ? nowMs : sinceMs;
}
