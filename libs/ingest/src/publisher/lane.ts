import { failpoint, isAbort } from "@hybridge/core";
import type { RecordTrace } from "@hybridge/tracing";
import { RecordTooLargeError, type RecordToSend } from "@hybridge/kafka";
import type { SpooledRecord } from "../spool/format.ts";

/** A record of the spool on its way into its partition. */
export interface Outgoing {
  readonly spooled: SpooledRecord;
  /** Of the feed that it came from. */
  readonly feed: string;
  readonly record: RecordToSend;
  readonly bytes: number;
  readonly trace: RecordTrace;
}

export interface LaneOptions {
  /** How long the first post of a batch waits for others. */
  readonly lingerMs: number;
  readonly batchBytesMax: number;
  readonly append: (records: readonly RecordToSend[]) => Promise<bigint>;
  /** Called when they are in the log, the first at this offset, on all in-sync replicas. */
  readonly onAcknowledged: (outgoing: readonly Outgoing[], offset: bigint) => void;
  /** Called for a record that the broker refuses; when it returns, it has been put aside. */
  readonly onRefused: (outgoing: Outgoing, error: RecordTooLargeError) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/** One partition's way into Kafka: one batch under way, in the order of the posts. */
export interface Lane {
  push(outgoing: Outgoing): void;
  /** The oldest ordinal that is not settled; undefined when the lane is empty. */
  oldest(): number | undefined;
  /** Since when a batch waits for its acknowledgement, by performance.now(). */
  waitingSince(): number | undefined;
  stop(): void;
}

/** A batch holds at most this many records, whatever their size. */
const BATCH_RECORDS_MAX = 5_000;

export function openLane(options: LaneOptions): Lane {
  let pending: Outgoing[] = [];
  let pendingBytes = 0;
  let sending: readonly Outgoing[] = [];
  let sentAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const takeBatch = (): Outgoing[] => {
    let bytes = 0;
    let count = 0;
    for (const each of pending) {
      if (count > 0 && bytes + each.bytes > options.batchBytesMax) break;
      if (count === BATCH_RECORDS_MAX) break;
      bytes += each.bytes;
      count += 1;
    }
    const batch = pending.slice(0, count);
    pending = pending.slice(count);
    pendingBytes -= bytes;
    return batch;
  };

  const start = () => {
    clearTimeout(timer);
    timer = undefined;
    if (stopped || sending.length > 0 || pending.length === 0) return;
    sending = takeBatch();
    sentAt = performance.now();
    send(sending, options).then(
      () => {
        sending = [];
        sentAt = undefined;
        schedule();
      },
      (error: unknown) => {
        stopped = true;
        if (!isAbort(error)) options.onFailure(error);
      },
    );
  };

  const schedule = () => {
    if (stopped || sending.length > 0 || pending.length === 0) return;
    if (pendingBytes >= options.batchBytesMax) start();
    else timer ??= setTimeout(start, options.lingerMs);
  };

  return {
    push(outgoing) {
      pending.push(outgoing);
      pendingBytes += outgoing.bytes;
      schedule();
    },
    oldest: () => (sending[0] ?? pending[0])?.spooled.ordinal,
    waitingSince: () => sentAt,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Appends a batch; one that is refused for its size goes in halves, until the culprit is alone. */
async function send(outgoing: readonly Outgoing[], options: LaneOptions): Promise<void> {
  const [first] = outgoing;
  let offset: bigint;
  try {
    failpoint("ingest.before-append");
    offset = await options.append(outgoing.map(({ record }) => record));
  } catch (error) {
    if (!(error instanceof RecordTooLargeError) || !first) throw error;
    if (outgoing.length === 1) {
      await options.onRefused(first, error);
      return;
    }
    const middle = outgoing.length >> 1;
    await send(outgoing.slice(0, middle), options);
    await send(outgoing.slice(middle), options);
    return;
  }
  failpoint("ingest.after-append");
  options.onAcknowledged(outgoing, offset);
}
