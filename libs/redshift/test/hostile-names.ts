import fc from "fast-check";
import type { TableNames } from "../src/names.ts";
import { reservedWords } from "../src/testing/index.ts";

const reserved = [...reservedWords].map((word) => word.toLowerCase());

/** Names as odd and as long as a schema or table may have. */
const name = (bytesMax: number) =>
  fc
    .oneof(
      fc.constantFrom(...reserved),
      fc.constant('"'.repeat(bytesMax)),
      fc.constantFrom("'", "a b", "a.b", "x; drop table y", "naïve", "$$", ":a"),
      fc.string({ unit: "grapheme", minLength: 1, maxLength: bytesMax }),
    )
    .map((text) => text.toLowerCase())
    .filter((text) => {
      const fits = Buffer.byteLength(text) <= bytesMax && text === text.toLowerCase();
      return fits && !/[\p{Cc}\\]|--|\/\*/u.test(text) && text.isWellFormed();
    });

export const tableNames: fc.Arbitrary<TableNames> = fc.record({
  schema: name(127),
  table: name(117),
});
export const topic = fc.oneof(fc.constant("t".repeat(249)), fc.constantFrom("hybrid", "a.b-c_d"));
export const iamRole = fc.constantFrom("default", "arn:aws:iam::123456789012:role/a,b=c@d/e");
