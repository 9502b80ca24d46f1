import { failpoint, HybridgeError, invariant, UnavailableError } from "@hybridge/core";
import type { Draft } from "../store-port.ts";
import { decodeCommit, encodeCommit, LOG_VERSION } from "./commit-codec.ts";
import { actionsOf, type CommitContent } from "./commit-content.ts";
import { LogCorruptError } from "./errors.ts";
import type { Refusal } from "./fold.ts";
import type {
  CommitOutcome,
  LandingLog,
  LandingLogOptions,
  PreparedCommit,
} from "./landing-log.ts";
import { viewOf, type LogState } from "./log-state.ts";
import { LogTail } from "./log-tail.ts";
import { Maintenance } from "./maintenance.ts";
import { CHECKPOINT_COMMITS, commitPath } from "./paths.ts";
import type { Commit, NumberedCommit } from "./protocol.ts";
import { withPatientReads } from "./patient-reads.ts";
import { publishFiles, removeFiles, removeStaging, stage } from "./staging.ts";
import { TrafficMeter } from "./traffic.ts";

/** A draft, and what became of the attempts to give it a number. */
interface Attempt extends PreparedCommit {
  readonly draft: Draft;
  attempts: number;
  /** Known as soon as anybody in this process has read it. */
  outcome: Outcome | undefined;
}

type Outcome =
  { readonly kind: "committed"; readonly number: number } | Refusal | { kind: "asleep" };

export async function openStoredLog(
  options: Required<LandingLogOptions>,
  signal: AbortSignal,
): Promise<LandingLog> {
  const log = new StoredLog(options);
  await log.open(signal);
  return log;
}

class StoredLog implements LandingLog {
  readonly #options: Required<LandingLogOptions>;
  readonly #traffic = new TrafficMeter();
  /** Those that may be in the log. */
  readonly #attempted = new Map<string, Attempt>();
  readonly #attempts = new WeakMap<PreparedCommit, Attempt>();
  #opened: { readonly tail: LogTail; readonly maintenance: Maintenance } | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  readonly state: LogState;

  constructor(options: Required<LandingLogOptions>) {
    this.#options = { ...options, store: withPatientReads(options.store, options.clock) };
    this.state = viewOf(
      () => this.#tail.fold,
      () => this.#traffic,
    );
  }

  async open(signal: AbortSignal): Promise<void> {
    const { store, table, emit, clock, writer, randomHex, randomUuid } = this.#options;
    const founding = (): Commit => ({
      log: randomUuid(),
      version: LOG_VERSION,
      table,
      id: randomHex(),
      base: 0,
      at: Math.floor(clock.now()),
      writer,
      actions: [],
    });
    const tail = await LogTail.open(
      {
        store,
        table,
        emit,
        founding,
        took: (number, commit, refusal) => this.#took(number, commit, refusal),
        rejoined: () => this.#rejoined(),
      },
      signal,
    );
    this.#opened = { tail, maintenance: new Maintenance({ store, tail, emit }) };
    await this.refresh(signal);
  }

  async refresh(signal: AbortSignal): Promise<void> {
    await this.#inTurn(() => this.#tail.refresh(signal));
  }

  async prepare(content: CommitContent, signal: AbortSignal): Promise<PreparedCommit> {
    const { store, clock, writer, randomHex, uploadsMax } = this.#options;
    const knowsColumns = (id: string) => this.state.columnsOf(id) !== undefined;
    const now = new Date(clock.now());
    const { log, tip: base } = this.state;
    const { actions, uploads } = actionsOf(content, { now, knowsColumns, randomHex });
    const id = randomHex();
    const commit: Commit = { log, id, base, at: now.getTime(), writer, actions };
    // What this program would refuse to read it must not write.
    decodeCommit(encodeCommit(commit), `the draft ${id}`, log);
    const prepared: PreparedCommit = { id, base, commit };
    const staging = stage(store, commit, uploads, { uploadsMax, clock, signal });
    const draft = await staging.catch(async (error: unknown) => {
      // A full disk must not be filled with tries. What this leaves, a sweep finds.
      if (!signal.aborted) await this.#unstage(prepared, signal).catch(() => undefined);
      throw error;
    });
    this.#attempts.set(prepared, { ...prepared, draft, attempts: 0, outcome: undefined });
    failpoint("landing-log.after-stage");
    return prepared;
  }

  async commit(prepared: PreparedCommit, signal: AbortSignal): Promise<CommitOutcome> {
    const attempt = this.#attemptOf(prepared);
    const outcome = await this.#inTurn(() => this.#commit(attempt, signal));
    this.#attempted.delete(attempt.id);
    return { ...outcome, attempts: attempt.attempts };
  }

  async publish(prepared: PreparedCommit, signal: AbortSignal): Promise<void> {
    const { outcome } = this.#attemptOf(prepared);
    invariant(outcome?.kind === "committed", "only what is committed is published");
    const { store, emit } = this.#options;
    const { missing } = await publishFiles(store, prepared.commit, true, signal);
    if (missing.length > 0) {
      const message = `files of commit ${outcome.number} are neither staged nor published: ${missing.join(", ")}`;
      emit({ name: "landing_log.files_missing", level: "error", message });
      return;
    }
    failpoint("landing-log.after-publish");
    await removeStaging(store, prepared, signal);
  }

