import Table from "cli-table3";
import type { Cell } from "./query-client.ts";

/**
 * A plain table: numbers to the right, text to the left and cut to `widthMax` characters. Control
 * characters are shown as "·", since posts are other people's text and a terminal obeys escapes.
 */
export function renderTable(
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
  widthMax = 60,
): string {
  const isNumeric = (index: number) =>
    rows.some((row) => isNumber(row[index])) &&
    rows.every((row) => row[index] === null || isNumber(row[index]));
  const table = new Table({
    head: columns.map((name) => name),
    colAligns: columns.map((_, index) => (isNumeric(index) ? "right" : "left")),
    chars: NO_BORDERS,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
  });
  for (const row of rows) table.push(row.map((cell) => showCell(cell, widthMax)));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

const NO_BORDERS = Object.fromEntries(
  ["top", "bottom", "left", "right", "mid"]
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat("middle", "mid-mid")
    .map((name) => [name, ""]),
);

function isNumber(cell: Cell | undefined): boolean {
  return typeof cell === "number" || typeof cell === "bigint";
}

function showCell(cell: Cell, widthMax: number): string {
  if (cell === null) return "null";
  if (typeof cell === "number" || typeof cell === "bigint") return formatCount(cell);
  const text = (Buffer.isBuffer(cell) ? cell.toString("hex") : String(cell)).replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    "·",
  );
  const letters = Array.from(new Intl.Segmenter().segment(text), (part) => part.segment);
  return letters.length <= widthMax ? text : `${letters.slice(0, widthMax - 1).join("")}…`;
}

/** 1234567 as 1,234,567, whatever the machine's language. */
export function formatCount(value: number | bigint): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
}
