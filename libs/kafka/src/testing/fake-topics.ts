import type { GroupTopic } from "../group/port.ts";

/** The topics of a fake cluster. */
export class FakeTopics {
  readonly #topics = new Map<string, GroupTopic>();
  #ids = 0;
  version = 0;

  /** Makes a topic, or gives it more partitions. */
  set(name: string, partitions: number): void {
    const id = this.#topics.get(name)?.id ?? String(++this.#ids).padStart(32, "0");
    this.#topics.set(name, { name, id, partitions });
    this.version += 1;
  }

  delete(name: string): void {
    this.#topics.delete(name);
    this.version += 1;
  }

  list(names: readonly string[]): GroupTopic[] {
    return names.flatMap((name) => this.#topics.get(name) ?? []);
  }

  /** All partitions as `id/number`. */
  keys(): string[] {
    return [...this.#topics.values()].flatMap(({ id, partitions }) =>
      Array.from({ length: partitions }, (_, number) => `${id}/${number}`),
    );
  }

  /** All partitions as `name/number`. */
  places(): string[] {
    return [...this.#topics.values()].flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, number) => `${name}/${number}`),
    );
  }
}
