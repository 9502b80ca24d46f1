import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ColumnMetadata } from "../engine/fields.ts";
import { SqlRefused } from "../sql/refused.ts";

const PAGE_BYTES = 1_000_000;
/** Data API limits: a row 64 KB, a result 500 MB. */
const ROW_BYTES_MAX = 64 * 1024;
const RESULT_BYTES_MAX = 500_000_000;

export interface ResultHead {
  readonly columns: readonly ColumnMetadata[];
  readonly rows: number;
  readonly pages: number;
  readonly bytes: number;
}

/** The result of one part, on disk as pages of JSON text that are sent as they are. */
export class ResultFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  writer(partId: string, columns: readonly ColumnMetadata[]): ResultWriter {
    return new ResultWriter(this.#path(partId), columns);
  }

  async head(partId: string): Promise<ResultHead | undefined> {
    try {
      const text = await readFile(join(this.#path(partId), "head.json"), "utf8");
      return JSON.parse(text) as ResultHead;
    } catch {
      return undefined;
    }
  }

  /** JSON text of an array of rows. */
  async page(partId: string, page: number): Promise<string> {
    return readFile(join(this.#path(partId), `${page}.json`), "utf8");
  }

  async remove(statementId: string): Promise<void> {
    await rm(join(this.#directory, statementId), { recursive: true, force: true });
  }

  #path(partId: string): string {
    const [id = "", part = "0"] = partId.split(":");
    return join(this.#directory, id, part);
  }
}

class ResultWriter {
  readonly #path: string;
  readonly #columns: readonly ColumnMetadata[];
  #page: string[] = [];
  #pageBytes = 0;
  #pages = 0;
  #rows = 0;
  #bytes = 0;

  constructor(path: string, columns: readonly ColumnMetadata[]) {
    this.#path = path;
    this.#columns = columns;
  }

  /** @throws SqlRefused when a row or the result is over its limit */
  async write(records: readonly string[], sizes: readonly number[]): Promise<void> {
    for (const [index, record] of records.entries()) {
      const size = sizes[index] ?? 0;
      if (size > ROW_BYTES_MAX) {
        throw new SqlRefused(
          `a row of ${size} bytes is larger than the limit of 64 KB of a result row`,
        );
      }
      const bytes = Buffer.byteLength(record);
      this.#bytes += bytes;
      if (this.#bytes > RESULT_BYTES_MAX) {
        throw new SqlRefused("Query result is larger than the limit of 500 MB");
      }
      if (this.#pageBytes + bytes > PAGE_BYTES && this.#page.length > 0) await this.#flush();
      this.#page.push(record);
      this.#pageBytes += bytes;
      this.#rows += 1;
    }
  }

  async close(): Promise<ResultHead> {
    if (this.#page.length > 0 || this.#pages === 0) await this.#flush();
    const head = {
      columns: this.#columns,
      rows: this.#rows,
      pages: this.#pages,
      bytes: this.#bytes,
    };
    await writeFile(join(this.#path, "head.json"), JSON.stringify(head));
    return head;
  }

  async #flush(): Promise<void> {
    if (this.#pages === 0) await mkdir(this.#path, { recursive: true });
    await writeFile(join(this.#path, `${this.#pages}.json`), `[${this.#page.join(",")}]`);
    this.#pages += 1;
    this.#page = [];
    this.#pageBytes = 0;
  }
}
