/** A statement that Redshift refuses, or that this endpoint cannot run; the statement is FAILED. */
export class SqlRefused extends Error {
  override readonly name = "SqlRefused";
}
