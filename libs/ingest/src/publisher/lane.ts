import { failpoint, isAbort } from "@hybridge/core";
import type { RecordTrace } from "@hybridge/tracing";
import { RecordTooLargeError, type RecordToSend } from "@hybridge/kafka";
import type { SourcePost } from "../source.ts";

/** A post on its way into its partition. */
export interface Parcel {
  readonly post: SourcePost;
  readonly ordinal: number;
  readonly record: RecordToSend;
  readonly bytes: number;
  readonly trace: RecordTrace;
}

export interface LaneOptions {
  /** How long the first post of a batch waits for others. */
  readonly lingerMs: number;
  readonly batchBytesMax: number;
  readonly append: (records: readonly RecordToSend[]) => Promise<unknown>;
  /** Called when the parcels are in the log, on all in-sync replicas. */
  readonly onAcknowledged: (parcels: readonly Parcel[]) => void;
  /** Called for a post that the broker refuses; when it returns, the post has been put aside. */
  readonly onRefused: (parcel: Parcel, error: RecordTooLargeError) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/** One partition's way into Kafka: one batch under way, in the order of the posts. */
export interface Lane {
  push(parcel: Parcel): void;
  /** The oldest ordinal that is not settled; undefined when the lane is empty. */
  oldest(): number | undefined;
  /** Since when a batch waits for its acknowledgement, by performance.now(). */
  waitingSince(): number | undefined;
  stop(): void;
}

/** A batch holds at most this many records, whatever their size. */
const BATCH_RECORDS_MAX = 5_000;

export function openLane(options: LaneOptions): Lane {
  let pending: Parcel[] = [];
  let pendingBytes = 0;
  let sending: readonly Parcel[] = [];
  let sentAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const takeBatch = (): Parcel[] => {
    let bytes = 0;
    let count = 0;
    for (const parcel of pending) {
      if (count > 0 && bytes + parcel.bytes > options.batchBytesMax) break;
      if (count === BATCH_RECORDS_MAX) break;
      bytes += parcel.bytes;
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
    push(parcel) {
      pending.push(parcel);
      pendingBytes += parcel.bytes;
      schedule();
    },
    oldest: () => (sending[0] ?? pending[0])?.ordinal,
    waitingSince: () => sentAt,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Appends a batch; one that is refused for its size goes in halves, until the culprit is alone. */
async function send(parcels: readonly Parcel[], options: LaneOptions): Promise<void> {
  const [first] = parcels;
  try {
    failpoint("ingest.before-append");
    await options.append(parcels.map(({ record }) => record));
  } catch (error) {
    if (!(error instanceof RecordTooLargeError) || !first) throw error;
    if (parcels.length === 1) {
      await options.onRefused(first, error);
      return;
    }
    const middle = parcels.length >> 1;
    await send(parcels.slice(0, middle), options);
    await send(parcels.slice(middle), options);
    return;
  }
  failpoint("ingest.after-append");
  options.onAcknowledged(parcels);
}
