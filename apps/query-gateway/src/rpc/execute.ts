import {
  type ColumnValues,
  Engine as ProtoEngine,
  type ExecuteRequest,
  type ExecuteResponse,
  Type,
  type Value,
} from "@hybridge/proto/hybridge/query/v1/query_service";
import { prepareSql, type Engine, type ParameterValue } from "@hybridge/query";
import { InvalidRequestError, type Call } from "@hybridge/rpc";
import { cutBatches, type Part, type ResultLimits, type Tally } from "../batching.ts";
import type { GuardedEngine, ResultColumn, ResultValues, ValueType } from "../engine.ts";
import { limitsOf, type TimeLimit } from "./time-limit.ts";

export type Engines = ReadonlyMap<Engine, GuardedEngine>;

const TYPES: Readonly<Record<ValueType, Type>> = {
  bool: Type.BOOL,
  int64: Type.INT64,
  double: Type.DOUBLE,
  decimal: Type.DECIMAL,
  string: Type.STRING,
  bytes: Type.BYTES,
  timestamp: Type.TIMESTAMP,
  date: Type.DATE,
};

/** Answers one Execute call: the schema, then the batches, then statistics. */
export async function* answerExecute(
  request: ExecuteRequest,
  call: Pick<Call, "signal" | "deadline">,
  options: { readonly engines: Engines; readonly limits: ResultLimits; readonly time: TimeLimit },
): AsyncGenerator<ExecuteResponse, void, undefined> {
  const startedMs = performance.now();
  const engine = engineOf(request.engine, options.engines);
  const prepared = await prepareSql(engine.engine, request.sql, parametersOf(request));
  const limits = { ...options.limits, rowsMax: rowsMaxOf(request, options.limits) };
  const tally: Tally = { rows: 0, bytes: 0, truncated: false };
  const bounds = { ...limitsOf(call, options.time), rowsMax: limits.rowsMax };
  for await (const result of engine.query(prepared, bounds)) {
    yield { part: { $case: "schema", schema: { columns: result.columns.map(columnOf) } } };
    const rowsMax = Math.min(limits.rowsMax, result.rowsMax ?? limits.rowsMax);
    for await (const part of cutBatches(result.batches, { ...limits, rowsMax }, tally)) {
      yield { part: { $case: "batch", batch: batchOf(part) } };
    }
  }
  const statistics = {
    rows: BigInt(tally.rows),
    elapsedMs: BigInt(Math.round(performance.now() - startedMs)),
    truncated: tally.truncated,
  };
  yield { part: { $case: "statistics", statistics } };
}

function engineOf(engine: ProtoEngine, engines: Engines): GuardedEngine {
  const name = { [ProtoEngine.HIVE]: "hive", [ProtoEngine.REDSHIFT]: "redshift" }[engine as 1 | 2];
  const found = engines.get(name as Engine);
  if (found) return found;
  throw new InvalidRequestError("engine must be ENGINE_HIVE or ENGINE_REDSHIFT");
}

function rowsMaxOf(request: ExecuteRequest, { rowsMax }: ResultLimits): number {
  const asked = request.maxRows;
  return asked === 0n || asked > BigInt(rowsMax) ? rowsMax : Number(asked);
}

function parametersOf(request: ExecuteRequest): Map<string, ParameterValue> {
  return new Map(
    Object.entries(request.parameters).map(([name, value]) => [name, parameterOf(name, value)]),
  );
}

function parameterOf(name: string, { kind }: Value): ParameterValue {
  switch (kind?.$case) {
    case "boolValue":
      return kind.boolValue;
    case "int64Value":
      return kind.int64Value;
    case "doubleValue":
      return kind.doubleValue;
    case "stringValue":
      return kind.stringValue;
    case "nullValue":
      return null;
    case undefined:
      throw new InvalidRequestError(`the parameter ${name} has no value; NULL is null_value`);
  }
}

function columnOf({ name, engineType, type }: ResultColumn) {
  return { name, engineType, type: TYPES[type] };
}

function batchOf({ rowCount, columns }: Part) {
  return { rowCount, columns: columns.map(valuesOf) };
}

function valuesOf(column: ResultValues): ColumnValues {
  const values: ColumnValues = {
    bools: [],
    int64s: [],
    doubles: [],
    strings: [],
    bytesValues: [],
    nullRows: column.nullRows,
  };
  switch (column.list) {
    case "bools":
      return { ...values, bools: column.values };
    case "int64s":
      return { ...values, int64s: column.values };
    case "doubles":
      return { ...values, doubles: column.values };
    case "strings":
      return { ...values, strings: column.values };
    case "bytes":
      return { ...values, bytesValues: column.values };
  }
}
