import fc from "fast-check";

/** Where the words and signs of a text begin: the places to put something in, or take it out. */
function places(sql: string): number[] {
  return [...sql.matchAll(/[A-Za-z_0-9]+|\S/g)].map(({ index }) => index);
}

/** A small change of a text, at a place that `at` picks. */
type Change = (sql: string, at: number, what: string) => string;

const CHANGES: readonly Change[] = [
  (sql, at, what) => `${sql.slice(0, at)}${what} ${sql.slice(at)}`,
  (sql, at, what) => `${sql.slice(0, at)} ${what} ${sql.slice(at)}`,
  (sql, at, what) => `${sql.slice(0, at)}${what}${sql.slice(at)}`,
  (sql, at, what) => sql.slice(0, at) + sql.slice(at).replace(/^(?:\w+|\S)/, () => what),
  (sql, at) => sql.slice(0, at) + sql.slice(at).replace(/^\w+/, (word) => `\`${word}\``),
  (sql, at) => sql.slice(0, at) + sql.slice(at).replace(/^\w+/, (word) => `"${word}"`),
  (sql, at) => `${sql.slice(0, at)}/* x */${sql.slice(at)}`,
  (sql, at) => `${sql.slice(0, at)}-- x\n${sql.slice(at)}`,
  (sql, at) => sql.slice(0, at) + sql.slice(at).replace(/^\w+/, (word) => word.toUpperCase()),
  (sql, at) => sql.slice(0, at) + sql.slice(at).replace(/i/, "ı"),
  (sql, at) => sql.slice(0, at) + sql.slice(at).replace(/s/, "ſ"),
  (sql, at) => sql.slice(0, at) + sql.slice(at).replace(/^(\w+) /, "$1"),
  (sql, at) => sql.slice(0, at) + sql.slice(at).replace(/ +/, "\n"),
];

/** A text after a few changes at random places. */
export function mutated(
  text: fc.Arbitrary<string>,
  fragments: readonly string[],
): fc.Arbitrary<string> {
  const change = fc.tuple(
    fc.nat({ max: 10_000 }),
    fc.constantFrom(...CHANGES),
    fc.constantFrom(...fragments),
  );
  return fc.tuple(text, fc.array(change, { minLength: 1, maxLength: 3 })).map(([sql, changes]) =>
    changes.reduce((changed, [place, apply, what]) => {
      const all = [...places(changed), changed.length];
      return apply(changed, all[place % all.length] ?? 0, what);
    }, sql),
  );
}

/** Two texts cut at random places, the head of one before the tail of the other. */
export function crossed(
  first: fc.Arbitrary<string>,
  second: fc.Arbitrary<string>,
): fc.Arbitrary<string> {
  return fc
    .tuple(first, second, fc.nat({ max: 10_000 }), fc.nat({ max: 10_000 }))
    .map(([a, b, cutA, cutB]) => {
      const [placesA, placesB] = [places(a), places(b)];
      const head = a.slice(0, placesA[cutA % placesA.length]);
      return `${head}${b.slice(placesB[cutB % placesB.length])}`;
    });
}
