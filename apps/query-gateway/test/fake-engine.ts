import { once } from "node:events";
import type { Engine, PreparedSql } from "@hybridge/query";
import type {
  QueryEngine,
  Result,
  ResultBatch,
  ResultColumn,
  ResultValues,
  StatementOptions,
} from "../src/engine.ts";

/** What a fake engine answers to a statement. */
export type Answer = (prepared: PreparedSql, options: StatementOptions) => Promise<Result>;

/** An engine in memory that remembers what it was asked and whether it was told to stop. */
export function fakeEngine(engine: Engine, answer: Answer) {
  const seen: string[] = [];
  const aborted: string[] = [];
  const target: QueryEngine = {
    engine,
    address: "fake:1",
    billedByUse: engine === "redshift",
    async execute(prepared, options) {
      seen.push(prepared.sql);
      options.signal.addEventListener("abort", () => aborted.push(prepared.sql), { once: true });
      options.onStarted(`statement-${seen.length}`);
      return answer(prepared, options);
    },
  };
  return { target, seen, aborted };
}

export const column = (name: string, type: ResultColumn["type"]): ResultColumn => ({
  name,
  engineType: type,
  type,
});

export const int64s = (values: bigint[], nullRows: number[] = []): ResultValues => ({
  list: "int64s",
  values,
  nullRows,
});

export const strings = (values: string[], nullRows: number[] = []): ResultValues => ({
  list: "strings",
  values,
  nullRows,
});

/** A result of given batches; a function makes them as they are asked for. */
export function resultOf(
  columns: readonly ResultColumn[],
  batches: Iterable<ResultBatch> | AsyncIterable<ResultBatch>,
): Result {
  return {
    columns,
    batches: (async function* () {
      yield* batches;
    })(),
  };
}

/** One row of integers or text, as the statements of the gateway itself are answered. */
export function rowsOf(rows: readonly (readonly (bigint | string)[])[]): Result {
  const width = rows[0]?.length ?? 0;
  const columns = Array.from({ length: width }, (_, index) => {
    const values = rows.map((row) => row[index] ?? "");
    return typeof values[0] === "bigint" ? int64s(values as bigint[]) : strings(values as string[]);
  });
  return resultOf(
    columns.map(({ list }, index) => column(`c${index}`, list === "int64s" ? "int64" : "string")),
    rows.length === 0 ? [] : [{ rowCount: rows.length, columns }],
  );
}

/** Never answers; ends when it is told to. */
export const hang: Answer = async (_, { signal }) => {
  if (!signal.aborted) await once(signal, "abort");
  throw signal.reason;
};
