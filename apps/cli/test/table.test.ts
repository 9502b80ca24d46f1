import assert from "node:assert/strict";
import { test } from "node:test";
import { renderTable } from "../src/table.ts";

test("numbers stand right, text left, and control characters cannot reach the terminal", () => {
  const table = renderTable(
    ["name", "posts"],
    [
      ["a\u001b[31mred", 12n],
      ["日本", 1_234_567],
      [null, 0],
    ],
  );
  const expected = [
    "name           posts",
    "a·[31mred         12",
    "日本       1,234,567",
    "null               0",
  ];
  assert.equal(table, expected.join("\n"));
});

test("a long text is cut with an ellipsis", () => {
  assert.match(renderTable(["text"], [["x".repeat(80)]], 10), /^x{9}…$/m);
});
