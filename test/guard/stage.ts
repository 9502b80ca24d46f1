import type { PreparedSql } from "@hybridge/query";

/** How a statement that passed the guard went on the engine. */
export type Outcome =
  | { readonly kind: "ran"; /** What it showed, at least its beginning. */ readonly shown: string }
  | { readonly kind: "failed"; readonly message: string };

/** What a watch sees, by name of the watch; whatever differs between two looks was changed. */
export type Sight = ReadonlyMap<string, readonly string[]>;

/** A real engine with something to lose, and watches over it. */
export interface Stage extends AsyncDisposable {
  /** How many statements may run at the same time. */
  readonly sessions: number;
  /** Runs what passed the guard, on the session of that number. */
  run(prepared: PreparedSql, session: number): Promise<Outcome>;
  look(): Promise<Sight>;
}

/** What is new, gone or changed between two looks, a line each. */
export function differences(before: Sight, after: Sight): string[] {
  return [...after].flatMap(([watch, lines]) => {
    const [old, now] = [new Set(before.get(watch)), new Set(lines)];
    return [
      ...[...now].filter((line) => !old.has(line)).map((line) => `${watch}: new: ${line}`),
      ...[...old].filter((line) => !now.has(line)).map((line) => `${watch}: gone: ${line}`),
    ];
  });
}
