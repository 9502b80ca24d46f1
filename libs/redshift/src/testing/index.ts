export {
  BATCH_STATEMENTS_MAX,
  lintRedshiftBatch,
  lintRedshiftSql,
  STATEMENT_BYTES_MAX,
} from "./lint-sql.ts";
export { reservedWords } from "./reserved-words.ts";
