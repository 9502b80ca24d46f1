// What other clusters have, on a real HiveServer2: TLS and passwords, Thrift over HTTP, no SASL, and
// a JVM in another time zone. One metastore serves both servers, one after the other.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readConfig, retryOf } from "@hybridge/core";
import { hdfsTableStore, openWebHdfs } from "@hybridge/hdfs";
import {
  openCertificateAuthority,
  startHdfs,
  startHive,
  type Hdfs,
  type Hive as LocalHive,
} from "@hybridge/local";
import { postAt } from "@hybridge/tweet";
import { hiveFollower, HiveLoginError, hiveOptions, hiveSettings, openHive } from "../src/index.ts";
import { runText } from "../src/run-text.ts";
import { commitOf, landRecords, storedPosition } from "./landed.ts";

const EPOCH = Date.UTC(2026, 2, 29, 0, 30, 0, 123);
const ROWS = 100;
const signal = AbortSignal.timeout(600_000);
const directory = mkdtempSync(join(tmpdir(), "hybridge-hive-secured-"));
const authority = openCertificateAuthority(join(directory, "ca"));
const stranger = openCertificateAuthority(join(directory, "other-ca"));
const passwordFile = join(directory, "password");
let hdfs: Hdfs;
let server: LocalHive;

before(async () => {
  hdfs = await startHdfs({ dir: join(directory, "hdfs"), signal });
  server = await startHive({
    dir: join(directory, "hive"),
    hdfs: hdfs.addresses,
    security: {
      caFile: authority.caFile,
      certificate: authority.issue("server"),
      users: { probe: "probe", alice: "first: #'1", bob: "second" },
    },
    overHttp: true,
    jvm: ["-Duser.timezone=Asia/Kolkata"],
    signal,
  });
  writeFileSync(passwordFile, "first: #'1\n");
});

after(async () => {
  await server.stop();
  await hdfs.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** The settings of a service of alice's, as an operator gives them. */
function settings(transport: "binary" | "http", env: Record<string, string> = {}) {
  const { address, http = "" } = server.addresses;
  const all = {
    HYBRIDGE_HIVE: transport === "http" ? http : address,
    HYBRIDGE_HIVE_TRANSPORT: transport,
    HYBRIDGE_HIVE_TLS: "true",
    HYBRIDGE_HIVE_TLS_CA_FILE: authority.caFile,
    HYBRIDGE_HIVE_USER: "alice",
    HYBRIDGE_HIVE_PASSWORD_FILE: passwordFile,
    ...env,
  };
  return hiveOptions(readConfig(hiveSettings, all), () => undefined);
}

async function ask(options: ReturnType<typeof settings>, sql: string) {
  await using hive = openHive(options);
  return await runText(hive, sql, signal);
}

function refuses(pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof HiveLoginError, String(error));
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /first|second/, "no password is shown");
    return retryOf(error) === "never";
  };
}

for (const transport of ["binary", "http"] as const) {
  test(`${transport}: only who has a password and trusts the server gets in`, async () => {
    assert.deepEqual(await ask(settings(transport), "SELECT logged_in_user()"), [["alice"]]);

    const isBob = settings(transport, { HYBRIDGE_HIVE_USER: "bob" });
    await assert.rejects(ask(isBob, "SELECT 1"), refuses(/Check the user(,| and) the password/));
    const isNobody = settings(transport, { HYBRIDGE_HIVE_USER: "nobody" });
    await assert.rejects(ask(isNobody, "SELECT 1"), refuses(/Check the user/));

    const trustsOthers = { HYBRIDGE_HIVE_TLS_CA_FILE: stranger.caFile };
    const distrusts = ask(settings(transport, trustsOthers), "SELECT 1");
    await assert.rejects(distrusts, refuses(/check the certificates .* CA file/));
  });

  test(`${transport}: a session works for as long as it likes, over pages of rows`, async () => {
    await using hive = openHive(settings(transport));
    const sql = `SELECT posexplode(split(space(${ROWS * 50}), ' '))`;
    const rows = await runText(hive, sql, signal);
    assert.equal(rows.length, ROWS * 50 + 1);
    assert.equal(new Set(rows.map(([at]) => at)).size, rows.length);
    await assert.rejects(runText(hive, "SELECT nothing FROM nowhere", signal), /nowhere/);
    assert.deepEqual(await runText(hive, "SELECT 1", signal), [["1"]]);
  });
}

