import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { gzipSync } from "node:zlib";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DuckDBInstance } from "@duckdb/node-api";
import { startS3 } from "../src/s3.ts";
import { openHarness, type Harness } from "./redshift-harness.ts";

const stack = new AsyncDisposableStack();
const AUTH = "IAM_ROLE 'arn:aws:iam::123456789012:role/load'";
let h: Harness;
let s3: S3Client;
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-copy-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const store = stack.use(await startS3({ dir: join(directory, "s3"), buckets: ["data"] }));
  s3 = new S3Client({
    endpoint: store.addresses.endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  stack.defer(() => s3.destroy());
  h = stack.use(await openHarness(store.addresses.endpoint));
});
after(() => stack.disposeAsync());

async function put(key: string, body: string | Buffer): Promise<number> {
  await s3.send(new PutObjectCommand({ Bucket: "data", Key: key, Body: body }));
  return Buffer.byteLength(body);
}

async function manifest(key: string, entries: readonly object[]): Promise<void> {
  await put(key, JSON.stringify({ entries }));
}

/** A Parquet file of a query, put under `key`. */
async function parquet(key: string, query: string): Promise<{ url: string; meta: object }> {
  const path = join(directory, "file.parquet");
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  await connection.run(`COPY (${query}) TO '${path}' (FORMAT parquet, COMPRESSION snappy)`);
  connection.closeSync();
  instance.closeSync();
  const content_length = await put(key, await readFile(path));
  return { url: `s3://data/${key}`, meta: { content_length } };
}

async function fresh(columns: string): Promise<void> {
  await h.execute("DROP TABLE IF EXISTS loaded");
  const made = await h.execute(`CREATE TABLE loaded (${columns})`);
  assert.equal(made.Status, "FINISHED", made.Error);
}

async function copy(rest: string): Promise<number> {
  const done = await h.execute(`COPY loaded ${rest}`);
  assert.equal(done.Status, "FINISHED", done.Error);
  return done.ResultRows ?? -1;
}

describe("COPY of several files", () => {
  it("tells files of equal length apart", async () => {
    await fresh("a VARCHAR(4000), b VARCHAR(4000)");
    // Random text, long in the one and short in the other: where the pages lie differs.
    const long = "(SELECT string_agg(md5(random()::varchar), '') FROM range(100))";
    const one = await parquet("equal/1.parquet", `SELECT ${long} AS a, 'x' AS b`);
    let other = await parquet("equal/2.parquet", `SELECT 'x' AS a, ${long} AS b`);
    for (let tries = 1; tries < 50 && !isDeepStrictEqual(one.meta, other.meta); tries++) {
      other = await parquet("equal/2.parquet", `SELECT 'x' AS a, ${long} AS b`);
    }
    assert.deepEqual(one.meta, other.meta);
    await manifest("equal/manifest", [one, other]);
    const from = `FROM 's3://data/equal/manifest' ${AUTH} FORMAT AS PARQUET MANIFEST`;
    assert.equal(await copy(from), 2);
    assert.deepEqual(await h.rows("SELECT LEN(a), LEN(b) FROM loaded ORDER BY 1"), [
      [1, 3200],
      [3200, 1],
    ]);
  });
});

