import { setTimeout as sleep } from "node:timers/promises";
import {
  CancelStatementCommand,
  DescribeStatementCommand,
  type DescribeStatementCommandOutput,
  type RedshiftDataClient,
} from "@aws-sdk/client-redshift-data";
import type { RedshiftTimeouts } from "./api.ts";
import type { StatementIdentity } from "./errors.ts";
import { endedError, nameOf, requestError } from "./failures.ts";

/** What it takes to talk to one warehouse. */
export interface Connection {
  readonly client: RedshiftDataClient;
  readonly address: string;
  readonly timeouts: RedshiftTimeouts;
}

/** What the Data API answers to a submission. */
export interface Submission {
  readonly Id?: string | undefined;
  readonly CreatedAt?: Date | undefined;
}

export interface FinishedStatement {
  readonly statement: StatementIdentity;
  readonly description: DescribeStatementCommandOutput;
}

/** Long poll: the service holds DescribeStatement until the end of the statement, 30 s at most. */
const WAIT_SECONDS = 20;
/** Between two looks when the quota of waiting requests is used up. */
const LOOK_MS = 500;
const ENDED = new Set(["FINISHED", "FAILED", "ABORTED"]);

/**
 * Submits a statement or a batch and waits for its end. When the signal is aborted, the statement
 * is cancelled in the engine first, whether or not its id was known by then.
 *
 * @throws StatementEndedError when it FAILED or was ABORTED; the signal's reason
 */
export async function runStatement(
  connection: Connection,
  submit: (signal: AbortSignal) => Promise<Submission>,
  signal: AbortSignal,
  onStarted?: (statementId: string) => void,
): Promise<FinishedStatement> {
  signal.throwIfAborted();
  const { Id = "", CreatedAt } = await submitted(connection, submit, signal);
  const statement = { id: Id, createdAtMs: CreatedAt?.getTime() ?? Date.now() };
  try {
    signal.throwIfAborted();
    onStarted?.(Id);
    const description = await waitForEnd(connection, Id, signal);
    if (description.Status === "FINISHED") return { statement, description };
    signal.throwIfAborted();
    throw endedError(connection.address, statement, endingOf(description));
  } catch (error) {
    if (!signal.aborted) throw error;
    await cancelStatement(connection, Id);
    throw signal.reason;
  }
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

async function waitForEnd(
  connection: Connection,
  id: string,
  signal: AbortSignal,
): Promise<DescribeStatementCommandOutput> {
  let waitSeconds = WAIT_SECONDS;
  for (;;) {
    const description = await describe(connection, id, waitSeconds, signal);
    if (description === "too many wait") {
      waitSeconds = 0;
      continue;
    }
    if (ENDED.has(description.Status ?? "")) return description;
    if (waitSeconds === 0) await sleep(LOOK_MS, undefined, { signal });
    waitSeconds = WAIT_SECONDS;
  }
}

async function describe(
  { client, address, timeouts }: Connection,
  id: string,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<DescribeStatementCommandOutput | "too many wait"> {
  const wait = waitSeconds > 0 ? { WaitTimeSeconds: waitSeconds } : {};
  try {
    return await client.send(new DescribeStatementCommand({ Id: id, ...wait }), {
      abortSignal: within(signal, timeouts.answerMs + waitSeconds * 1000),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (nameOf(error) === "ActiveWaitingRequestsExceededException") return "too many wait";
    throw requestError(`${address}: wait for statement ${id}`, error);
  }
}

/** The caller is gone: what cannot be cancelled in time ends by itself. */
async function cancelStatement(connection: Connection, id: string): Promise<void> {
  const limit = AbortSignal.timeout(connection.timeouts.cancelMs);
  await connection.client
    .send(new CancelStatementCommand({ Id: id }), { abortSignal: limit })
    .catch(() => undefined);
}

/** A signal that is also aborted after some milliseconds. */
export function within(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)]);
}

function endingOf(description: DescribeStatementCommandOutput) {
  const { Status = "", Error: error, QueryString, SubStatements = [] } = description;
  const failed = SubStatements.find((part) => part.Status === "FAILED");
  return { status: Status, error, sql: QueryString ?? failed?.QueryString ?? "a transaction" };
}
