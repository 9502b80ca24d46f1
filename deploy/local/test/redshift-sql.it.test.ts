import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openHarness, type Harness } from "./redshift-harness.ts";

let h: Harness;
before(async () => {
  h = await openHarness();
});
after(() => h[Symbol.asyncDispose]());

async function finishes(...sqls: string[]): Promise<void> {
  for (const sql of sqls) {
    const done = await h.execute(sql);
    assert.equal(done.Status, "FINISHED", `${sql}: ${done.Error}`);
  }
}

describe("tables", () => {
  it("take Redshift's storage clauses", async () => {
    await finishes(
      `CREATE TABLE public.storage (id BIGINT NOT NULL ENCODE az64 DISTKEY, at TIMESTAMP SORTKEY,
         name VARCHAR(MAX) ENCODE zstd) DISTSTYLE KEY BACKUP NO`,
      `CREATE TABLE storage_2 (a INT, b INT) DISTSTYLE EVEN INTERLEAVED SORTKEY (a, b) ENCODE AUTO`,
      "ALTER TABLE storage ALTER DISTSTYLE ALL",
      "ALTER TABLE storage ALTER COMPOUND SORTKEY (id, at)",
      "ALTER TABLE storage ADD COLUMN extra VARCHAR(2) ENCODE lzo DEFAULT 'x'",
      "VACUUM FULL storage TO 100 PERCENT",
      "ANALYZE storage PREDICATE COLUMNS",
      "GRANT SELECT ON storage TO GROUP readers",
    );
    assert.match(await h.errorOf("INSERT INTO storage (id, extra) VALUES (1, 'abc')"), /too long/);
  });
  it("do not enforce PRIMARY KEY, UNIQUE and FOREIGN KEY", async () => {
    await finishes(
      `CREATE TABLE keys (a INT PRIMARY KEY, b INT UNIQUE, c INT REFERENCES nowhere (x),
         d INT, UNIQUE (d), CONSTRAINT fk FOREIGN KEY (d) REFERENCES nowhere (x))`,
      "INSERT INTO keys VALUES (1, 1, 1, 1), (1, 1, 1, 1)",
      "CREATE TABLE keys_2 (a INT, b INT, PRIMARY KEY (a, b))",
    );
    assert.deepEqual(await h.rows("SELECT count(*) FROM keys"), [[2]]);
  });
  it("enforce NOT NULL, which a primary key implies", async () => {
    assert.match(await h.errorOf("INSERT INTO keys (b) VALUES (1)"), /NULL value into column a/);
    assert.match(await h.errorOf("INSERT INTO keys_2 (a) VALUES (1)"), /column b/);
  });
  it("count the length of VARCHAR in bytes", async () => {
    await finishes(
      "CREATE TABLE bytes (a VARCHAR(4), b VARCHAR)",
      "INSERT INTO bytes VALUES ('éé')",
    );
    assert.match(
      await h.errorOf("INSERT INTO bytes VALUES ('ééé')"),
      /Value too long for character type/,
    );
    assert.match(await h.errorOf("INSERT INTO bytes VALUES ('🦜🦜')"), /Value too long/);
    assert.match(await h.errorOf(`INSERT INTO bytes(b) VALUES ('${"x".repeat(257)}')`), /too long/);
  });
  it("copy columns, NOT NULL and lengths with LIKE", async () => {
    await finishes("CREATE TABLE bytes_2 (LIKE bytes)", "CREATE TABLE keys_3 (LIKE public.keys)");
    assert.match(await h.errorOf("INSERT INTO bytes_2 VALUES ('ééé')"), /too long/);
    assert.match(await h.errorOf("INSERT INTO keys_3 (b) VALUES (1)"), /column a/);
  });
  it("give identities that skip and never repeat", async () => {
    await finishes(
      "CREATE TABLE ids (id BIGINT IDENTITY(10, 5), a INT NOT NULL)",
      "INSERT INTO ids (a) VALUES (1)",
    );
    await h.errorOf("INSERT INTO ids (a) VALUES (NULL)");
    await finishes("INSERT INTO ids (a) VALUES (2)");
    assert.deepEqual(await h.rows("SELECT id FROM ids ORDER BY a"), [[10], [20]]);
  });
  it("are made from queries", async () => {
    await finishes(
      "CREATE TABLE made DISTSTYLE ALL SORTKEY (a) AS SELECT NVL(NULL, 3) AS a",
      "CREATE TABLE IF NOT EXISTS made (a INT)",
    );
    assert.deepEqual(await h.rows("SELECT a FROM made"), [[3]]);
  });
  it("are temporary with a # before the name", async () => {
    const done = await h.batch([
      "CREATE TABLE #t (a INT)",
      "INSERT INTO #t VALUES (1)",
      "SELECT * FROM #t",
    ]);
    assert.equal(done.Status, "FINISHED", done.Error);
  });
  it("fold names to lower case", async () => {
    await finishes("CREATE TABLE Folded (MixedCase INT)");
    assert.deepEqual(await h.rows("SELECT mixedcase FROM FOLDED"), []);
  });
  it("hold SUPER values", async () => {
    await finishes(
      "CREATE TABLE supers (s SUPER)",
      `INSERT INTO supers SELECT JSON_PARSE('{"a":[1,2]}')`,
    );
    assert.deepEqual(await h.rows("SELECT json_serialize(s) FROM supers"), [['{"a": [1, 2]}']]);
  });
});

