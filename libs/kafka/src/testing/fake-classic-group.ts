import type { VirtualClock } from "@hybridge/core/testing";
import type {
  JoinAnswer,
  JoinRequest,
  MemberIdentity,
  SyncAnswer,
  SyncRequest,
} from "../wire/classic-group.ts";
import { errorCode } from "../wire/protocol-errors.ts";

interface Member {
  readonly memberId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  metadata: Buffer;
  assignment: Buffer;
  heardAtMs: number;
  join: ((answer: JoinAnswer) => void) | undefined;
  sync: ((answer: SyncAnswer) => void) | undefined;
}

/** A group by the classic protocol, as the broker keeps it. */
export class FakeClassicGroup {
  readonly #clock: VirtualClock;
  readonly #members = new Map<string, Member>();
  /** Were told their id and have not joined with it yet. */
  readonly #announced = new Set<string>();
  #state: "empty" | "preparing" | "completing" | "stable" = "empty";
  #generation = 0;
  #leader = "";
  #ids = 0;
  #phaseSinceMs = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get memberIds(): readonly string[] {
    return [...this.#members.keys()];
  }

  join(request: JoinRequest): Promise<JoinAnswer> {
    this.expire();
    const { memberId, metadata } = request;
    if (memberId === "") {
      const id = `member-${++this.#ids}`;
      this.#announced.add(id);
      return Promise.resolve({ ...refusal(errorCode.memberIdRequired), memberId: id });
    }
    const isNew = this.#announced.delete(memberId);
    const member = isNew ? this.#add(request) : this.#members.get(memberId);
    if (!member) return Promise.resolve(refusal(errorCode.unknownMemberId));
    const isSame = !isNew && member.metadata.equals(metadata);
    member.metadata = metadata;
    member.heardAtMs = this.#clock.monotonic();
    const isLeader = memberId === this.#leader;
    if (this.#state === "completing" && isSame) return Promise.resolve(this.#joined(member));
    if (this.#state === "stable" && isSame && !isLeader) {
      return Promise.resolve(this.#joined(member));
    }
    member.join?.(refusal(errorCode.unknownMemberId));
    const answer = new Promise<JoinAnswer>((resolve) => (member.join = resolve));
    if (this.#state !== "preparing") this.#prepare();
    this.#completeIfAll();
    return answer;
  }

  sync({ memberId, generation, assignments }: SyncRequest): Promise<SyncAnswer> {
    this.expire();
    const member = this.#members.get(memberId);
    const refuse = (error: number) => Promise.resolve({ error, assignment: Buffer.alloc(0) });
    if (!member) return refuse(errorCode.unknownMemberId);
    if (generation !== this.#generation) return refuse(errorCode.illegalGeneration);
    if (this.#state === "preparing") return refuse(errorCode.rebalanceInProgress);
    member.heardAtMs = this.#clock.monotonic();
    if (this.#state === "stable") {
      return Promise.resolve({ error: errorCode.none, assignment: member.assignment });
    }
    const answer = new Promise<SyncAnswer>((resolve) => (member.sync = resolve));
    if (memberId === this.#leader) this.#assign(assignments);
    return answer;
  }

  heartbeat({ memberId, generation }: MemberIdentity): number {
    this.expire();
    const member = this.#members.get(memberId);
    if (!member) return errorCode.unknownMemberId;
    if (generation !== this.#generation) return errorCode.illegalGeneration;
    member.heardAtMs = this.#clock.monotonic();
    return this.#state === "preparing" ? errorCode.rebalanceInProgress : errorCode.none;
  }

  /** 0, or why a commit is refused. */
  commit(memberId: string, generation: number): number {
    if (!this.#members.has(memberId)) return errorCode.unknownMemberId;
    if (generation !== this.#generation) return errorCode.illegalGeneration;
    return this.#state === "completing" ? errorCode.rebalanceInProgress : errorCode.none;
  }

  remove(memberId: string): number {
    const member = this.#members.get(memberId);
    if (!member) return errorCode.unknownMemberId;
    this.#members.delete(memberId);
    member.join?.(refusal(errorCode.unknownMemberId));
    member.sync?.({ error: errorCode.unknownMemberId, assignment: Buffer.alloc(0) });
    if (this.#state === "stable" || this.#state === "completing") this.#prepare();
    this.#completeIfAll();
    return errorCode.none;
  }

  /** Another broker coordinates now: who waits is sent there, and has a whole session left. */
  moved(): void {
    for (const member of this.#members.values()) {
      member.heardAtMs = this.#clock.monotonic();
      member.join?.(refusal(errorCode.notCoordinator));
      member.sync?.({ error: errorCode.notCoordinator, assignment: Buffer.alloc(0) });
      member.join = member.sync = undefined;
    }
  }

  expire(): void {
    const nowMs = this.#clock.monotonic();
    for (const member of [...this.#members.values()]) {
      const isWaiting = member.join !== undefined || member.sync !== undefined;
      if (!isWaiting && nowMs > member.heardAtMs + member.sessionTimeoutMs) {
        this.remove(member.memberId);
      }
    }
    const timeouts = [...this.#members.values()].map((member) => member.rebalanceTimeoutMs);
    if (nowMs <= this.#phaseSinceMs + Math.max(0, ...timeouts)) return;
    if (this.#state === "preparing") {
      for (const member of [...this.#members.values()]) {
        if (!member.join) this.#members.delete(member.memberId);
      }
      this.#complete();
    } else if (this.#state === "completing") {
      for (const member of [...this.#members.values()]) {
        if (!member.sync) this.remove(member.memberId);
      }
    }
  }

  #add({ memberId, metadata, sessionTimeoutMs, rebalanceTimeoutMs }: JoinRequest): Member {
    const member: Member = {
      memberId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      metadata,
      assignment: Buffer.alloc(0),
      heardAtMs: 0,
      join: undefined,
      sync: undefined,
    };
    this.#members.set(memberId, member);
    return member;
  }

  #prepare(): void {
    this.#state = "preparing";
    this.#phaseSinceMs = this.#clock.monotonic();
    for (const member of this.#members.values()) {
      member.sync?.({ error: errorCode.rebalanceInProgress, assignment: Buffer.alloc(0) });
      member.sync = undefined;
    }
  }

  #completeIfAll(): void {
    if (this.#state !== "preparing") return;
    for (const { join } of this.#members.values()) if (!join) return;
    this.#complete();
  }

  #complete(): void {
    this.#generation += 1;
    this.#phaseSinceMs = this.#clock.monotonic();
    const [first] = this.#members.keys();
    this.#state = first === undefined ? "empty" : "completing";
    if (!this.#members.has(this.#leader)) this.#leader = first ?? "";
    for (const member of this.#members.values()) {
      const answer = member.join;
      member.join = undefined;
      member.heardAtMs = this.#clock.monotonic();
      answer?.(this.#joined(member));
    }
  }

  #joined({ memberId }: Member): JoinAnswer {
    const members =
      memberId === this.#leader
        ? [...this.#members.values()].map((member) => ({
            memberId: member.memberId,
            metadata: member.metadata,
          }))
        : [];
    const { none } = errorCode;
    return {
      ...refusal(none),
      generation: this.#generation,
      leader: this.#leader,
      memberId,
      members,
    };
  }

  #assign(assignments: SyncRequest["assignments"]): void {
    this.#state = "stable";
    for (const member of this.#members.values()) {
      const own = assignments.find(({ memberId }) => memberId === member.memberId);
      member.assignment = own?.assignment ?? Buffer.alloc(0);
      member.heardAtMs = this.#clock.monotonic();
      member.sync?.({ error: errorCode.none, assignment: member.assignment });
      member.sync = undefined;
    }
  }
}

function refusal(error: number): JoinAnswer {
  return { error, generation: -1, leader: "", skipAssignment: false, memberId: "", members: [] };
}
