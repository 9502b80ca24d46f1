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
      "CREATE GROUP readers",
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
  it("have single bytes in CHAR, and compare with their case", async () => {
    await finishes(
      "CREATE TABLE chars (a CHAR(3) COLLATE CASE_SENSITIVE)",
      "INSERT INTO chars VALUES ('e')",
    );
    assert.match(await h.errorOf("INSERT INTO chars VALUES ('é')"), /too long/);
    const insensitive = "CREATE TABLE x (a VARCHAR(3) COLLATE CASE_INSENSITIVE)";
    assert.match(await h.errorOf(insensitive), /COLLATE CASE_INSENSITIVE/i);
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
  it("bound VARBYTE", async () => {
    await finishes("CREATE TABLE bytes_3 (a VARBYTE)", "CREATE TABLE bytes_4 (a VARBYTE(1024000))");
    assert.match(await h.errorOf("CREATE TABLE x (a VARBYTE(1024001))"), /cannot exceed 1024000/);
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
    ["CAST(' TRUE ' AS BOOLEAN) AND CAST('today' AS DATE) = TRUNC(GETDATE())", true],
    ["DECODE(NULL::int, 1, 'one', NULL, 'none')", "none"],
    ["GETDATE() BETWEEN DATEADD(minute, -5, SYSDATE) AND DATEADD(minute, 5, SYSDATE)", true],
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
    [
      "(SELECT LISTAGG(n, '-') WITHIN GROUP (ORDER BY n DESC) FROM generate_series(1, 3) n)",
      "3-2-1",
    ],
    ["(SELECT LISTAGG(DISTINCT n % 2, ',') FROM generate_series(1, 3) n)", "0,1"],
    ["(SELECT APPROXIMATE COUNT(DISTINCT n) FROM generate_series(1, 3) n)", 3],
    ["REGEXP_REPLACE('a1b2c3', '[0-9]', '')", "abc"],
    ["REGEXP_SUBSTR('abc', '[0-9]+')", ""],
    ["CONCAT('a', NULL)", null],
    ["(SELECT AVG(n) FROM (SELECT 1 AS n UNION ALL SELECT 2) t)", 1],
    ["(SELECT AVG(n) FROM (SELECT 1.5::float8 AS n UNION ALL SELECT 2) t)", 1.75],
    ["CAST('1.5' AS DECIMAL)", "2"],
    ["CAST(1.25 AS DECIMAL(5,1))", "1.3"],
    ["7 / 2", 3],
    ["'a' || NULL", null],
    ["'a ' = 'a'", true],
    ["'a ' IN ('a')", true],
    ["LEN('a ')", 2],
    ["SHA2('a', 100)", ""],
    ["SHA2('a', 0) = SHA2('a', 256)", true],
    ["CASE 'a ' WHEN 'a' THEN 1 END", 1],
    ["LEN(CAST('a ' AS CHAR(5)))", 1],
    ["'ÄB' ILIKE 'äb'", false],
    ["'aB' ILIKE 'Ab'", true],
    ["UPPER('é')", "É"],
    ["CAST('éé' AS VARCHAR(3))", "é"],
    ["'a\\\\b'", "a\\b"],
    ["LEFT('abc', 2) || RIGHT('abc', 1)", "abc"],
    ["SPLIT_PART('a,b', ',', 3)", ""],
    ["ROUND(2.345, 2)", "2.35"],
    [
      "TO_CHAR('2026-11-22 10:00'::timestamp, 'YYYY-MM-DD HH24:MI:SS.US')",
      "2026-11-22 10:00:00.000000",
    ],
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

describe("dates and times", () => {
  const cases: readonly (readonly [expression: string, value: unknown])[] = [
    ["DATEADD(month, 1, '2026-01-31'::timestamp)", "2026-02-28 00:00:00"],
    ["DATEADD('qtr', 2, '2026-01-01'::date)", "2026-07-01 00:00:00"],
    ["DATEDIFF(day, '2026-11-22 23:59:59'::timestamp, '2026-11-23'::timestamp)", 1],
    ["DATEDIFF(hour, '2026-01-01 00:59:59'::timestamp, '2026-01-02 01:00:00'::timestamp)", 25],
    ["DATEDIFF(min, '2026-01-01 00:00:59'::timestamp, '2026-01-01 00:01:00'::timestamp)", 1],
    ["DATEDIFF(month, '2025-12-31'::date, '2026-01-01'::date)", 1],
    ["DATEDIFF(ms, '2026-01-01'::timestamp, '2026-01-01 00:00:01.5'::timestamp)", 1500],
    ["DATE_TRUNC('hour', '2026-11-23 10:59'::timestamp)", "2026-11-23 10:00:00"],
    ["CONVERT_TIMEZONE('America/New_York', '2026-01-01 12:00'::timestamp)", "2026-01-01 07:00:00"],
    ["EXTRACT(year FROM '2026-01-02'::date)", 2026],
    ["DATE_PART(dow, '2026-11-22'::timestamp)", 0],
    ["DATE_TRUNC('day', '2026-11-22'::date)", "2026-11-22 00:00:00"],
    ["TRUNC('2026-11-22 10:00'::timestamp)", "2026-11-22"],
  ];
  for (const [expression, value] of cases) {
    it(expression, async () => {
      assert.deepEqual(await h.rows(`SELECT ${expression}`), [[value]]);
    });
  }
});

describe("texts", () => {
  before(() =>
    finishes(
      "CREATE TABLE blanks (v VARCHAR(9), n INT)",
      "INSERT INTO blanks VALUES ('a', 2), ('a ', 3), ('', 1), ('b', 4)",
    ),
  );
  const cases: readonly (readonly [expression: string, value: unknown])[] = [
    ["(SELECT COUNT(DISTINCT v) FROM blanks)", 3],
    ["(SELECT COUNT(*) FROM (SELECT DISTINCT v FROM blanks) t)", 3],
    ["(SELECT COUNT(*) FROM (SELECT v, n FROM blanks GROUP BY v, n) t)", 4],
    ["(SELECT COUNT(*) FROM (SELECT v FROM blanks UNION SELECT 'b  ') t)", 3],
    ["(SELECT COUNT(*) FROM (SELECT v FROM blanks INTERSECT SELECT 'b  ') t)", 1],
    ["(SELECT COUNT(*) FROM (SELECT v FROM blanks EXCEPT SELECT 'a  ') t)", 2],
    ["(SELECT COUNT(*) FROM blanks a JOIN blanks b ON a.v = b.v)", 6],
    ["(SELECT COUNT(*) FROM blanks a JOIN blanks b USING (v))", 6],
    ["(SELECT COUNT(*) FROM blanks WHERE v IN (SELECT v || '  ' FROM blanks))", 4],
    ["(SELECT MAX(r) FROM (SELECT RANK() OVER (PARTITION BY v ORDER BY n) AS r FROM blanks) t)", 2],
    ["(SELECT LISTAGG(n, ',') WITHIN GROUP (ORDER BY v, n DESC) FROM blanks)", "1,3,2,4"],
    ["NULLIF('a ', 'a')", null],
    ["'a1' ~ '^[a-z][0-9]$' AND 'b' !~ 'a+'", true],
    ["CAST(CAST(1 AS FLOAT8) / 3 AS VARCHAR)", "0.333333333333333"],
    ["CAST(CAST(0.1 AS FLOAT4) AS VARCHAR)", "0.1"],
    ["'x' || CAST(0.1 AS FLOAT8) || CAST(1e20 AS FLOAT8)::text", "x0.11e+20"],
    ["CAST(1 AS FLOAT8) / 3", 0.333_333_333_333_333_3],
  ];
  for (const [expression, value] of cases) {
    it(expression, async () => {
      assert.deepEqual(await h.rows(`SELECT ${expression}`), [[value]]);
    });
  }
});

describe("what is on no list", () => {
  const cases: readonly (readonly [sql: string, named: RegExp])[] = [
    ["SELECT FNV_HASH('a')", /FNV_HASH/],
    ["SELECT MEDIAN(1)", /MEDIAN/],
    ["SELECT CAST(1 = 1 AS VARCHAR)", /cannot cast type boolean/],
    ["SELECT 'A' ~ '(?i)a'", /pattern/],
    ["SELECT 'a' || (1 = 1)", /cannot cast type boolean/],
    ["INSERT INTO blanks (v) SELECT true", /cannot cast type boolean/],
    ["SELECT JSON_PARSE('1')", /JSON_PARSE/],
    ["SELECT string_agg('a', 'b')", /STRING_AGG/],
    ["SELECT pg_sleep(1)", /PG_SLEEP/],
    ["SELECT pg_catalog.pg_sleep(1)", /pg_catalog.pg_sleep/],
    ["SELECT * FROM pg_authid", /pg_authid/],
    ["SELECT * FROM pg_catalog.pg_class", /pg_class/],
    ["SELECT '{}'::jsonb", /JSONB/],
    ["SELECT CAST('x' AS SUPER)", /SUPER/],
    ["SELECT ARRAY[1]", /A_ArrayExpr/],
    ["SELECT LAG(1) IGNORE NULLS OVER (ORDER BY 1)", /IGNORE NULLS/],
    ["SELECT 1 AS a QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1", /QUALIFY/],
    ["SELECT DISTINCT ON (1) 1", /DISTINCT ON/],
    ["SELECT 1 FOR UPDATE", /lockingClause/],
    ["SELECT COUNT(*) FILTER (WHERE true)", /agg_filter/],
    ["SELECT interval '1 day'", /the type of the result column/],
    ["SELECT 0x1F", /0x1F/],
    ["SELECT 1_000", /1_000/],
    ["SELECT CAST('0x1F' AS INT)", /0x1F/],
    ["SELECT 'NaN'::decimal(5,2)", /NaN/],
    ["SELECT CAST('infinity' AS TIMESTAMP)", /infinity/],
    ["SELECT CAST('on' AS BOOLEAN)", /"on" to BOOL/],
    ["SELECT 1 AS n UNION ALL SELECT 1.5", /"n" of decimals of several scales/],
    ["SELECT 1.0 / 3", /division of DECIMAL/],
    ["SELECT 1 IS DISTINCT FROM 2", /AEXPR_DISTINCT/],
    ["SELECT TOP 1 1 UNION SELECT 2", /TOP/],
    ["SELECT DATEDIFF(week, SYSDATE, SYSDATE)", /DATEDIFF by week/],
    ["SELECT SUM(1) OVER (ORDER BY 1)", /require a frame clause/],
    ["SET work_mem TO 1000", /work_mem/],
    ["SET SESSION AUTHORIZATION x", /session parameter/],
    ["SHOW ALL", /SHOW/],
    ["CALL p()", /CALL/],
    ["CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'", /CREATE FUNCTION/],
    ["COPY keys FROM 's3://x/y' IAM_ROLE default JSON 'auto' EMPTYASNULL", /EMPTYASNULL/],
    ["COPY keys FROM 's3://x/y' IAM_ROLE default JSON 'auto' DATEFORMAT 'auto'", /DATEFORMAT/],
    ["COPY keys FROM 's3://x/y' IAM_ROLE default PARQUET REGION 'us-east-1'", /REGION/],
    ["COPY keys FROM 's3://x/y' IAM_ROLE default PARQUET COMPUPDATE OFF", /COMPUPDATE/],
    ["COPY keys FROM 's3://x/y' IAM_ROLE default PARQUET NOLOAD", /NOLOAD/],
    ["SELECT count(*) FROM keys, generate_series(1, 2)", /not supported on Redshift tables/],
  ];
  for (const [sql, named] of cases) {
    it(sql, async () => assert.match(await h.errorOf(sql), named));
  }
});

describe("sessions", () => {
  it("take Redshift's parameters", async () => {
    const done = await h.batch([
      "SET query_group TO 'x'",
      "SET enable_result_cache_for_session = off",
      "SET timezone TO 'America/New_York'",
      "SET search_path TO elsewhere, public",
      "SET enable_case_sensitive_identifier TO true",
      'SELECT 1 AS "Kept"',
      "SET statement_timeout TO 50",
      "SELECT count(*) FROM generate_series(1, 2000000000)",
    ]);
    assert.match(done.Error ?? "", /Query #8 failed with ERROR: Query cancelled/);
  });
  it("write floating-point numbers with other digits never by guessing", async () => {
    const sql = "SELECT CAST(CAST(0.1 AS FLOAT8) AS VARCHAR)";
    const done = await h.batch(["SET extra_float_digits TO 2", sql]);
    assert.match(done.Error ?? "", /extra_float_digits/);
    await finishes("SET extra_float_digits TO 0");
    assert.deepEqual(await h.rows(sql), [["0.1"]]);
  });
  it("fold names in quotes to lower case", async () => {
    await finishes('CREATE TABLE "Quoted" ("MixedCase" INT)', "INSERT INTO quoted VALUES (1)");
    assert.deepEqual(await h.rows('SELECT mixedcase FROM "QUOTED"'), [[1]]);
  });
  it("run as the user of the database that is named", async () => {
    await finishes(
      "CREATE USER reader PASSWORD DISABLE",
      "CREATE TABLE readable (a INT)",
      "GRANT USAGE ON SCHEMA public TO reader",
    );
    assert.match((await h.as("reader", "SELECT a FROM readable")).Error ?? "", /permission denied/);
    await finishes("GRANT SELECT ON readable TO reader");
    assert.equal((await h.as("reader", "SELECT a FROM readable")).Status, "FINISHED");
    const written = await h.as("reader", "INSERT INTO readable VALUES (1)");
    assert.match(written.Error ?? "", /permission denied/);
    assert.match((await h.as("nobody_known", "SELECT 1")).Error ?? "", /does not exist/);
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
  it("takes no sub-query for its source", async () => {
    const sql = `MERGE INTO merged USING (SELECT 2 AS id, 'x' AS v) s ON merged.id = s.id
       WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)`;
    assert.match(await h.errorOf(sql), /source must be a table/);
  });
});
