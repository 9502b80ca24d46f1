import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEPTH_MAX, isTooDeep } from "../src/json-depth.ts";
import { parseExactly } from "../src/json-exact.ts";
import { elementsOf, membersOf } from "../src/json-slices.ts";

const nested = (depth: number, inside = "1") => `${"[".repeat(depth)}${inside}${"]".repeat(depth)}`;

function parsed(text: string): unknown {
  const result = parseExactly(text);
  return result.ok ? result.value : result.code;
}

test("the exact reader gives what JSON.parse gives, and refuses what it refuses", () => {
  const text = fc.oneof(
    fc.json({ stringUnit: "binary" }),
    fc
      .json()
      .chain((json) =>
        fc
          .tuple(
            fc.nat(json.length),
            fc.constantFrom("", '"', "\\", ",", "]", "}", "\u0001", "0", "-"),
          )
          .map(([at, piece]) => json.slice(0, at) + piece + json.slice(at + 1)),
      ),
    fc.string({ unit: fc.constantFrom(...Array.from('[]{}",:\\u0019eE.+-truefalsn \n\t')) }),
  );
  fc.assert(
    fc.property(text, (json) => {
      let native: unknown;
      try {
        native = JSON.parse(json);
      } catch {
        assert.equal(parsed(json), "NOT_JSON");
        return;
      }
      // Larger numbers are the difference that is wanted; the next tests hold them.
      if (/\d{16}|[eE]/.test(json)) return;
      assert.deepStrictEqual(parsed(json), native);
    }),
    { numRuns: 2_000 },
  );
});

test("numbers: integers are exact, what a double cannot count to is no number", () => {
  const numbers: readonly (readonly [string, unknown])[] = [
    ["9007199254740991", 9_007_199_254_740_991],
    ["9007199254740993", 9_007_199_254_740_993n],
    ["-9223372036854775808", -9_223_372_036_854_775_808n],
    ["123456789012345678901234567890", 123_456_789_012_345_678_901_234_567_890n],
    ["-0", -0],
    ["1.0", 1],
    ["1.5", 1.5],
    ["1e3", 1_000],
    ["1e20", Number.NaN],
    ["1e400", Number.NaN],
    ["12345678901234567.0", Number.NaN],
    ["9".repeat(600), Number.NaN],
  ];
  for (const [text, value] of numbers) assert.ok(Object.is(parsed(text), value), text);
  for (const text of ["01", "+1", "1.", ".5", "0x1", "1e", "NaN", "Infinity", "-", "1_000"]) {
    assert.equal(parsed(text), "NOT_JSON", text);
  }
});

test("of a name that comes twice the last counts; __proto__ is a name like others", () => {
  assert.deepEqual(parsed('{"a":1,"a":2}'), { a: 2 });
  const object = parsed('{"__proto__":{"id":1}}') as object;
  assert.ok(Object.hasOwn(object, "__proto__"));
  assert.equal(Object.getPrototypeOf(object), Object.prototype);
});

test("a break is told with its place, in the same words under every version of Node", () => {
  const reason = (text: string) => {
    const result = parseExactly(text);
    return result.ok ? "" : result.reason;
  };
  assert.equal(reason('{"a" 1}'), '":" is missing at character 5');
  assert.equal(reason("[1 2]"), '"," or "]" is missing at character 3');
  assert.equal(reason("{,}"), "a name in quotes is missing at character 1");
  assert.equal(reason('"\\x"'), "a string with valid escapes is missing at character 0");
  assert.equal(reason('["a'), "the end of a string is missing at character 3");
  assert.equal(reason("{} {}"), "the end is missing at character 3");
  assert.equal(reason(" "), "a value is missing at character 1");
});

test("depth is bounded, however deep it goes", () => {
  for (const [depth, isDeep] of [
    [DEPTH_MAX, false],
    [DEPTH_MAX + 1, true],
    [100_000, true],
  ] as const) {
    const text = nested(depth);
    assert.equal(parsed(text) === "TOO_DEEP", isDeep);
    assert.equal(isTooDeep(Buffer.from(text)), isDeep);
    const objects = `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
    assert.equal(parsed(objects) === "TOO_DEEP", isDeep);
    assert.equal(isTooDeep(Buffer.from(objects)), isDeep);
  }
  assert.equal(isTooDeep(Buffer.from("[".repeat(100_000))), true, "also where it never closes");
});

test("brackets in strings and beside each other are not deep", () => {
  assert.equal(isTooDeep(Buffer.from(JSON.stringify('[{\\"'.repeat(2_000)))), false);
  assert.equal(isTooDeep(Buffer.from(`[${"[],".repeat(2_000)}{}]`)), false);
  assert.equal(isTooDeep(Buffer.from(`[${'"\\"[",'.repeat(2_000)}1]`)), false);
  // Wherever the brackets stand among words of four bytes, none may be missed.
  for (let shift = 0; shift < 4; shift++) {
    const text = `${" ".repeat(shift)}${"[ ".repeat(600)}${"]".repeat(600)}`;
    assert.equal(isTooDeep(Buffer.from(text)), true);
    assert.equal(isTooDeep(Buffer.from(`x${text}`).subarray(1)), true);
  }
});

test("slices of lists and objects are the values, as they stand", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom("", " ", "\n\t"), (values, space) => {
      const pieces = values.map((value) => JSON.stringify(value, null, space.length));
      const list = Buffer.from(`[${pieces.map((each) => space + each + space).join(",")}]`);
      assert.deepEqual(
        elementsOf(list, 0).map(({ start, end }) => list.toString("utf8", start, end)),
        pieces,
      );
      const members = pieces.map(
        (piece, index) => `${space}"k\\u0030${index}"${space}:${space}${piece}`,
      );
      const object = Buffer.from(`{${members.join(`${space},`)}}`);
      const found = [...membersOf(object, 0)].map(([name, { start, end }]) => {
        return [name, object.toString("utf8", start, end)];
      });
      assert.deepEqual(
        found,
        pieces.map((piece, index) => [`k0${index}`, piece]),
      );
    }),
  );
});
