/** A COPY that loaded nothing, with what stl_load_errors shows about it. */
export class CopyFailed extends Error {
  override readonly name = "CopyFailed";
  readonly table: string;
  readonly file: string;
  readonly line: number;
  readonly column: string;
  readonly reason: string;

  constructor(
    message: string,
    place: { table: string; file: string; line?: number; column?: string; reason: string },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.table = place.table;
    this.file = place.file;
    this.line = place.line ?? 0;
    this.column = place.column ?? "";
    this.reason = place.reason;
  }
}
