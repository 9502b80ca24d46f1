import {
  CancelStatementCommand,
  DescribeStatementCommand,
  type DescribeStatementCommandOutput,
  type RedshiftDataClient,
} from "@aws-sdk/client-redshift-data";
import { retryOf, type Clock } from "@hybridge/core";
import type { RedshiftTimeouts } from "./api.ts";
import type { StatementIdentity } from "./errors.ts";
import { endedError, nameOf, requestError } from "./failures.ts";

/** What it takes to talk to one warehouse. */
export interface Connection {
  readonly client: RedshiftDataClient;
  readonly address: string;
  readonly timeouts: RedshiftTimeouts;
  readonly clock: Clock;
}

/** What the Data API answers to a submission. */
export interface Submission {
  readonly Id?: string | undefined;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly onStarted?: ((statementId: string) => void) | undefined;
  /** The statement_timeout that is sent with it, for the error that it ends with. */
  readonly timeoutMs?: number | undefined;
}

export interface FinishedStatement {
  readonly statement: StatementIdentity;
  readonly description: DescribeStatementCommandOutput;
}

/** Long poll: the service holds DescribeStatement until the end of the statement, 30 s at most. */
const WAIT_SECONDS = 20;
/** Between two looks at least, and when nothing is new at most: no service is asked in a hot loop. */
const LOOK_MS_MIN = 100;
const LOOK_MS_MAX = 2_000;
const ENDED = new Set(["FINISHED", "FAILED", "ABORTED"]);

/**
 * Submits a statement or a batch and waits for its end. Whoever leaves it, because the signal is
 * aborted or because nothing is heard of it for `lostMs`, cancels it in the engine first, whether or
 * not its id was known by then.
 *
 * @throws StatementEndedError when it FAILED or was ABORTED; RedshiftUnavailableError when nothing
 * is heard of it; the signal's reason
 */
export async function runStatement(
  connection: Connection,
  submit: (signal: AbortSignal) => Promise<Submission>,
  { signal, onStarted, timeoutMs }: RunOptions,
): Promise<FinishedStatement> {
  signal.throwIfAborted();
  const { Id = "" } = await submitted(connection, submit, signal);
  const statement = { id: Id };
  let description: DescribeStatementCommandOutput;
  try {
    signal.throwIfAborted();
    onStarted?.(Id);
    description = await waitForEnd(connection, Id, signal);
  } catch (error) {
    await cancelStatement(connection, Id);
    throw signal.aborted ? signal.reason : error;
  }
  if (description.Status === "FINISHED") return { statement, description };
  signal.throwIfAborted();
  throw endedError(connection.address, statement, { ...endingOf(description), timeoutMs });
}

/** An abort does not end the request at once: without its answer nobody could cancel. */
async function submitted(
  connection: Connection,
  submit: (signal: AbortSignal) => Promise<Submission>,
  signal: AbortSignal,
): Promise<Submission> {
  const { answerMs, cancelMs } = connection.timeouts;
  const limit = new AbortController();
  const late = new Error(`no answer within ${answerMs} ms`);
  let timer = setTimeout(() => limit.abort(late), answerMs);
  const hurry = () => {
    clearTimeout(timer);
    timer = setTimeout(() => limit.abort(late), cancelMs);
  };
  signal.addEventListener("abort", hurry, { once: true });
  try {
    return await submit(limit.signal);
  } catch (error) {
    signal.throwIfAborted();
    throw requestError(`${connection.address}: submit a statement`, error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", hurry);
  }
}

/**
 * Looks until the statement has ended, by long polls. The pauses do not trust the service to wait:
 * the time that a look took counts, whatever was asked for.
 */
async function waitForEnd(
  connection: Connection,
  id: string,
  signal: AbortSignal,
): Promise<DescribeStatementCommandOutput> {
  const { clock, timeouts } = connection;
  let waitSeconds = WAIT_SECONDS;
  let pauseMs = LOOK_MS_MIN;
  let heardMs = clock.now();
  for (;;) {
    const askedMs = clock.now();
    const answer = await describe(connection, id, waitSeconds, signal);
    if (answer instanceof Error) {
      // A statement goes on while the way to it is torn.
      if (retryOf(answer) !== "backoff" || clock.now() - heardMs >= timeouts.lostMs) throw answer;
    } else {
      heardMs = clock.now();
      if (answer !== "too many wait" && ENDED.has(answer.Status ?? "")) return answer;
    }
    waitSeconds = answer === "too many wait" ? 0 : WAIT_SECONDS;
    const tookMs = Math.max(0, clock.now() - askedMs);
    if (tookMs < pauseMs) await clock.sleep(pauseMs - tookMs, signal);
    pauseMs = Math.min(pauseMs * 2, LOOK_MS_MAX);
  }
}

/** An error of the Data API is an answer too: whether to ask again is not decided here. */
async function describe(
  { client, address, timeouts }: Connection,
  id: string,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<DescribeStatementCommandOutput | "too many wait" | Error> {
  const wait = waitSeconds > 0 ? { WaitTimeSeconds: waitSeconds } : {};
  try {
    return await client.send(new DescribeStatementCommand({ Id: id, ...wait }), {
      abortSignal: within(signal, timeouts.answerMs + waitSeconds * 1000),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (nameOf(error) === "ActiveWaitingRequestsExceededException") return "too many wait";
    return requestError(`${address}: wait for statement ${id}`, error);
  }
}

/**
 * The caller is gone: for `cancelMs` the statement is asked to end. What cannot be reached in that
 * time ends by its own statement_timeout.
 */
async function cancelStatement({ client, clock, timeouts }: Connection, id: string): Promise<void> {
  const limit = AbortSignal.timeout(timeouts.cancelMs);
  const startedMs = clock.now();
  for (let pauseMs = LOOK_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, LOOK_MS_MAX)) {
    try {
      await client.send(new CancelStatementCommand({ Id: id }), { abortSignal: limit });
      return;
    } catch (error) {
      // A statement that has ended, and one that is not known, are refused: that is no failure.
      if (retryOf(requestError("cancel", error)) !== "backoff") return;
      if (limit.aborted || clock.now() - startedMs + pauseMs >= timeouts.cancelMs) return;
    }
    await clock.sleep(pauseMs);
  }
}

/** A signal that is also aborted after some milliseconds. */
export function within(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)]);
}

function endingOf(description: DescribeStatementCommandOutput) {
  const { Status = "", Error: error, QueryString, SubStatements = [] } = description;
  const failed = SubStatements.find((part) => part.Status === "FAILED");
  return { status: Status, error, sql: failed?.QueryString ?? QueryString ?? "a transaction" };
}
