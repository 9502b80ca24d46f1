// node libs/s3/test/log-upkeep-process.ts <endpoint> <bucket> <folder> <commits>: a writer of a
// landing log in S3, made to be killed. Each commit advances partition 0 by one offset and takes out
// the file of the one before. Then it stages one that it does not commit, and sweeps a day later.
import { systemClock } from "@hybridge/core";
import { openLandingLog, sweepStaging, type FileReference } from "@hybridge/landing";
import { localFile } from "@hybridge/landing/testing";
import { openS3, s3TableStore } from "../src/index.ts";
import { flushOf, TOPIC } from "./log-upkeep-flush.ts";

const [endpoint = "", bucket = "", folder = "", commits = ""] = process.argv.slice(2);
const signal = new AbortController().signal;
const emit = () => undefined;
await using s3 = openS3({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});
const store = s3TableStore(s3, { bucket, prefix: "" });
const log = await openLandingLog({ store, table: "tweets", writer: "upkeep", emit }, signal);

let before: FileReference | undefined;
for (let count = 0; count < Number(commits); count++) {
  const prepared = await log.prepare(await nextFlush(), signal);
  const outcome = await log.commit(prepared, signal);
  if (outcome.kind !== "committed") throw new Error(outcome.kind);
  await log.publish(prepared, signal);
  await log.maintain(signal);
  const added = prepared.commit.actions.find((action) => action.do === "add");
  before = { commit: outcome.number, path: added?.files[0]?.path ?? "" };
}
await log.prepare(await nextFlush(), signal);
const clock = { ...systemClock, now: () => Date.now() + 25 * 3_600_000 };
await sweepStaging(log, { store, clock, emit }, signal);

async function nextFlush() {
  const { from } = log.state.position(TOPIC, 0);
  return flushOf(from, await localFile(folder, String(from)), before);
}
