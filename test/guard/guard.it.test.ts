import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { prepareSql } from "@hybridge/query";
import { authorization, documentedGrants } from "./grants.ts";
import { clientOf, shown, startHiveStage, type HiveStage } from "./hive-stage.ts";
import { runGuardOracle } from "./oracle.ts";
import { startRedshiftStage, type RedshiftStage } from "./redshift-stage.ts";
import { describeReport } from "./report.ts";
import { differences } from "./stage.ts";
import { CANARY, CANARY_PROPERTY } from "./statement.ts";
import { hiveStatements, redshiftStatements } from "./statements.ts";

const STATEMENTS = 200;
const SEED = 20_261_126;

let hive: HiveStage;
let redshift: RedshiftStage;

before(async () => {
  const signal = AbortSignal.timeout(600_000);
  [hive, redshift] = await Promise.all([startHiveStage(signal), startRedshiftStage(signal)]);
});

after(async () => {
  await hive[Symbol.asyncDispose]();
  await redshift[Symbol.asyncDispose]();
});

test(`of ${STATEMENTS} statements none that passes does anything to Hive but read`, async () => {
  const statements = hiveStatements(hive.targets);
  const report = await runGuardOracle({ stage: hive, statements, count: STATEMENTS, seed: SEED });
  assert.deepEqual(report.failures, [], describeReport("hive", report));
});

test(`of ${STATEMENTS} statements none that passes does anything to Redshift but read`, async () => {
  const statements = redshiftStatements(redshift.targets);
  const report = await runGuardOracle({
    stage: redshift,
    statements,
    count: STATEMENTS,
    seed: SEED,
  });
  assert.deepEqual(report.failures, [], describeReport("redshift", report));
});

