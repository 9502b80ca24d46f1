import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeRow } from "../src/redshift/engine/fields.ts";
import { parseInput } from "../src/redshift/http/input.ts";
import { bindParameters } from "../src/redshift/sql/parameters.ts";
import { render, significant, tokenize } from "../src/redshift/sql/tokens.ts";
import { translate } from "../src/redshift/sql/translate.ts";

function planOf(sql: string) {
  return translate(tokenize(sql));
}

function sqlOf(sql: string): string {
  const plan = planOf(sql);
  assert.ok("sql" in plan, plan.kind);
  return plan.sql.replaceAll(/\s+/g, " ").trim();
}

describe("tokens", () => {
  it("joined are the text again, whatever it is", () => {
    const pieces = [
      "'a''b'",
      '"q""q"',
      "$$x'$$",
      "$t$ $$ $t$",
      "/* a /* b */ c */",
      "-- x\n",
      "::",
      ":p",
      "#t",
      "1.5e3",
      "'",
      '"',
      "$",
      "(",
      ";",
      "é",
      "🦜",
      "||",
      "E'\\'",
      " ",
    ];
    const seed = Date.now() % 1_000_000;
    let state = seed;
    const next = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648);
    for (let round = 0; round < 2000; round++) {
      let sql = "";
      for (let n = next() % 12; n >= 0; n--) sql += pieces[next() % pieces.length] ?? "";
      assert.equal(render(tokenize(sql)), sql, `seed ${seed}`);
    }
  });
  it("keep texts, quoted names, dollar quotes and nested comments whole", () => {
    const words = significant(
      tokenize(`SELECT 'a;''b' "c;d", $x$ ;'$x$ /* ; /* ; */ ; */ -- ;\n, e`),
    );
    assert.deepEqual(
      words.map((word) => word.text),
      ["SELECT", "'a;''b'", '"c;d"', ",", "$x$ ;'$x$", ",", "e"],
    );
  });
});

describe("parameters", () => {
  it("become literals; casts and slices are none", () => {
    const { tokens, used, missing } = bindParameters(tokenize("SELECT :a::int, x :b, ':c'"), [
      { name: "a", value: "it's" },
    ]);
    assert.equal(render(tokens), "SELECT 'it''s'::int, x :b, ':c'");
    assert.deepEqual([[...used], [...missing]], [["a"], ["b"]]);
  });
});

describe("translation", () => {
  it("takes storage and keys out of CREATE TABLE", () => {
    assert.equal(
      sqlOf(`create table if not exists S.T (a int primary key encode raw distkey, b varchar(9)
        sortkey default 'x', c timestamp with time zone, unique (b)) diststyle key`),
      `CREATE TABLE IF NOT EXISTS s.t (a int NOT NULL, b varchar(9) DEFAULT 'x' ` +
        `CONSTRAINT redshift_bytes_b CHECK (pg_catalog.octet_length(b) <= 9), c timestamp with time zone)`,
    );
  });
  it("makes columns of a table-level primary key NOT NULL", () => {
    assert.equal(
      sqlOf("CREATE TABLE t (a int, b int, CONSTRAINT pk PRIMARY KEY (a))"),
      "CREATE TABLE t (a int NOT NULL, b int)",
    );
  });
  it("knows types by Redshift's names", () => {
    assert.equal(
      sqlOf(
        "CREATE TABLE t (b VARBYTE(64000), c CHARACTER VARYING(3), d BPCHAR, e DECIMAL(9, 2), f DEC)",
      ),
      "CREATE TABLE t (b bytea STORAGE EXTERNAL CONSTRAINT redshift_bytes_b CHECK (pg_catalog.octet_length(b) <= 64000), " +
        "c varchar(3) CONSTRAINT redshift_bytes_c CHECK (pg_catalog.octet_length(c) <= 3), " +
        "d char(256) CONSTRAINT redshift_bytes_d CHECK (pg_catalog.octet_length(d) <= 256), " +
        "e numeric(9, 2), f numeric(18, 0))",
    );
  });
  it("says which statements have rows, need a clean-up, or do nothing here", () => {
    assert.equal(planOf("WITH a AS (SELECT 1) SELECT * FROM a").kind, "rows");
    assert.equal(planOf("(SELECT 1) UNION (SELECT 2)").kind, "rows");
    assert.deepEqual(planOf("CREATE TEMP TABLE t (a INT)"), {
      kind: "command",
      sql: "CREATE TEMPORARY TABLE t (a int)",
    });
    assert.equal(planOf("VACUUM").kind, "nothing");
    assert.equal(planOf("truncate table t").kind, "truncate");
  });
  it("rewrites functions at any depth and nothing that only looks like one", () => {
    assert.equal(
      sqlOf("SELECT NVL(DECODE(a, 1, LEN(b)), 0), nvl FROM t"),
      "SELECT COALESCE(CASE WHEN a = 1 OR (a IS NULL AND 1 IS NULL) THEN pg_catalog.length(b) END, 0), nvl FROM t",
    );
  });
  it("reads COPY whatever the order of its options", () => {
    const plan = planOf(
      "COPY s.t (a, B) FROM 's3://b/k' STATUPDATE OFF MANIFEST CREDENTIALS 'x' FORMAT AS PARQUET",
    );
    assert.deepEqual(plan, {
      kind: "copy",
      copy: {
        schema: "s",
        table: "t",
        columns: ["a", "b"],
        source: "s3://b/k",
        format: "parquet",
        json: "auto",
        manifest: true,
        gzip: false,
        noLoad: false,
        fillRecord: false,
        truncateColumns: false,
      },
    });
  });
});

describe("fields", () => {
  it("copy digits and escape texts", () => {
    const fields = [20, 701, 701, 16, 25, 17].map((dataTypeID) => ({
      name: "",
      dataTypeID,
      dataTypeModifier: -1,
    }));
    assert.equal(
      encodeRow(fields, ["9223372036854775807", "1.5", "NaN", "t", 'a"\n', "\\xff"]),
      '[{"longValue":9223372036854775807},{"doubleValue":1.5},{"doubleValue":"NaN"},' +
        '{"booleanValue":true},{"stringValue":"a\\"\\n"},{"stringValue":"ff"}]',
    );
  });
});

describe("input", () => {
  it("names every problem by its member, as AWS does", () => {
    assert.throws(
      () => parseInput("BatchExecuteStatement", { Sqls: [""], WaitTimeSeconds: 0 }),
      /^ApiError: 2 validation errors detected: Value at 'sqls.1.member' failed.*'waitTimeSeconds'/,
    );
  });
});
