import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prepareSql, SqlParameterError } from "../src/index.ts";
import { tokenize } from "../src/tokens.ts";

test("values become literals of each engine, and text of Redshift travels beside", async () => {
  const values = new Map<string, boolean | bigint | number | string | null>([
    ["b", true],
    ["i", -5n],
    ["least", -(2n ** 63n)],
    ["d", Number.NaN],
    ["s", "it's \\ ${env:HOME};\n"],
    ["e", ""],
    ["n", null],
  ]);
  const sql = "select :b,:i,:least,:d,:s,:e,:n,1-:i";
  const hive = await prepareSql("hive", sql, values);
  assert.equal(
    hive.sql.replace(/ +/g, " "),
    "select TRUE , (-5) , CAST('-9223372036854775808' AS BIGINT) , CAST('NaN' AS DOUBLE) , " +
      "'it\\u0027s \\u005C \\u0024{env:HOME}\\u003B\\u000A' , '' , NULL ,1- (-5) ",
  );
  assert.deepEqual(hive.parameters, []);
  const redshift = await prepareSql("redshift", sql, values);
  assert.match(redshift.sql, /CAST\('NaN' AS DOUBLE PRECISION\) ,:s, '' , NULL/);
  assert.deepEqual(redshift.parameters, [{ name: "s", value: "it's \\ ${env:HOME};\n" }]);
});

test("strings, casts and comments hold no parameters", async () => {
  const { sql } = await prepareSql("redshift", "select ':a', 1::bigint /* :b */, \":c\" -- :d");
  assert.equal(sql, `select ':a', 1::bigint , ":c"`);
});

test("parameters and values must match, and fit", async () => {
  const prepare = (sql: string, name: string, value: bigint | string) =>
    assert.rejects(prepareSql("hive", sql, new Map([[name, value]])), SqlParameterError);
  await prepare("select 1", "x", "1");
  await prepare("select :x, :y", "x", "1");
  await prepare("select :x", "x", 2n ** 63n);
  await prepare("select :x", "x", "\0");
  await prepare("select :x", "x", "\ud800");
});

/** Hive's BaseSemanticAnalyzer.unescapeSQLString for the escapes that matter here. */
function unescapeHive(literal: string): string {
  return literal.slice(1, -1).replace(/\\(u[0-9A-Fa-f]{4}|.)/gs, (_, escape: string) => {
    if (escape.length === 5) return String.fromCharCode(parseInt(escape.slice(1), 16));
    return { n: "\n", r: "\r" }[escape] ?? escape;
  });
}

test("any text is one string token of Hive and means the same there", async () => {
  const text = fc.string({ unit: "binary-ascii" }).filter((value) => !value.includes("\0"));
  const nasty = fc
    .array(fc.constantFrom("'", "\\", "$", "{", ";", "--", "\n", "u0024", "a", "%", "\u{1f600}"))
    .map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(fc.oneof(text, nasty), async (value) => {
      const { sql } = await prepareSql("hive", "select :x from t", new Map([["x", value]]));
      const tokens = tokenize("hive", sql);
      assert.equal(tokens.length, 4, sql);
      assert.equal(unescapeHive(tokens[1]?.text ?? ""), value);
    }),
    { numRuns: 100 },
  );
});
