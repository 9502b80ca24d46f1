/** A statement that Redshift refuses, or that this endpoint cannot run; the statement is FAILED. */
export class SqlRefused extends Error {
  override readonly name = "SqlRefused";
}

/** Refuses something for this endpoint's sake, not for Redshift's. */
export function unknownHere(what: string): SqlRefused {
  return new SqlRefused(
    `${what} is not on the list of what the local Redshift stand-in runs as Redshift does ` +
      `(deploy/local/src/redshift/README.md); a real Redshift may know it`,
  );
}
