import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DuckDBTableFunction,
  INTEGER,
  VARCHAR,
  type DuckDBConnection,
  type DuckDBType,
} from "@duckdb/node-api";
import type { Column } from "@hybridge/tweet";
import { ChunkPacker } from "./chunk-packer.ts";
import type { RowBuffer } from "./row-buffer.ts";
import { storedColumns } from "./row-layout.ts";

/** Rows of a buffer that a statement reads. */
export interface RowSelection {
  readonly buffer: RowBuffer;
  readonly order: Int32Array;
  readonly from: number;
  readonly to: number;
}

/** Lets statements of a connection read rows of buffers, with `FROM hybridge_rows(<number>)`. */
export interface RowSource {
  /** The number under which statements read these rows, until `forget`. */
  offer(rows: RowSelection): number;
  forget(number: number): void;
}

/** Milliseconds go as they are; SQL makes timestamps of them. */
const TYPES: Readonly<Record<Column["kind"], DuckDBType>> = {
  text: VARCHAR,
  integer: INTEGER,
  long: BIGINT,
  timestamp: BIGINT,
  boolean: BOOLEAN,
  binary: BLOB,
};

interface Cursor {
  readonly rows: RowSelection;
  readonly columns: readonly number[];
  readonly packer: ChunkPacker;
  next: number;
}

/**
 * DuckDB asks for chunks on JavaScript's thread while its own encodes the one before. So rows are
 * never in a table of DuckDB's: they stay in the buffer, and DuckDB's memory is that of a row group.
 */
export function registerRowSource(connection: DuckDBConnection): RowSource {
  const offered = new Map<number, RowSelection>();
  const packers: ChunkPacker[] = [];
  let last = 0;
  connection.registerTableFunction(
    DuckDBTableFunction.create({
      name: "hybridge_rows",
      parameterTypes: [INTEGER],
      supportsProjectionPushdown: true,
      bindFunction(bind) {
        const rows = offered.get(Number(bind.getParameter(0)));
        if (rows === undefined) throw new RangeError("no rows are offered under this number");
        for (const { name, kind } of storedColumns) bind.addResultColumn(name, TYPES[kind]);
        bind.setCardinality(rows.to - rows.from, true);
        bind.setBindData(rows);
      },
      initFunction(init) {
        const rows = init.bindData as RowSelection;
        const packer = packers.pop() ?? new ChunkPacker();
        const cursor: Cursor = { rows, columns: init.getColumnIndexes(), packer, next: rows.from };
        init.setMaxThreads(1);
        init.setInitData(cursor);
      },
      mainFunction(info, chunk) {
        const cursor = info.initData as Cursor;
        const { buffer, order, to } = cursor.rows;
        if (cursor.next >= to) {
          chunk.rowCount = 0;
          if (!packers.includes(cursor.packer)) packers.push(cursor.packer);
          return;
        }
        const { columns, packer, next } = cursor;
        cursor.next = packer.pack(buffer, order, next, to, columns, chunk);
      },
    }),
  );
  return {
    offer(rows) {
      last += 1;
      offered.set(last, rows);
      return last;
    },
    forget(number) {
      offered.delete(number);
    },
  };
}