describe("what Redshift refuses", () => {
  const refused: readonly (readonly [sql: string, message: RegExp])[] = [
    ["INSERT INTO keys VALUES (1) ON CONFLICT DO NOTHING", /syntax error at or near "ON"/],
    ["DELETE FROM keys RETURNING a", /syntax error at or near "RETURNING"/],
    ["CREATE INDEX i ON keys (a)", /not supported on Redshift tables/],
    ["CREATE UNIQUE INDEX i ON keys (a)", /not supported on Redshift tables/],
    ["CREATE TABLE x (a JSONB)", /unsupported type "jsonb"/],
    ["CREATE TABLE x (a SERIAL)", /unsupported type "serial"/],
    ["CREATE TABLE x (a INT[])", /Array types are not supported/],
    ["CREATE TABLE x (a VARCHAR(70000))", /cannot exceed 65535/],
    ["SAVEPOINT s", /not supported/],
    ["SELECT 1; SELECT 2", /multiple commands/],
    ["BEGIN", /a batch is one transaction/],
    ["SELEC 1", /syntax error at or near "SELEC"/],
    ["", /./],
  ];
  for (const [sql, message] of refused) {
    if (sql === "") continue;
    it(sql, async () => assert.match(await h.errorOf(sql), message));
  }
  it("TRUNCATE inside a transaction that can be rolled back: it commits", async () => {
    await finishes("CREATE TABLE truncated (a INT)", "INSERT INTO truncated VALUES (1)");
    const done = await h.batch(["TRUNCATE truncated", "SELECT nope"]);
    assert.equal(done.Status, "FAILED");
    assert.deepEqual(await h.rows("SELECT count(*) FROM truncated"), [[0]]);
  });
});

