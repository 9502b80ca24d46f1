const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Words of Redshift's grammar that our statements may have; any other bare word is a name. */
export const KEYWORDS = words(`
  ADD ALL ALTER AND AS ASC BETWEEN BY CASE CAST COLUMN COMPOUND COPY CREATE DEFAULT DELETE DESC
  DISTINCT DISTKEY DISTSTYLE DROP ELSE END EVEN EXISTS FALSE FORMAT FROM GROUP HAVING IAM_ROLE IF IN
  INNER INSERT INTO IS JOIN KEY LEFT LIKE LIMIT LOCK MANIFEST MATCHED MERGE NOT NULL ON OR ORDER
  OUTER OVER PARQUET PARTITION PRIMARY REMOVE DUPLICATES SCHEMA SELECT SET SORTKEY STATUPDATE TABLE
  TEMP THEN TO TRUE UNION UPDATE USING VALUES WHEN WHERE WITH STATEMENT_TIMEOUT OFF CURRENT_DATE
  CASCADE ANALYZE
`);

/** Types of columns and casts. */
export const TYPES = words(`
  BIGINT BOOLEAN DATE DECIMAL INTEGER SMALLINT TIMESTAMP TIMESTAMPTZ VARBYTE VARCHAR SUPER
`);

/** Functions of Redshift (AWS: "SQL functions reference") that our statements call. */
export const FUNCTIONS = words(`
  COALESCE CONVERT_TIMEZONE COUNT CURRENT_DATABASE DATEADD DATEDIFF DATE_PART EXTRACT GETDATE
  GREATEST LEAST LENGTH LOWER LPAD MAX MD5 MIN MOD NVL OCTET_LENGTH REPLACE ROW_NUMBER STRPOS STRTOL
  SUBSTRING SUM TO_CHAR TRUNC UPPER EPOCH SECOND MILLISECOND MICROSECOND MICROSECONDS LAG LEAD ABS
  LEN CHR CONCAT NULLIF SIGN
`);

/** System views that are not quoted: they are Redshift's own names. */
export const SYSTEM_VIEWS = words(`
  SVV_ALL_SCHEMAS SVV_ALL_TABLES SVV_ALL_COLUMNS SVV_TABLES SVV_COLUMNS
`);

/** What is PostgreSQL and not Redshift, with what Redshift has in its place. */
export const FOREIGN: ReadonlyMap<string, string> = new Map([
  ["CONFLICT", "ON CONFLICT: MERGE is what Redshift has"],
  ["RETURNING", "RETURNING: Redshift gives back no rows of a write"],
  ["LATERAL", "LATERAL"],
  ["FILTER", "FILTER (WHERE ...): CASE within the aggregate is what Redshift has"],
  ["ARRAY_AGG", "ARRAY_AGG: LISTAGG"],
  ["STRING_AGG", "STRING_AGG: LISTAGG"],
  ["GENERATE_SERIES", "GENERATE_SERIES runs on the leader node only"],
  ["SERIAL", "SERIAL: IDENTITY"],
  ["JSONB", "JSONB: SUPER"],
  ["BYTEA", "BYTEA: VARBYTE"],
  ["TEXT", "TEXT is VARCHAR(256)"],
  ["NOW", "NOW: GETDATE"],
  ["SAVEPOINT", "SAVEPOINT"],
  ["TRUNCATE", "TRUNCATE commits the transaction that it stands in: DELETE"],
]);
