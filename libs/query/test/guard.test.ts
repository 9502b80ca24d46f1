import assert from "node:assert/strict";
import { before, test } from "node:test";
import fc from "fast-check";
import { loadModule, parseSync } from "libpg-query";
import { prepareSql, SqlRefusedError, type Engine, type ParameterValue } from "../src/index.ts";
import { isRedshiftFunction } from "../src/functions.ts";
import { tokenize } from "../src/tokens.ts";
import { guardCases } from "./guard-cases.ts";

const ENGINES: readonly Engine[] = ["hive", "redshift"];

before(() => loadModule());

for (const engine of ENGINES) {
  test(`queries of ${engine} that read pass`, async () => {
    for (const sql of guardCases(engine).pass) {
      await assert.doesNotReject(prepareSql(engine, sql), `${engine} refused: ${sql}`);
    }
  });

  test(`everything else is refused for ${engine}`, async () => {
    for (const sql of guardCases(engine).refuse) {
      await assert.rejects(
        prepareSql(engine, sql),
        SqlRefusedError,
        `${engine} let through: ${sql}`,
      );
    }
  });
}

test("what is sent has no comment, no line break and nothing that is taken for one", async () => {
  const { sql } = await prepareSql("hive", " select/*+ hint */1 -- one\n,'--', ';' ;; /* end */ ");
  assert.equal(sql, "select 1 ,'-\\u002D', '\\u003B'");
  const strings = await prepareSql(
    "hive",
    "select 'it\\'s', \"say \\\"hi\\\"\", 'a\\\\', 'a\nb', '\\101\\%'",
  );
  assert.equal(
    strings.sql,
    "select 'it\\u0027s', 'say \\u0022hi\\u0022', 'a\\u005C', 'a\\u000Ab', 'A\\u005C%'",
  );
});

test("a name that is not ASCII goes in quotes, so that no engine folds it to a keyword", async () => {
  assert.equal((await prepareSql("hive", "select 1 uſing")).sql, "select 1 `uſing`");
  assert.equal((await prepareSql("redshift", "select 1 AS Größe")).sql, 'select 1 AS "größe"');
});

/** Places of a query where no value may stand, with what would be done there. */
const FORBIDDEN_PLACES: Readonly<Record<Engine, readonly string[]>> = {
  hive: [
    "select * from (from (select id from tweets limit 1) q map id using :p as x) t",
    "select transform(id) using :p from t",
    "from t reduce id using :p as x",
    "from t map id row format serde :p using 'x' as y",
    "select :p('x') from t",
    "select lower :p from t",
    "select * from :p",
    "select * from t, :p",
    "select * from t join :p on 1 = 1",
    "select 1 as :p",
    "select 1 :p",
    "select a.:p from t",
    "select :p.a from t",
    "select :p (1)",
    "select 'a' :p",
    "select :p 'a'",
    "select cast(1 as :p)",
    "with :p as (select 1) select 1",
    "with x(:p) as (select 1) select 1",
    "select * from t lateral view explode(a) :p as b",
    "select * from t join u using (:p)",
    "describe :p",
    "describe formatted t partition (:p = 1)",
    "show :p",
    "show tables in :p",
    "explain :p select 1",
    ":p",
    ":p select 1",
    "select 1 union :p select 1",
  ],
  redshift: [
    "select * from :p",
    "select 1 as :p",
    "select :p('x')",
    "select pg_sleep :p",
    "select 1::varchar :p",
    "select 1:::p",
    "select 1 into :p",
    "select * from t join u using (:p)",
    "select a.:p from t",
    "select (:p).f",
    "with :p as (select 1) select 1",
    "select 'a' :p",
    "show :p",
    ":p",
  ],
};

const VALUES: readonly ParameterValue[] = [
  "bash -c id",
  "x' using 'cat",
  "\\",
  "",
  null,
  true,
  -5n,
  -(2n ** 63n),
  Number.NaN,
];

test("a parameter stands where a value may, whatever it holds", async () => {
  const prepare = (engine: Engine, sql: string, value: ParameterValue) =>
    prepareSql(engine, sql, new Map([["p", value]]));
  for (const engine of ENGINES) {
    for (const value of VALUES) {
      for (const sql of FORBIDDEN_PLACES[engine]) {
        await assert.rejects(prepare(engine, sql, value), SqlRefusedError, `${engine}: ${sql}`);
      }
      await prepare(
        engine,
        "select lower(:p), 1 - :p, case when a = :p then :p else :p end",
        value,
      );
      await prepare(engine, "select a from t where b in (:p, 'x') and c between :p and :p", value);
      await prepare(engine, "select a from t where b like :p group by a having a > :p", value);
      await prepare(engine, "select a from t limit :p offset :p", value);
      await prepare(engine, "select a from t where a is not distinct from :p", value);
      await prepare(engine, "select substring(a from :p for :p)", value);
      await prepare(
        engine,
        "select lag(a, :p) over (order by b rows between :p preceding and current row)",
        value,
      );
    }
  }
});

test("the text that TRIM cuts off may be a parameter", async () => {
  for (const engine of ENGINES) {
    await prepareSql(engine, "select trim(both :p from a) from t", new Map([["p", "x"]]));
  }
});

