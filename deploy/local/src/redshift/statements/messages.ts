import type { EngineFailure } from "../engine/protocol.ts";
import { BYTES_CHECK } from "../sql/create-table.ts";

/** Redshift's words for what PostgreSQL refused, with the prefix that the Data API puts there. */
export function redshiftMessage(failure: EngineFailure): string {
  return `ERROR: ${textOf(failure)}`;
}

export function isTooLong(failure: EngineFailure): boolean {
  const checked = failure.code === "23514" && failure.constraint?.startsWith(BYTES_CHECK) === true;
  return checked || (failure.code === "22001" && failure.message.startsWith("value too long"));
}

function textOf(failure: EngineFailure): string {
  if (isTooLong(failure)) return "Value too long for character type";
  switch (failure.code) {
    case "21000":
      return failure.message.startsWith("MERGE command cannot affect row")
        ? "Found multiple matches to update the same tuple."
        : failure.message;
    case "40001":
      return `1023\n  Detail: Serializable isolation violation on table (${failure.message})`;
    case "57014":
      return "Query cancelled on user's request";
    case "23502":
      return `Cannot insert a NULL value into column ${failure.column ?? "?"}`;
    default:
      return failure.detail === undefined
        ? failure.message
        : `${failure.message}\n  Detail: ${failure.detail}`;
  }
}
