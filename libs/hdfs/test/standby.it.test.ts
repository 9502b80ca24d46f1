// Two NameNodes, of which one is standby, and WebHDFS over TLS: as clusters have them.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { localFile } from "@hybridge/landing/testing";
import { openCertificateAuthority, startHdfs, type Hdfs } from "@hybridge/local";
import {
  hdfsTableStore,
  HdfsUnavailableError,
  openWebHdfs,
  type WebHdfs,
  type WebHdfsOptions,
} from "../src/index.ts";

const signal = AbortSignal.timeout(600_000);
const directory = mkdtempSync(join(tmpdir(), "hybridge-hdfs-standby-"));
const authority = openCertificateAuthority(join(directory, "ca"));
const certificate = authority.issue("server");
let hdfs: Hdfs;
let client: WebHdfs;

before(async () => {
  const tls = { caFile: authority.caFile, certificate };
  hdfs = await startHdfs({ dir: join(directory, "hdfs"), standby: true, tls, signal });
  client = clientOf({});
});

after(async () => {
  await client[Symbol.asyncDispose]();
  await hdfs.stop();
  rmSync(directory, { recursive: true, force: true });
});

function clientOf(options: Partial<WebHdfsOptions>): WebHdfs {
  return openWebHdfs({
    url: hdfs.addresses.webhdfs,
    user: userInfo().username,
    tls: () => ({ ca: readFileSync(authority.caFile, "utf8") }),
    ...options,
  });
}

/** Uploads a file and reads it back. */
async function publishes(through: WebHdfs, folder: string): Promise<void> {
  const store = hdfsTableStore(through, folder);
  await store.upload(
    "file",
    await localFile(
      directory,
      `for ${folder}
`,
    ),
    signal,
  );
  assert.equal(
    String(await store.read("file", signal)),
    `for ${folder}
`,
  );
}

test("a standby in front is passed over", async () => {
  const [first = "", second = ""] = hdfs.addresses.webhdfs.split(",");
  await using onlyStandby = clientOf({ url: first });
  await assert.rejects(onlyStandby.status("/", signal), /StandbyException|standby/);
  await using onlyActive = clientOf({ url: second });
  await publishes(onlyActive, "/active");
  await publishes(client, "/both");
});

test("a NameNode whose certificate is not trusted is refused, and the setting is named", async () => {
  const stranger = openCertificateAuthority(join(directory, "other-ca"));
  await using distrustful = clientOf({
    tls: () => ({ ca: readFileSync(stranger.caFile, "utf8") }),
  });
  await assert.rejects(distrustful.status("/", signal), (error) => {
    assert.ok(error instanceof HdfsUnavailableError);
    const { cause } = error;
    assert.match(`${error.message} ${String(cause)}`, /HYBRIDGE_WEBHDFS_TLS_CA_FILE/);
    return true;
  });
});

test("after a failover the same client goes on with the other one", async () => {
  await hdfs.failOver(signal);
  await publishes(client, "/after-failover");
  assert.ok(await client.status("/both", signal), "what was there before is there");
});

test("while none is active it is told, and when one is, all goes on: the dead one is passed over", async () => {
  await hdfs.standby?.kill();
  await assert.rejects(client.makeFolders("/nobody", signal), (error) => {
    return error instanceof HdfsUnavailableError && /up and active|no answer/.test(error.message);
  });
  // With nobody else active, the first one becomes it again.
  await hdfs.nameNode.health(signal);
  await publishes(client, "/after-kill");
  assert.ok(await client.status("/after-failover", signal), "what the other one did is there");
  await hdfs.standby?.restart(signal);
  await publishes(client, "/after-restart");
});