test("wherever a parameter is put into a query, a literal would have passed there too", async () => {
  for (const engine of ENGINES) {
    for (const sql of guardCases(engine).pass) {
      for (const { at, text } of tokenize(engine, sql)) {
        const put = (what: string) =>
          `${sql.slice(0, at + text.length)} ${what} ${sql.slice(at + text.length)}`;
        const prepared = prepareSql(engine, put(":p"), new Map([["p", "bash -c id"]]));
        const sent = await prepared.catch(() => undefined);
        if (!sent) continue;
        await assert.doesNotReject(prepareSql(engine, put("'x'")), put(":p"));
        assert.doesNotMatch(sent.sql, /(using|transform|map|reduce|join|as|\.) *('bash|:p)/i);
      }
    }
  }
});

const pieces = [
  ..."'\"`;-/*\\(),.:${} \n\t#!@=<>[]".split(""),
  ..."select from where insert into drop table tweets using with as 1 -- /* */ ${x} reflect".split(
    " ",
  ),
  ..."transform map reduce explain :p a.b 'x' \"y\" `z` \u{1f600} \0 \ud800 uſing ınsert".split(
    " ",
  ),
  ..."join on abs( pg_sleep( lower(a) 1.5 delete update for share union over(".split(" "),
];

const fuzzed = fc.tuple(
  fc.constantFrom<Engine>("hive", "redshift"),
  fc.array(fc.constantFrom(...pieces), { maxLength: 24 }),
  fc.boolean(),
);

test("any text is refused or comes out as tokens that are read the same again", async () => {
  const property = fc.asyncProperty(fuzzed, async ([engine, parts, spaced]) => {
    const sql = `select ${parts.join(spaced ? " " : "")}`;
    const parameters = sql.includes(":p") ? new Map([["p", "a'b\\;${x}--"]]) : new Map();
    let sent: string;
    try {
      sent = (await prepareSql(engine, sql, parameters)).sql;
    } catch (error) {
      assert.ok(error instanceof Error && "code" in error, `${engine}: ${sql}: ${String(error)}`);
      return;
    }
    assert.ok(engine === "redshift" || !/\$\{|--|\n/.test(sent), sent);
    const tokens = tokenize(engine, sent);
    const words = tokens.filter(({ kind }) => kind === "word").map(({ text }) => text);
    assert.ok(
      !words.some((word) => /^(into|transform|reduce)$/.test(word) && engine === "hive"),
      sent,
    );
    assert.ok(
      !/(reflect|pg_sleep)[`"]? *\(/.test(
        sent.replaceAll(engine === "hive" ? /'[^']*'|"[^"]*"/g : /'[^']*'/g, "''"),
      ),
      sent,
    );
    assert.ok(
      tokens.every(({ text }) => text !== ";"),
      sent,
    );
    // Once more through the guard it comes out as it went in.
    const again = engine === "hive" ? (await prepareSql(engine, sent)).sql : sent;
    assert.deepEqual(
      tokenize(engine, again).map(({ text }) => text),
      tokens.map(({ text }) => text),
    );
  });
  await fc.assert(property, { numRuns: 3_000 });
});

/** By their place in GROUP BY these are no functions, which PostgreSQL finds out later. */
const GROUPS = new Set(["cube", "rollup"]);

const READING = new Set(["SelectStmt", "ExplainStmt", "VariableShowStmt"]);

/** Every statement and every function in a syntax tree of PostgreSQL. */
function* doings(node: unknown): Generator<string> {
  if (typeof node !== "object" || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    if (key.endsWith("Stmt") || key === "intoClause" || key === "lockingClause") yield key;
    if (key === "FuncCall") {
      const { funcname } = value as { funcname: { String: { sval: string } }[] };
      yield `${funcname.at(-1)?.String.sval ?? ""}()`;
    }
    yield* doings(value);
  }
}

/** What PostgreSQL's own parser finds in a text: undefined when it is not its dialect. */
function parsed(sql: string): string[] | undefined {
  try {
    return [...doings(parseSync(sql.replaceAll(/(?<![:\w]):p\b/g, "$1")))];
  } catch {
    return undefined;
  }
}

test("what passes for Redshift and PostgreSQL's own parser understands only reads", async () => {
  let understood = 0;
  const judge = async (sql: string) => {
    const parameters = /(?<!:):p\b/.test(sql) ? new Map([["p", "x"]]) : new Map();
    const prepared = await prepareSql("redshift", sql, parameters).catch(() => undefined);
    const found = prepared && parsed(prepared.sql);
    if (!found) return;
    understood += 1;
    for (const doing of found) {
      const name = doing.slice(0, -2);
      assert.ok(
        READING.has(doing) ||
          (doing.endsWith("()") && isRedshiftFunction(name)) ||
          GROUPS.has(name),
        `${sql}: ${doing}`,
      );
    }
  };
  const { pass, refuse } = guardCases("redshift");
  for (const sql of pass) await judge(sql);
  const part = fc.constantFrom(...[...pass, ...refuse].flatMap((sql) => sql.split(" ")));
  const mixed = fc
    .array(part, { maxLength: 10 })
    .map((parts) => `select a from ${parts.join(" ")}`);
  const crossed = fc
    .tuple(fc.constantFrom(...pass), fc.constantFrom(...refuse), fc.nat(), fc.nat())
    .map(([a, b, at, from]) => `${a.slice(0, at % a.length)} ${b.slice(from % (b.length + 1))}`);
  await fc.assert(fc.asyncProperty(fc.oneof(mixed, crossed), judge), { numRuns: 3_000 });
  assert.ok(understood > 40, `only ${understood} statements were judged`);
});