test("a password that changes is read again, without a restart of anybody", async () => {
  await using hive = openHive({ ...settings("binary"), sessionIdleMs: 0 });
  const users = join(directory, "hive", "conf", "users");
  const before = readFileSync(users, "utf8");
  writeFileSync(users, before.replace("first: #'1", "third"));
  await assert.rejects(runText(hive, "SELECT 1", signal), HiveLoginError);
  writeFileSync(passwordFile, "third\n");
  assert.deepEqual(await runText(hive, "SELECT 1", signal), [["1"]]);
  writeFileSync(users, before);
  writeFileSync(passwordFile, "first: #'1\n");
});

test("without TLS, or with the wrong way of logging in, the settings to check are named", async () => {
  const { user, password, tls, ...plain } = settings("binary");
  assert.ok(user !== undefined && password !== undefined && tls !== undefined);
  const withoutTls = ask({ ...plain, user, password, timeouts: { connectMs: 3_000 } }, "SELECT 1");
  await assert.rejects(withoutTls, /HYBRIDGE_HIVE_TLS/);
  const withoutSasl = ask({ ...plain, user, tls, auth: "nosasl" }, "SELECT 1");
  await assert.rejects(withoutSasl, /HYBRIDGE_HIVE_AUTH/);
});

test("times are right whatever the zone of the server: over TLS, and over HTTP", async () => {
  await land();
  const before = Date.now();
  const sql = `SELECT from_unixtime(0), unix_timestamp('1970-01-02 00:00:00'), current_timestamp(),
    cast(timestamp '2026-03-29 02:30:00' as timestamp with local time zone)`;
  for (const transport of ["binary", "http"] as const) {
    const [[zero, day, now, local] = []] = await ask(settings(transport), sql);
    assert.deepEqual(
      [zero, day, local],
      ["1970-01-01 00:00:00", "86400", "2026-03-29 02:30:00.0 UTC"],
    );
    const seen = Date.parse(`${String(now)}Z`);
    assert.ok(before - 1_000 <= seen && seen <= Date.now() + 1_000, String(now));
  }
  assert.deepEqual(await ask(settings("http"), landedTimes), expectedTimes);
  const elsewhere = settings("binary", {
    HYBRIDGE_HIVE_SETTINGS: "hive.local.time.zone=Asia/Tokyo",
  });
  assert.deepEqual(await ask(elsewhere, "SELECT from_unixtime(0)"), [["1970-01-01 09:00:00"]]);
  assert.deepEqual(await ask(elsewhere, landedTimes), expectedTimes, "what is stored has no zone");
});

const landedTimes =
  "SELECT min(kafka_timestamp), max(kafka_timestamp), count(*), min(dt), min(hr) FROM hybridge.tweets";
const expectedTimes = [
  ["2026-03-29 00:30:00.123", "2026-03-29 00:30:00.222", String(ROWS), "2026-03-29", "00"],
];

/** Lands posts in HDFS and shows them, as the warehouse does. */
async function land(): Promise<void> {
  const records = Array.from({ length: ROWS }, (_, index) => ({
    offset: BigInt(index),
    timestampMs: EPOCH + index,
    key: null,
    value: Buffer.from(postAt(7, index, EPOCH).json),
    headers: [],
  }));
  const location = "/hybridge/tweets";
  const files = await landRecords(hdfs, directory, location, records, signal);
  await using webHdfs = openWebHdfs({ url: hdfs.addresses.webhdfs, user: userInfo().username });
  await using hive = openHive(settings("binary"));
  const store = hdfsTableStore(webHdfs, location);
  const follower = hiveFollower({ hive, store, location, stored: storedPosition() });
  await follower.prepare(signal);
  await follower.follow(commitOf(1, files), signal);
}

test("NOSASL: a server without log-ins, with the same tables", async () => {
  await server.stop();
  server = await startHive({
    dir: join(directory, "hive"),
    hdfs: hdfs.addresses,
    site: { "hive.server2.authentication": "NOSASL" },
    signal,
  });
  const env = { HYBRIDGE_HIVE: server.addresses.address, HYBRIDGE_HIVE_AUTH: "NOSASL" };
  const options = hiveOptions(readConfig(hiveSettings, env), () => undefined);
  assert.deepEqual(await ask(options, landedTimes), expectedTimes);
  const logsIn = { ...options, auth: "plain", timeouts: { connectMs: 3_000 } } as const;
  await assert.rejects(ask(logsIn, "SELECT 1"), /hive.server2.authentication/);
});
