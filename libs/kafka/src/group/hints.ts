import type { Emit } from "@hybridge/core";
import { brokerError, errorCode, isTopicRefused } from "../wire/protocol-errors.ts";
import type { CommittedOffset } from "./api.ts";
import type { GroupPort } from "./port.ts";

/** As whom offsets are committed; nobody is `{memberId: "", epoch: -1}`. */
export interface Committer {
  readonly memberId: string;
  readonly epoch: number;
}

const TIMEOUT_MS = 10_000;

/** Commits offsets that only tools which show lag read. A failure is told once, and never thrown. */
export class HintCommitter {
  readonly #port: Pick<GroupPort, "commit" | "forget">;
  readonly #group: string;
  readonly #emit: Emit;
  #isTold = false;

  constructor(port: Pick<GroupPort, "commit" | "forget">, group: string, emit: Emit) {
    this.#port = port;
    this.#group = group;
    this.#emit = emit;
  }

  /** @param committer asked again for a second try; undefined: outside of the group, nothing is done */
  async commit(
    offsets: readonly CommittedOffset[],
    committer: () => Committer | undefined,
  ): Promise<void> {
    if (offsets.length === 0) return;
    try {
      let code: number = errorCode.none;
      for (let attempt = 1; attempt <= 2; attempt++) {
        const as = committer();
        if (!as) return;
        const limits = { signal: AbortSignal.timeout(TIMEOUT_MS), timeoutMs: TIMEOUT_MS };
        code = await this.#port.commit({ group: this.#group, ...as, offsets }, limits);
        // A heartbeat brought a newer epoch while the commit was on its way.
        if (code !== errorCode.staleMemberEpoch) break;
      }
      this.#judge(code, offsets);
    } catch (error) {
      this.#tell(error);
    }
  }

  #judge(code: number, offsets: readonly CommittedOffset[]): void {
    if (code === errorCode.none) {
      this.#isTold = false;
      return;
    }
    if (code === errorCode.notCoordinator || code === errorCode.coordinatorNotAvailable) {
      this.#port.forget();
    }
    const name = isTopicRefused(code) ? (offsets[0]?.topic ?? "") : this.#group;
    const need = { operation: "Read", name } as const;
    this.#tell(brokerError(`commit offsets to group ${this.#group}`, code, null, need));
  }

  #tell(error: unknown): void {
    const level = this.#isTold ? "debug" : "warn";
    this.#isTold = true;
    const message = `offsets of group ${this.#group} were not committed; only tools that show lag care`;
    this.#emit({ name: "kafka.group.hint_failed", level, message, error });
  }
}
