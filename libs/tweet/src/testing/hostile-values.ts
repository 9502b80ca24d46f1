import fc from "fast-check";

/** Bytes of any kind, few. */
export const someBytes = fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each));

/** JSON with the names that posts have, in places where posts have none of them too. */
export function treesOfPosts(): fc.Arbitrary<unknown> {
  const json = fc.jsonValue({ stringUnit: "binary" });
  const names = [
    ...["data", "includes", "id", "id_str", "text", "user", "did", "commit", "payload", "tweet"],
    ...["delete", "user_delete", "status", "action", "statuses", "account", "kind", "collection"],
    ...["record", "rkey", "retweeted_status", "entities", "hashtags", "referenced_tweets", "$type"],
    ...["created_at", "timestamp_ms", "time_us", "users", "tweets", "operation", "public_metrics"],
  ];
  return fc.letrec((tie) => ({
    leaf: fc.oneof(
      json,
      fc.constantFrom<unknown>(Infinity, -0, "1", "retweeted", "account", 2 ** 60),
    ),
    tree: fc.oneof(
      { maxDepth: 5 },
      tie("leaf"),
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom(...names), tie("tree"), { maxKeys: 8 }),
    ),
  })).tree;
}

/** Lines with pieces changed, left out, doubled and torn. */
export function mutatedLines(lines: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const pieces = ['"', "\\", "{", "}", "[", "]", ",", ":", "\0", "\ud800", "9".repeat(20), "null"];
  const change = fc.tuple(
    fc.nat(),
    fc.nat({ max: 12 }),
    fc.oneof(
      someBytes,
      fc.constantFrom(...pieces).map((piece) => Buffer.from(piece)),
    ),
  );
  return fc
    .tuple(fc.constantFrom(...lines), fc.array(change, { maxLength: 3 }))
    .map(([line, changes]) =>
      changes.reduce<Buffer>((now, [at, length, piece]) => {
        const start = at % (now.length + 1);
        return Buffer.concat([now.subarray(0, start), piece, now.subarray(start + length)]);
      }, line),
    );
}

const ODD: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, "", "\ud800", "\0", [], {}, [[]], "9".repeat(99), "12", 12],
  ...[2 ** 53 + 2, 1e15, 'é"\\', '"', ["a"], { id: "1" }, "at://a/b/c"],
];

/** Every value of every line replaced by values of every type. */
export function* valuesInPlaceOfOthers(lines: readonly Buffer[]): Generator<Buffer> {
  for (const line of lines) {
    const root = JSON.parse(line.toString()) as object;
    for (const path of pathsOf(root)) {
      for (const value of ODD) yield Buffer.from(JSON.stringify(replaced(root, path, value)));
    }
  }
}

function pathsOf(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [[]];
  const inner = Object.entries(value).flatMap(([key, each]) =>
    pathsOf(each).map((path) => [key, ...path]),
  );
  return [[], ...inner];
}

function replaced(root: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const copy = (Array.isArray(root) ? [...(root as unknown[])] : { ...(root as object) }) as Record<
    string,
    unknown
  >;
  copy[key] = replaced(copy[key], rest, value);
  return copy;
}