describe("COPY of JSON", () => {
  it("finds columns by name, keeps digits, and leaves out what is missing", async () => {
    await fresh("id BIGINT, amount DECIMAL(38,4), name VARCHAR(20), ok BOOLEAN");
    await put(
      "json/a.json",
      `{"id": 9223372036854775807, "amount": 12345678901234567890.1234, "name": "é \\"q\\", x\\n",
        "ok": true, "extra": {"n": 12345678901234567890}, "unknown": 1}
       {"ID": 2, "name": ""}`,
    );
    assert.equal(await copy(`FROM 's3://data/json/a.json' ${AUTH} FORMAT JSON 'auto'`), 2);
    assert.deepEqual(
      await h.rows("SELECT id::varchar, amount, name, ok FROM loaded ORDER BY name"),
      [
        [null, null, "", null],
        ["9223372036854775807", "12345678901234567890.1234", 'é "q", x\n', true],
      ],
    );
  });
  it("ignores the case of keys when told to", async () => {
    await fresh("id INT, mixed VARCHAR(5)");
    await put("json/case.json", '{"ID":1,"Mixed":"x"}');
    await copy(`FROM 's3://data/json/case.json' ${AUTH} JSON AS 'auto ignorecase'`);
    assert.deepEqual(await h.rows("SELECT * FROM loaded"), [[1, "x"]]);
  });
  it("takes a date only in the form that needs no DATEFORMAT", async () => {
    await fresh("d DATE");
    await put("json/date.json", '{"d":"03/04/2024"}');
    const sql = `COPY loaded FROM 's3://data/json/date.json' ${AUTH} FORMAT JSON 'auto'`;
    assert.match(await h.errorOf(sql), /Invalid date format/);
  });
  it("cuts the digits that a DECIMAL has no place for", async () => {
    await fresh("a DECIMAL(8,2), b DECIMAL(5)");
    await put("json/decimal.json", '{"a":20.259,"b":-1.9} {"a":"-.999","b":"7."} {"a":1e2,"b":3}');
    await copy(`FROM 's3://data/json/decimal.json' ${AUTH} FORMAT JSON 'auto'`);
    assert.deepEqual(await h.rows("SELECT a, b FROM loaded ORDER BY a"), [
      ["-0.99", "7"],
      ["20.25", "-1"],
      ["100.00", "3"],
    ]);
  });
  it("takes no number in a form that is PostgreSQL's, and no bytes that are not UTF-8", async () => {
    await fresh("i INT, n DECIMAL(5,2), d DATE, v VARCHAR(9)");
    const sql = `COPY loaded FROM 's3://data/json/form.json' ${AUTH} FORMAT JSON 'auto'`;
    for (const [object, message] of [
      ['{"i":"0x1F"}', /Invalid int4 format/],
      ['{"i":"1_000"}', /Invalid int4 format/],
      ['{"i":1.5}', /Invalid int4 format/],
      ['{"n":"NaN"}', /Invalid numeric format/],
      ['{"d":20240304}', /Invalid date format/],
      [Buffer.from('{"v":"\xff"}', "latin1"), /invalid or unsupported UTF8/],
    ] as const) {
      await put("json/form.json", object);
      assert.match(await h.errorOf(sql), message);
    }
  });
  it("unpacks gzip, and loads all under a prefix", async () => {
    await fresh("id INT");
    for (const n of [1, 2, 3]) await put(`many/part-${n}.gz`, gzipSync(`{"id":${n}}\n`));
    assert.equal(
      await copy(
        `FROM 's3://data/many/part-' ${AUTH} FORMAT AS JSON 'auto' GZIP COMPUPDATE OFF STATUPDATE OFF`,
      ),
      3,
    );
  });
  it("loads named columns only", async () => {
    await fresh("id INT, b INT DEFAULT 7");
    await put("json/named.json", '{"id":1,"b":2}');
    await copy(`(id) FROM 's3://data/json/named.json' ${AUTH} JSON 'auto'`);
    assert.deepEqual(await h.rows("SELECT * FROM loaded"), [[1, 7]]);
  });
  it("loads nothing when one line is wrong, and says which", async () => {
    await fresh("id INT, name VARCHAR(3)");
    await put("bad/1.json", '{"id":1}');
    await put("bad/2.json", '{"id":2}\n{"id":}\n');
    const error = await h.errorOf(`COPY loaded FROM 's3://data/bad/' ${AUTH} JSON 'auto'`);
    assert.match(error, /Load into table 'loaded' failed.*stl_load_errors.*bad\/2\.json, line 2/);
    assert.deepEqual(await h.rows("SELECT count(*) FROM loaded"), [[0]]);
    const [row] = await h.rows(
      "SELECT filename, line_number FROM stl_load_errors ORDER BY starttime DESC LIMIT 1",
    );
    assert.deepEqual(row, ["s3://data/bad/2.json", 2]);
  });
  it("counts bytes of VARCHAR, and cuts when told to", async () => {
    await fresh("name VARCHAR(5)");
    await put("json/long.json", '{"name":"ok"}\n{"name":"ééé"}');
    const from = `FROM 's3://data/json/long.json' ${AUTH} JSON 'auto'`;
    assert.match(await h.errorOf(`COPY loaded ${from}`), /row 2, column name: Value too long/);
    await copy(`${from} TRUNCATECOLUMNS`);
    assert.deepEqual(await h.rows("SELECT name FROM loaded"), [["ok"], ["éé"]]);
  });
  it("refuses what is cut off, and what is no object", async () => {
    await fresh("id INT");
    await put("json/cut.json", '{"id":1}\n{"id":2');
    await put("json/loose.json", '{"id":1} 5');
    for (const name of ["cut", "loose"]) {
      await h.errorOf(`COPY loaded FROM 's3://data/json/${name}.json' ${AUTH} JSON 'auto'`);
    }
    assert.deepEqual(await h.rows("SELECT count(*) FROM loaded"), [[0]]);
  });
});