  async discard(prepared: PreparedCommit, signal: AbortSignal): Promise<void> {
    const { attempts } = this.#attemptOf(prepared);
    // A request that is on its way may still make it a commit: then only a sweep knows.
    if (attempts === 0) await this.#unstage(prepared, signal);
  }

  async *readCommits(
    range: { readonly after: number; readonly to: number },
    signal: AbortSignal,
  ): AsyncGenerator<NumberedCommit> {
    const { source } = this.#tail;
    invariant(range.to <= this.state.tip, `commits up to ${range.to} of ${this.state.tip}`);
    for await (const { number, commit } of source.read(range.after + 1, range.to, signal)) {
      if (!this.#tail.fold.folded.voids.has(number)) yield { number, commit };
    }
  }

  async maintain(signal: AbortSignal): Promise<void> {
    await this.#maintenance.run(signal);
  }

  get #tail(): LogTail {
    invariant(this.#opened, "the log is not open");
    return this.#opened.tail;
  }

  get #maintenance(): Maintenance {
    invariant(this.#opened, "the log is not open");
    return this.#opened.maintenance;
  }

  async #commit(attempt: Attempt, signal: AbortSignal): Promise<Outcome> {
    await this.#tail.refresh(signal);
    for (;;) {
      if (attempt.outcome) return attempt.outcome;
      const refusal = await this.#tail.refusalOf(attempt.commit, signal);
      if (refusal) return refusal;
      await this.#maintenance.checkpointBeforeMore(signal);
      const tip = this.state.tip;
      const answer = await this.#create(attempt, tip + 1, signal);
      if (answer === "created") return this.#created(attempt, tip + 1, signal);
      // No answer decides, reading does: another's commit, this one, or nothing yet.
      await this.#tail.refresh(signal);
      if (this.state.tip > tip) continue;
      if (await this.#tail.wentPast(tip + 1, signal)) continue;
      if (answer instanceof HybridgeError) throw answer;
      const message = `${commitPath(tip + 1)} exists and cannot be read: the store contradicts itself`;
      throw new UnavailableError(message);
    }
  }

  async #create(
    attempt: Attempt,
    number: number,
    signal: AbortSignal,
  ): Promise<"created" | "exists" | HybridgeError> {
    failpoint("landing-log.before-create");
    attempt.attempts += 1;
    this.#attempted.set(attempt.id, attempt);
    try {
      return await attempt.draft.createAs(commitPath(number), signal);
    } catch (error) {
      if (!(error instanceof HybridgeError) || signal.aborted) throw error;
      return error;
    }
  }

  async #created(attempt: Attempt, number: number, signal: AbortSignal): Promise<Outcome> {
    failpoint("landing-log.after-create");
    // The mark, read after the creation: was the number archived, and its name free for that?
    if (await this.#tail.wentPast(number, signal)) return { kind: "asleep" };
    await this.#tail.take(number, attempt.commit, signal);
    failpoint("landing-log.after-commit");
    if (!attempt.outcome) throw new LogCorruptError(`commit ${number} was folded and is unknown`);
    return attempt.outcome;
  }

  async #unstage(prepared: PreparedCommit, signal: AbortSignal): Promise<void> {
    await removeFiles(this.#options.store, prepared.commit, signal);
    await removeStaging(this.#options.store, prepared, signal);
  }

  #took(number: number, commit: Commit, refusal: Refusal | undefined): void {
    const own = this.#attempted.get(commit.id);
    if (own) own.outcome = refusal ?? { kind: "committed", number };
    this.#traffic.saw(commit.at, commit.writer, own !== undefined);
    if (number % CHECKPOINT_COMMITS === 0 && own) this.#maintenance.captureCheckpoint();
    if (refusal) this.#tellVoid(number, commit, refusal);
  }

  #tellVoid(number: number, commit: Commit, refusal: Refusal): void {
    this.#options.emit({
      name: "landing_log.commit_void",
      level: "warn",
      message: `commit ${number} of ${commit.writer} is void: ${describeRefusal(refusal)}`,
      fields: { number, writer: commit.writer, why: refusal.kind },
    });
  }

  #rejoined(): void {
    for (const attempt of this.#attempted.values()) attempt.outcome = { kind: "asleep" };
    this.#attempted.clear();
  }

  #attemptOf(prepared: PreparedCommit): Attempt {
    const attempt = this.#attempts.get(prepared);
    invariant(attempt, "prepared by this log");
    return attempt;
  }

  /** What changes the fold runs alone. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(task, task);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function describeRefusal(refusal: Refusal): string {
  if (refusal.kind === "refused") return refusal.reason;
  if (refusal.kind === "swept") return "a sweep has passed its base";
  const [first] = refusal.ranges;
  const place = first ? `${first.topic}/${first.partition} from ${first.from}` : "";
  return `${refusal.ranges.length} of its ranges are covered already, the first ${place}`;
}
