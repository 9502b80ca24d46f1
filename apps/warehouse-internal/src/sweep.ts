import { isAbort, systemClock, type Emit } from "@hybridge/core";
import { sweepStaging, type WebHdfs } from "@hybridge/hdfs";

const INTERVAL_MS = 3_600_000;
/** No upload of a live process is as old as that. */
const AGE_MS = 6 * 3_600_000;

/** Removes, every hour, what killed processes left half written. Never rejects. */
export async function sweepHourly(
  hdfs: WebHdfs,
  folder: string,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const files = await sweepStaging(hdfs, folder, systemClock.now() - AGE_MS, signal);
      if (files > 0) {
        const message = `removed ${files} staged files that killed processes had left`;
        emit({ name: "hdfs.staging_swept", level: "info", message, fields: { files } });
      }
    } catch (error) {
      if (isAbort(error, signal)) return;
      const message = "staged files of killed processes could not be looked for; in an hour again";
      emit({ name: "hdfs.sweep_failed", level: "debug", message, error });
    }
    await systemClock.sleep(INTERVAL_MS, signal).catch(() => undefined);
  }
}