describe("COPY of Parquet by manifest", () => {
  const QUERY = `SELECT i AS id, 'text ' || i AS name, i % 2 = 0 AS even,
    TIMESTAMP '2026-11-23 10:00:00' + INTERVAL (i) MILLISECOND AS at, i / 4.0 AS ratio`;
  const COLUMNS = "id BIGINT, name VARCHAR(20), even BOOLEAN, at TIMESTAMP, ratio DOUBLE PRECISION";
  const rows = (from: number, to: number) => `${QUERY} FROM range(${from}, ${to}) t(i)`;
  const FROM = `FROM 's3://data/m.manifest' ${AUTH} FORMAT AS PARQUET MANIFEST`;

  it("loads every file once, by position", async () => {
    await fresh(COLUMNS);
    const a = await parquet("p/a.parquet", rows(0, 3000));
    const b = await parquet("p/b.parquet", rows(3000, 5000));
    await manifest(
      "m.manifest",
      [a, b].map((file) => ({ ...file, mandatory: true })),
    );
    assert.equal(await copy(FROM), 5000);
    assert.deepEqual(await h.rows("SELECT * FROM loaded WHERE id = 3001"), [
      [3001, "text 3001", false, "2026-11-23 10:00:03.001", 750.25],
    ]);
    assert.deepEqual(await h.rows("SELECT count(DISTINCT id), sum(id) FROM loaded"), [
      [5000, 12497500],
    ]);
  });
  it("tells NULL from the empty text, and keeps quotes, lines and emoji", async () => {
    await fresh("t VARCHAR(40)");
    const values = `VALUES (NULL), (''), ('a"b,c'), (E'line\\nline\\\\'), ('🦜 שלום')`;
    await manifest("m.manifest", [await parquet("p/t.parquet", `SELECT * FROM (${values}) t(t)`)]);
    assert.equal(await copy(FROM), 5);
    assert.deepEqual(await h.rows("SELECT t FROM loaded"), [
      [null],
      [""],
      ['a"b,c'],
      ["line\nline\\"],
      ["🦜 שלום"],
    ]);
  });
  it("puts text into VARBYTE as its bytes", async () => {
    await fresh("raw VARBYTE(1024000)");
    await manifest("m.manifest", [await parquet("p/r.parquet", "SELECT '{\"é\":1}' AS raw")]);
    await copy(FROM);
    assert.deepEqual(await h.rows("SELECT raw FROM loaded"), [
      [Buffer.from('{"é":1}').toString("hex")],
    ]);
  });
  it("loads nothing when a mandatory entry is missing, and skips one that is not", async () => {
    await fresh(COLUMNS);
    const there = await parquet("p/there.parquet", rows(0, 10));
    const missing = { url: "s3://data/p/missing.parquet", meta: { content_length: 1 } };
    await manifest("m.manifest", [there, { ...missing, mandatory: true }]);
    assert.match(
      await h.errorOf(`COPY loaded ${FROM}`),
      /Status 404,Error NoSuchKey.*missing\.parquet/,
    );
    assert.deepEqual(await h.rows("SELECT count(*) FROM loaded"), [[0]]);
    await manifest("m.manifest", [there, { ...missing, mandatory: false }]);
    assert.equal(await copy(FROM), 10);
  });
  it("wants content_length, and that it is right", async () => {
    await fresh(COLUMNS);
    const { url, meta } = await parquet("p/len.parquet", rows(0, 1));
    await manifest("m.manifest", [{ url, mandatory: true }]);
    assert.match(await h.errorOf(`COPY loaded ${FROM}`), /content_length/);
    const wrong = { content_length: (meta as { content_length: number }).content_length + 1 };
    await manifest("m.manifest", [{ url, mandatory: true, meta: wrong }]);
    assert.match(
      await h.errorOf(`COPY loaded ${FROM}`),
      /has content_length \d+, but the object has/,
    );
  });
  it("refuses other columns than the table's", async () => {
    await fresh("id BIGINT");
    await manifest("m.manifest", [
      await parquet("p/two.parquet", "SELECT 1::BIGINT AS id, 2 AS b"),
    ]);
    assert.match(
      await h.errorOf(`COPY loaded ${FROM}`),
      /Unmatched number of columns.*Table columns: 1, Data columns: 2/,
    );
    await manifest("m.manifest", [await parquet("p/text.parquet", "SELECT 'x' AS id")]);
    assert.match(
      await h.errorOf(`COPY loaded ${FROM}`),
      /incompatible Parquet schema for column 'id'/,
    );
    await fresh("id BIGINT, b INT");
    await manifest("m.manifest", [await parquet("p/one.parquet", "SELECT 5::BIGINT AS id")]);
    assert.equal(await copy(`${FROM} FILLRECORD`), 1);
  });
  it("refuses a file that is no Parquet, a manifest that is no JSON, a manifest that is not there", async () => {
    await fresh("id BIGINT");
    const content_length = await put("p/none.parquet", "not parquet");
    await manifest("m.manifest", [{ url: "s3://data/p/none.parquet", meta: { content_length } }]);
    assert.match(await h.errorOf(`COPY loaded ${FROM}`), /not a valid Parquet file/);
    await put("m.manifest", "{");
    assert.match(await h.errorOf(`COPY loaded ${FROM}`), /not in correct json format/);
    const nowhere = FROM.replace("m.manifest", "no.manifest");
    assert.match(
      await h.errorOf(`COPY loaded ${nowhere}`),
      /Problem reading manifest file.*Error NoSuchKey/,
    );
  });
  it("is all or nothing within a batch, with a temporary stage and MERGE", async () => {
    await h.execute("DROP TABLE IF EXISTS target");
    await h.execute(`CREATE TABLE target (${COLUMNS}, PRIMARY KEY (id)) DISTKEY (id) SORTKEY (at)`);
    await manifest("m.manifest", [await parquet("p/m.parquet", rows(0, 100))]);
    const load = [
      "CREATE TEMP TABLE stage (LIKE target)",
      `COPY stage ${FROM} COMPUPDATE OFF STATUPDATE OFF`.replace(/ COMPUPDATE.*/, ""),
      `MERGE INTO target USING stage ON target.id = stage.id
         WHEN MATCHED THEN UPDATE SET name = stage.name
         WHEN NOT MATCHED THEN INSERT VALUES (stage.id, stage.name, stage.even, stage.at, stage.ratio)`,
    ];
    for (let times = 0; times < 2; times++) {
      const done = await h.batch(load);
      assert.equal(done.Status, "FINISHED", done.Error);
      assert.deepEqual(await h.rows("SELECT count(*) FROM target"), [[100]]);
    }
    assert.equal((await h.batch([...load, "SELECT nope"])).Status, "FAILED");
    assert.equal((await h.batch(load)).Status, "FINISHED");
  });
});

