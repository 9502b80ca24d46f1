import { setting, type Config, type Settings } from "@hybridge/core";

/** When a segment is cut: at whichever of these comes first. */
export interface SegmentLimits {
  readonly recordsMax: number;
  /** Bytes of keys, values and headers, before encoding. */
  readonly bytesMax: number;
  /** Wall clock since the first record of the segment was read. */
  readonly ageMaxMs: number;
  /** Greatest distance of record timestamps in one segment; 0: no limit. */
  readonly streamMaxMs: number;
  /** Records held in memory over all partitions; the largest buffer is cut first. */
  readonly bufferBytesMax: number;
  /** Between two registrations of landed segments in the catalog. */
  readonly registerIntervalMs: number;
}

/** The settings that both warehouses share; each adds its own interval of registration. */
export const segmentSettings = {
  HYBRIDGE_SEGMENT_RECORDS_MAX: {
    schema: setting.integer(1, 10_000_000, 50_000),
    doc: "records of a partition that make a segment",
  },
  HYBRIDGE_SEGMENT_BYTES_MAX: {
    schema: setting.integer(1_024, 268_435_456, 16_777_216),
    doc: "bytes of a partition, as read, that make a segment; the encoder's memory follows it",
  },
  HYBRIDGE_SEGMENT_AGE_MAX_MS: {
    schema: setting.integer(10, 86_400_000, 5_000),
    doc: "a segment is cut at this age even if no record comes; it bounds how late rows are seen",
  },
  HYBRIDGE_SEGMENT_STREAM_MAX_MS: {
    schema: setting.integer(0, 86_400_000, 0),
    doc: "greatest span of record timestamps in a segment; 0 is no limit",
  },
  HYBRIDGE_BUFFER_BYTES_MAX: {
    schema: setting.integer(1_048_576, 17_179_869_184, 67_108_864),
    doc: "bytes of records held over all partitions; when full, the largest is cut and reading waits",
  },
} satisfies Settings;

/** The limits that those settings give. */
export function segmentLimits(
  config: Config<typeof segmentSettings>,
  registerIntervalMs: number,
): SegmentLimits {
  return {
    recordsMax: config.HYBRIDGE_SEGMENT_RECORDS_MAX,
    bytesMax: config.HYBRIDGE_SEGMENT_BYTES_MAX,
    ageMaxMs: config.HYBRIDGE_SEGMENT_AGE_MAX_MS,
    streamMaxMs: config.HYBRIDGE_SEGMENT_STREAM_MAX_MS,
    bufferBytesMax: config.HYBRIDGE_BUFFER_BYTES_MAX,
    registerIntervalMs,
  };
}
