import { ConfigError, setting, type Config, type Settings } from "@hybridge/core";
import { rpcSettings } from "@hybridge/rpc";
import { tracingSettings } from "@hybridge/tracing";

/** The settings that both warehouse services have; each adds those of its cluster and stores. */
export const warehouseSettings = {
  HYBRIDGE_TOPIC: { schema: setting.text("hybrid"), doc: "topic that is landed" },
  HYBRIDGE_FLUSH_INTERVAL_MS: {
    schema: setting.integer(50, 3_600_000, 60_000),
    doc: "a flush begins so long after its first record was read; it bounds how late rows are seen, and longer makes fewer and larger files",
  },
  HYBRIDGE_FLUSH_RECORDS_MAX: {
    schema: setting.integer(1, 10_000_000, 1_000_000),
    doc: "a flush begins at this many records, whatever its time",
  },
  HYBRIDGE_MEMORY_BYTES_MAX: {
    schema: setting.integer(369_098_752, 17_179_869_184, 419_430_400),
    doc: "memory of the process; buffers are made to fit, and a flush begins when one is full",
  },
  HYBRIDGE_GROUP_ID: {
    schema: setting.optional(),
    doc: "consumer group through which processes share the partitions; by default hybridge-warehouse-internal or -external",
  },
  HYBRIDGE_GROUP_PROTOCOL: {
    schema: setting.oneOf(["auto", "consumer", "classic"], "auto"),
    doc: "how they share: consumer is KIP-848 (Kafka 4.0 and later), classic is cooperative-sticky; auto takes the first where the broker has it",
  },
  HYBRIDGE_SESSION_TIMEOUT_MS: {
    schema: setting.integer(1_000, 1_800_000, 45_000),
    doc: "a process that the group has not heard of for so long has lost its partitions to others; with KIP-848 the broker's own setting must not be shorter",
  },
  HYBRIDGE_REBALANCE_TIMEOUT_MS: {
    schema: setting.integer(5_000, 3_600_000, 300_000),
    doc: "how long a process may take to give partitions up; must exceed the longest flush",
  },
  HYBRIDGE_PARTITIONS: {
    schema: setting.optional(),
    doc: "lands these partitions without a group, for a back-fill beside others: 0,3-5; the log keeps each record once",
  },
  HYBRIDGE_GAP_POLICY: {
    schema: setting.oneOf(["continue", "stop"], "continue"),
    doc: "when the source deleted records before they were landed: write the exact range to the log and go on, or stop the partition",
  },
  HYBRIDGE_ON_RECREATION: {
    schema: setting.oneOf(["stop", "continue"], "stop"),
    doc: "when the topic was deleted and made again: stop its partitions, or land the new topic from its beginning beside the old rows",
  },
  HYBRIDGE_ON_CORRUPTION: {
    schema: setting.oneOf(["stop", "skip"], "stop"),
    doc: "when a batch fails its checksum, also when read again: stop the partition, or write the range to the log as a gap and go on",
  },
  HYBRIDGE_STAGING_DIR: {
    schema: setting.text(".hybridge/staging"),
    doc: "folder on local disk for files that are being written; each process makes one of its own in it",
  },
  ...rpcSettings,
  ...tracingSettings,
} as const satisfies Settings;

export type WarehouseConfig = Config<typeof warehouseSettings>;

/** `0,3-5` as numbers. @throws ConfigError */
export function partitionList(text: string): readonly number[] {
  const partitions = text.split(",").flatMap((part) => {
    const match = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(part);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (!match || to < from) {
      throw new ConfigError(
        `HYBRIDGE_PARTITIONS: must be partitions and ranges of them, as 0,3-5, but is ${JSON.stringify(text)}`,
      );
    }
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
  return [...new Set(partitions)];
}