describe("COPY refuses", () => {
  const cases: readonly (readonly [sql: string, message: RegExp])[] = [
    [`COPY nope FROM 's3://data/x' ${AUTH} JSON 'auto'`, /nonexistent table nope/],
    [
      `COPY loaded FROM 's3://data/nothing-here' ${AUTH} JSON 'auto'`,
      /prefix 'nothing-here' does not exist/,
    ],
    [`COPY loaded FROM 's3://no-bucket/x' ${AUTH} JSON 'auto'`, /NoSuchBucket/],
    ["COPY loaded FROM 's3://data/x' JSON 'auto'", /IAM_ROLE/],
    [`COPY loaded FROM 's3://data/x' ${AUTH} CSV`, /the COPY option CSV/],
    [`COPY loaded FROM 's3://data/x' ${AUTH} PARQUET GZIP`, /does not support GZIP/],
    [`COPY loaded FROM 'dynamodb://x' ${AUTH} JSON 'auto'`, /s3:\/\/ path/],
    [`COPY loaded (nope) FROM 's3://data/x' ${AUTH} JSON 'auto'`, /column "nope"/],
  ];
  for (const [sql, message] of cases) {
    it(sql, async () => {
      await h.execute("CREATE TABLE IF NOT EXISTS loaded (id INT)");
      assert.match(await h.errorOf(sql), message);
    });
  }
});
