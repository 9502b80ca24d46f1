/** What a member is told; an engine fits. */
export interface MemoryMember {
  assigned(partitions: readonly number[]): void;
  revoked(partitions: readonly number[], signal: AbortSignal): Promise<void>;
  lost(partitions: readonly number[]): void;
}

/** A consumer group in memory: shares partitions among members, each getting about as many. */
export class MemoryGroup {
  readonly #members = new Map<MemoryMember, Set<number>>();
  #partitions: number;
  #turn: Promise<void> = Promise.resolve();

  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  async join(member: MemoryMember): Promise<void> {
    this.#members.set(member, new Set());
    await this.rebalance();
  }

  /** The member says goodbye; what it has is another's after it. */
  async leave(member: MemoryMember): Promise<void> {
    this.#members.delete(member);
    await this.rebalance();
  }

  /** The coordinator has not heard of the member for a session. The member knows only if it is told. */
  async expire(member: MemoryMember, isTold: boolean): Promise<void> {
    const had = this.#members.get(member) ?? new Set();
    this.#members.delete(member);
    if (isTold) member.lost([...had]);
    await this.rebalance();
  }

  async grow(partitions: number): Promise<void> {
    this.#partitions = partitions;
    await this.rebalance();
  }

  async rebalance(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#share());
    await this.#turn;
  }

  /** First everybody gives up what is too much, then what is free is given away. */
  async #share(): Promise<void> {
    const members = [...this.#members];
    if (members.length === 0) return;
    const most = Math.ceil(this.#partitions / members.length);
    await Promise.all(
      members.map(async ([member, has]) => {
        const away = [...has].sort((a, b) => a - b).slice(most);
        if (away.length === 0) return;
        await member.revoked(away, new AbortController().signal);
        for (const partition of away) has.delete(partition);
      }),
    );
    const taken = new Set(members.flatMap(([, has]) => [...has]));
    const free = Array.from({ length: this.#partitions }, (_, index) => index).filter(
      (partition) => !taken.has(partition),
    );
    for (const [member, has] of members) {
      const given = free.splice(0, Math.max(0, most - has.size));
      for (const partition of given) has.add(partition);
      if (given.length > 0) member.assigned(given);
    }
  }
}