/** Statements around the guard, and the watch that must see what each does. */
function hiveHarm({ folder, secretFile }: HiveStage["targets"]): [string, RegExp][] {
  const using = (command: string) => `select transform(id) using '${command}' as x from hybridge.u`;
  return [
    [using("cat"), /^processes: new: .*cat.* by .*ScriptOperator/],
    [using(`touch ${folder}/touched`), /^files: new: touched/],
    [`insert overwrite local directory '${folder}/written' select 1`, /^files: new: written/],
    ["dfs -mkdir /made", /^hdfs: new: \/made /],
    ["insert into hybridge.u values (9)", /^hdfs: new: .*hybridge\.db\/u\//],
    ["create table hybridge.made (a int)", /^metastore: new: .*made/],
    ["alter table hybridge.u set tblproperties ('made' = 'x')", /^metastore: new: .*made/],
    ["set hive.exec.parallel=true", /^session 0: new: set -v: hive\.exec\.parallel=true/],
    ["set made.by=test", /^session 0: new: set -v: made\.by=test/],
    [
      "select reflect('java.lang.System', 'setProperty', 'made.so', 'x')",
      /^session \d: new: set -v: system:made\.so=x/,
    ],
    ["create temporary macro made(x int) x + 1", /^session 0: new: show functions: made/],
    ["create temporary table made (a int)", /^session 0: new: show tables: made/],
    [`add file ${secretFile}`, /^session 0: new: list files: /],
    ["use hybridge", /^session 0: new: database: hybridge/],
  ];
}

test("the watches over Hive see each kind of harm, when it is done around the guard", async () => {
  const harm = hiveHarm(hive.targets);
  const before = await hive.look();
  const said: string[] = [];
  for (const [sql] of harm) {
    // A program that does not read its input fails the job, after it has done its harm.
    said.push(await hive.around(sql).catch(String));
  }
  const seen = differences(before, await hive.look());
  for (const [index, [sql, expected]] of harm.entries()) {
    assert.ok(
      seen.some((line) => expected.test(line)),
      `${sql} (${said[index]}) was not seen as ${expected}, only:\n${seen.join("\n")}`,
    );
  }
  const leaked = await hive.around(
    `select reflect('java.lang.System', 'getProperty', '${CANARY_PROPERTY}')`,
  );
  assert.ok(leaked.includes(CANARY), leaked);
});

const redshiftHarm = ({ folder }: RedshiftStage["targets"]): [string, RegExp][] => [
  ["select ('x'::text).f_effect", /^postgres u: new: 7/],
  ["select g.lo_create from abs(4711) g", /^postgres objects: new: 4711/],
  ["select set_config('statement_timeout', '12345', false)", /^postgres settings: new: .*12345/],
  ["select nextval('hybridge.s')", /^postgres sequences: new: /],
  ["select pg_advisory_lock(1)", /^postgres locks: new: /],
  ["select 1 as a into hybridge.made", /^postgres relations: new: .*made/],
  ["create function made() returns int language sql as 'select 1'", /^postgres functions: new: /],
  ["prepare made as select 1", /^postgres prepared: new: made/],
  [`copy hybridge.u to '${folder}/made'`, /^postgres files: new: made/],
  ["create role made", /^postgres roles: new: made/],
];

test("the watches over Redshift see each kind of harm, when it is done around the guard", async () => {
  let before = await redshift.look();
  const sees = async (sql: string, expected: RegExp) => {
    const now = await redshift.look();
    const seen = differences(before, now);
    assert.ok(
      seen.some((line) => expected.test(line)),
      `${sql} was not seen as ${expected}, only:\n${seen.join("\n")}`,
    );
    before = now;
  };
  for (const [sql, expected] of redshiftHarm(redshift.targets)) {
    await redshift.around(sql);
    await sees(sql, expected);
  }
  await redshift.aroundEndpoint("create table hybridge.made (a int)");
  await sees("create table", /^endpoint tables: new: .*made/);
  await redshift.aroundEndpoint("insert into hybridge.u values (7)");
  await sees("insert", /^endpoint u: new: 7/);
  const leaked = await redshift.around(
    `select ('${redshift.targets.secretFile}'::text).pg_read_file`,
  );
  assert.ok(leaked.includes(CANARY), leaked);
});

/** Runs statements of which each must be refused for want of a right. */
async function allRefused(statements: readonly string[], run: (sql: string) => Promise<unknown>) {
  for (const sql of statements) {
    await assert.rejects(run(sql), /permission denied|not allowed|disallowed|must be owner/i, sql);
  }
}

test("with the documented grants Hive lets the gateway's user read, and refuses all else", async () => {
  await using server = await hive.restarted(authorization);
  await using admin = clientOf(server);
  await shown(
    admin,
    "create external table hybridge.tweets (id bigint) partitioned by (dt string)",
  );
  await shown(admin, "insert into hybridge.tweets partition (dt = 'a') values (1)");
  for (const sql of await documentedGrants("Hive")) await shown(admin, sql);
  await using gateway = clientOf(server, "hybridge_gateway");
  for (const sql of [
    "select 1",
    "select count(*), max(id) from hybridge.tweets",
    "show partitions hybridge.tweets",
    "describe formatted hybridge.tweets",
  ]) {
    await shown(gateway, (await prepareSql("hive", sql)).sql);
  }
  const refused = [
    "insert into hybridge.tweets partition (dt = 'a') values (2)",
    "insert overwrite directory '/refused' select 1",
    "create table hybridge.refused (a int)",
    "create view hybridge.refused as select 1",
    "drop table hybridge.tweets",
    "alter table hybridge.tweets add partition (dt = 'refused')",
    "create temporary function refused as 'org.apache.hadoop.hive.ql.udf.UDFLength'",
    "create temporary macro refused(x int) x + 1",
    "select transform(id) using 'cat' from hybridge.tweets",
    "select reflect('java.lang.System', 'getProperty', 'user.home')",
    "dfs -ls /",
    "add jar /refused.jar",
    "grant select on table hybridge.tweets to user other",
    "select * from hybridge.t",
  ];
  await allRefused(refused, (sql) => shown(gateway, sql));
});

test("with the documented grants Redshift's endpoint lets the gateway's user read, and refuses all else", async () => {
  const { aroundEndpoint } = redshift;
  await aroundEndpoint("create user hybridge_loader password disable");
  await aroundEndpoint("grant all on schema hybridge to hybridge_loader");
  for (const sql of await documentedGrants("Redshift")) await aroundEndpoint(sql);
  await aroundEndpoint("create table hybridge.later as select 1 as id", "hybridge_loader");
  const gateway = (sql: string) => aroundEndpoint(sql, "hybridge_gateway");
  for (const table of ["t", "u", "later"]) {
    await gateway((await prepareSql("redshift", `select count(*) from hybridge.${table}`)).sql);
  }
  const refused = [
    "insert into hybridge.u values (1)",
    "update hybridge.u set id = 1",
    "delete from hybridge.u",
    "truncate hybridge.u",
    "drop table hybridge.u",
    "alter table hybridge.u add column a int",
    "create table hybridge.refused (a int)",
    "create table public.refused (a int)",
    "create temp table refused (a int)",
    "create schema refused",
    "create user refused password disable",
  ];
  await allRefused(refused, gateway);
});