describe("functions", () => {
  const cases: readonly (readonly [expression: string, value: unknown])[] = [
    ["NVL(NULL, NULL, 3)", 3],
    ["NVL2(NULL, 1, 2)", 2],
    ["DECODE(2, 1, 'one', 2, 'two', 'many')", "two"],
    ["DECODE(NULL::int, 1, 'one', NULL, 'none')", "none"],
    ["GETDATE() BETWEEN DATEADD(minute, -5, SYSDATE) AND DATEADD(minute, 5, SYSDATE)", true],
    ["DATEADD(month, 1, '2026-01-31'::timestamp)", "2026-02-28 00:00:00"],
    ["DATEADD('qtr', 2, '2026-01-01'::date)", "2026-07-01 00:00:00"],
    ["DATEDIFF(day, '2026-11-22 23:59:59'::timestamp, '2026-11-23'::timestamp)", 1],
    ["DATEDIFF(month, '2025-12-31'::date, '2026-01-01'::date)", 1],
    ["DATEDIFF(ms, '2026-01-01'::timestamp, '2026-01-01 00:00:01.5'::timestamp)", 1500],
    ["DATE_TRUNC('hour', '2026-11-23 10:59'::timestamp)", "2026-11-23 10:00:00"],
    ["CONVERT_TIMEZONE('America/New_York', '2026-01-01 12:00'::timestamp)", "2026-01-01 07:00:00"],
    ["STRTOL('ff', 16)", 255],
    ["STRTOL('777', 8)", 511],
    ["STRTOL(SUBSTRING(MD5('a'), 1, 12), 16)", 0x0cc175b9c0f1],
    ["MD5('a')", "0cc175b9c0f1b6a831c399e269772661"],
    ["SHA2('a', 256)", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"],
    ["LEN('é🦜')", 2],
    ["OCTET_LENGTH('é🦜')", 6],
    ["CHARINDEX('b', 'abc')", 2],
    ["CONVERT(INTEGER, '12')", 12],
    ["JSON_EXTRACT_PATH_TEXT('{\"a\":{\"b\":2}}', 'a', 'b')", "2"],
    ["JSON_EXTRACT_PATH_TEXT('{', 'a', true)", null],
    ["JSON_ARRAY_LENGTH('[1,2,3]')", 3],
    ['JSON_EXTRACT_ARRAY_ELEMENT_TEXT(\'["x","y"]\', 1)', "y"],
    ["IS_VALID_JSON('{')", false],
    [
      "(SELECT LISTAGG(n, '-') WITHIN GROUP (ORDER BY n DESC) FROM generate_series(1, 3) n)",
      "3-2-1",
    ],
    ["(SELECT LISTAGG(DISTINCT n % 2, ',') FROM generate_series(1, 3) n)", "0,1"],
    ["(SELECT APPROXIMATE COUNT(DISTINCT n) FROM generate_series(1, 3) n)", 3],
    ["(SELECT MEDIAN(n) FROM generate_series(1, 3) n)", 2],
  ];
  for (const [expression, value] of cases) {
    it(expression, async () => {
      const [row] = await h.rows(`SELECT ${expression}`);
      assert.deepEqual(row, [value]);
    });
  }
  it("TOP is a limit, in sub-queries too", async () => {
    const rows = "SELECT n FROM generate_series(1, 5) n";
    assert.deepEqual(await h.rows(`SELECT TOP 2 n FROM (${rows}) t ORDER BY n DESC`), [[5], [4]]);
    assert.deepEqual(await h.rows(`SELECT count(*) FROM (SELECT TOP 3 n FROM (${rows}) a) b`), [
      [3],
    ]);
  });
  it("MINUS is EXCEPT", async () => {
    assert.deepEqual(await h.rows("SELECT 1 MINUS SELECT 1"), []);
  });
  it("a name in a text stays a text", async () => {
    assert.deepEqual(await h.rows("SELECT 'NVL(1) SYSDATE :x' AS nvl"), [["NVL(1) SYSDATE :x"]]);
  });
});

describe("MERGE", () => {
  const merge = (source: string, rest = "") =>
    `MERGE INTO merged USING ${source} s ON merged.id = s.id ${rest}
     WHEN MATCHED THEN UPDATE SET v = s.v
     WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)`;
  before(() =>
    finishes(
      "CREATE TABLE merged (id INT, v VARCHAR(8))",
      "INSERT INTO merged VALUES (1, 'old')",
      "CREATE TABLE merge_source (id INT, v VARCHAR(8))",
      "INSERT INTO merge_source VALUES (1, 'new'), (2, 'two')",
    ),
  );
  it("updates what matches and inserts the rest, and may be repeated", async () => {
    await finishes(merge("merge_source"), merge("merge_source"));
    assert.deepEqual(await h.rows("SELECT * FROM merged ORDER BY id"), [
      [1, "new"],
      [2, "two"],
    ]);
  });
  it("fails when two source rows match one row", async () => {
    await finishes("INSERT INTO merge_source VALUES (1, 'again')");
    assert.equal(
      await h.errorOf(merge("merge_source")),
      "ERROR: Found multiple matches to update the same tuple.",
    );
  });
  it("needs both clauses, without conditions", async () => {
    const head = "MERGE INTO merged USING merge_source s ON merged.id = s.id";
    const insert = "WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)";
    assert.match(await h.errorOf(`${head} ${insert}`), /exactly one WHEN MATCHED/);
    assert.match(
      await h.errorOf(`${head} WHEN MATCHED AND s.v = 'x' THEN DELETE ${insert}`),
      /syntax error at or near "AND"/,
    );
    assert.match(
      await h.errorOf(
        `MERGE INTO merged m USING merge_source s ON m.id = s.id WHEN MATCHED THEN DELETE ${insert}`,
      ),
      /alias/,
    );
  });
  it("deletes what matches", async () => {
    await finishes(
      `MERGE INTO merged USING (SELECT 2 AS id, 'x' AS v) s ON merged.id = s.id
       WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)`,
    );
    assert.deepEqual(await h.rows("SELECT id FROM merged"), [[1]]);
  });
});
