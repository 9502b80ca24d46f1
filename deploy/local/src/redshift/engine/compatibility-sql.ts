import { COMPATIBILITY_SCHEMA as S } from "../sql/expressions.ts";
import { BLANK_INSENSITIVE_TEXT, CASTS_TO_TEXT } from "./text-sql.ts";

/** Changes whenever the text below does, so that an existing database is brought up to date. */
export const COMPATIBILITY_VERSION = "5";

/** What Redshift has and PostgreSQL lacks, as far as a function or a table can stand for it. */
export const COMPATIBILITY_SQL = `
CREATE SCHEMA IF NOT EXISTS ${S};

CREATE TABLE IF NOT EXISTS ${S}.committed (id text PRIMARY KEY, at timestamp NOT NULL DEFAULT now());

CREATE TABLE IF NOT EXISTS ${S}.stl_load_errors (
  userid int NOT NULL DEFAULT 100, starttime timestamp NOT NULL DEFAULT now(), query text,
  tbl text, filename text, line_number bigint, colname text, err_code int, err_reason text,
  raw_line text);
CREATE OR REPLACE VIEW ${S}.sys_load_error_detail AS
  SELECT query AS query_id, starttime AS start_time, tbl AS table_name, filename AS file_name,
    line_number, colname AS column_name, err_code AS error_code, err_reason AS error_message
  FROM ${S}.stl_load_errors;

GRANT USAGE ON SCHEMA ${S} TO PUBLIC;
GRANT SELECT ON ${S}.stl_load_errors, ${S}.sys_load_error_detail TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;

CREATE OR REPLACE FUNCTION ${S}.getdate() RETURNS timestamp LANGUAGE sql STABLE AS
  $$ SELECT date_trunc('second', statement_timestamp()::timestamp) $$;
CREATE OR REPLACE FUNCTION ${S}.sysdate() RETURNS timestamp LANGUAGE sql STABLE AS
  $$ SELECT transaction_timestamp()::timestamp $$;

CREATE OR REPLACE FUNCTION ${S}.strtol(digits text, base int) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE total numeric := 0; negative boolean := left(digits, 1) = '-'; place int; one text;
BEGIN
  IF base = 16 AND digits ~ '^[0-9a-fA-F]{1,15}$' THEN
    RETURN ('x' || lpad(digits, 16, '0'))::bit(64)::bigint;
  END IF;
  IF base < 2 OR base > 36 THEN RAISE EXCEPTION 'The input % is not valid to be converted to base %', digits, base; END IF;
  FOREACH one IN ARRAY string_to_array(lower(ltrim(digits, '+-')), NULL) LOOP
    place := strpos('0123456789abcdefghijklmnopqrstuvwxyz', one) - 1;
    IF place < 0 OR place >= base THEN
      RAISE EXCEPTION 'The input % is not valid to be converted to base %', digits, base;
    END IF;
    total := total * base + place;
  END LOOP;
  IF total > 9223372036854775807 THEN
    RAISE EXCEPTION 'The input % is not valid to be converted to base %', digits, base;
  END IF;
  RETURN CASE WHEN negative THEN -total ELSE total END;
END $$;

CREATE OR REPLACE FUNCTION ${S}.sha2(value text, bits int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT encode(CASE bits WHEN 224 THEN sha224(convert_to(value, 'UTF8'))
    WHEN 384 THEN sha384(convert_to(value, 'UTF8')) WHEN 512 THEN sha512(convert_to(value, 'UTF8'))
    WHEN 0 THEN sha256(convert_to(value, 'UTF8')) WHEN 256 THEN sha256(convert_to(value, 'UTF8'))
    ELSE '' END, 'hex') $$;

-- Volatile: planning would call it for branches that are not taken.
CREATE OR REPLACE FUNCTION ${S}.refuse(what text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN RAISE EXCEPTION '% is not on the list of what the local Redshift stand-in runs as Redshift does', what; END $$;

CREATE OR REPLACE FUNCTION ${S}.dateadd(part text, amount bigint, at timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT at + CASE part
    WHEN 'quarter' THEN make_interval(months => (amount * 3)::int)
    ELSE (amount::text || ' ' || part)::interval END $$;

CREATE OR REPLACE FUNCTION ${S}.datediff(part text, a timestamp, b timestamp) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE part
    WHEN 'year' THEN (extract(year FROM b) - extract(year FROM a))::bigint
    WHEN 'quarter' THEN ((extract(year FROM b) - extract(year FROM a)) * 4
      + extract(quarter FROM b) - extract(quarter FROM a))::bigint
    WHEN 'month' THEN ((extract(year FROM b) - extract(year FROM a)) * 12
      + extract(month FROM b) - extract(month FROM a))::bigint
    WHEN 'day' THEN (b::date - a::date)::bigint
    WHEN 'hour' THEN (extract(epoch FROM date_trunc('hour', b) - date_trunc('hour', a)) OPERATOR(pg_catalog./) 3600)::bigint
    WHEN 'minute' THEN (extract(epoch FROM date_trunc('minute', b) - date_trunc('minute', a)) OPERATOR(pg_catalog./) 60)::bigint
    WHEN 'second' THEN extract(epoch FROM date_trunc('second', b) - date_trunc('second', a))::bigint
    WHEN 'millisecond' THEN (extract(epoch FROM date_trunc('milliseconds', b) - date_trunc('milliseconds', a)) * 1000)::bigint
    WHEN 'microsecond' THEN (extract(epoch FROM b - a) * 1000000)::bigint
    ELSE ${S}.refuse('DATEDIFF by ' || part) END $$;

CREATE OR REPLACE FUNCTION ${S}.date_trunc(part text, at timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.date_trunc(part, at) $$;
CREATE OR REPLACE FUNCTION ${S}.date_trunc(part text, at date) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.date_trunc(part, at::timestamp) $$;
CREATE OR REPLACE FUNCTION ${S}.date_trunc(part text, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE STRICT AS $$ SELECT pg_catalog.date_trunc(part, at) $$;

-- Redshift gives whole numbers; what has a fraction is refused.
CREATE OR REPLACE FUNCTION ${S}.extract_part(part text, at timestamp) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE
    WHEN lower(part) IN ('year','quarter','month','week','day','hour','minute','dow','doy')
      THEN pg_catalog.date_part(part, at)::int
    WHEN lower(part) IN ('second','epoch')
      AND pg_catalog.date_part(part, at) = floor(pg_catalog.date_part(part, at))
      THEN pg_catalog.date_part(part, at)::int
    ELSE ${S}.refuse('EXTRACT of ' || part || ' from ' || at::text) END $$;
CREATE OR REPLACE FUNCTION ${S}.extract_part(part text, at date) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ${S}.extract_part(part, at::timestamp) $$;
CREATE OR REPLACE FUNCTION ${S}.date_part(part text, at timestamp) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ${S}.extract_part(part, at)::double precision $$;
CREATE OR REPLACE FUNCTION ${S}.date_part(part text, at date) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ${S}.extract_part(part, at::timestamp)::double precision $$;
CREATE OR REPLACE FUNCTION ${S}.last_day(at timestamp) RETURNS date
LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT (pg_catalog.date_trunc('month', at) + interval '1 month - 1 day')::date $$;
CREATE OR REPLACE FUNCTION ${S}.to_char(at timestamp, format text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.to_char(at, format) $$;

CREATE OR REPLACE FUNCTION ${S}.convert_timezone(source text, target text, at timestamp)
RETURNS timestamp LANGUAGE sql STABLE STRICT AS
  $$ SELECT (at AT TIME ZONE source) AT TIME ZONE target $$;
CREATE OR REPLACE FUNCTION ${S}.convert_timezone(target text, at timestamp)
RETURNS timestamp LANGUAGE sql STABLE STRICT AS
  $$ SELECT (at AT TIME ZONE 'UTC') AT TIME ZONE target $$;

-- Whole numbers stay whole numbers.
CREATE OR REPLACE FUNCTION ${S}.average(sums bigint[]) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN sums[2] > 0 THEN sums[1] / sums[2] END $$;
CREATE OR REPLACE FUNCTION ${S}.add_to_average(sums bigint[], value bigint) RETURNS bigint[]
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN value IS NULL THEN sums ELSE ARRAY[sums[1] + value, sums[2] + 1] END $$;
CREATE OR REPLACE FUNCTION ${S}.add(sum bigint, value bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(sum + value, sum, value) $$;
CREATE OR REPLACE FUNCTION ${S}.no_average(state numeric, value numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT ${S}.refuse('AVG of DECIMAL')::numeric $$;
CREATE OR REPLACE FUNCTION ${S}.add(sum double precision, value real) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(sum + value::double precision, sum, value::double precision) $$;
CREATE OR REPLACE AGGREGATE ${S}.avg(bigint)
  (SFUNC = ${S}.add_to_average, STYPE = bigint[], INITCOND = '{0,0}', FINALFUNC = ${S}.average);
CREATE OR REPLACE AGGREGATE ${S}.avg(numeric) (SFUNC = ${S}.no_average, STYPE = numeric);
CREATE OR REPLACE AGGREGATE ${S}.sum(bigint) (SFUNC = ${S}.add, STYPE = bigint);
CREATE OR REPLACE AGGREGATE ${S}.sum(real) (SFUNC = ${S}.add, STYPE = double precision);
CREATE OR REPLACE FUNCTION ${S}.add_to_average(sums bigint[], value int) RETURNS bigint[]
LANGUAGE sql IMMUTABLE AS $$ SELECT ${S}.add_to_average(sums, value::bigint) $$;
CREATE OR REPLACE FUNCTION ${S}.add(sum bigint, value int) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(sum + value, sum, value) $$;
CREATE OR REPLACE AGGREGATE ${S}.avg(int)
  (SFUNC = ${S}.add_to_average, STYPE = bigint[], INITCOND = '{0,0}', FINALFUNC = ${S}.average);
CREATE OR REPLACE AGGREGATE ${S}.sum(int) (SFUNC = ${S}.add, STYPE = bigint);
CREATE OR REPLACE FUNCTION ${S}.add_to_average(sums bigint[], value smallint) RETURNS bigint[]
LANGUAGE sql IMMUTABLE AS $$ SELECT ${S}.add_to_average(sums, value::bigint) $$;
CREATE OR REPLACE FUNCTION ${S}.add(sum bigint, value smallint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(sum + value, sum, value) $$;
CREATE OR REPLACE AGGREGATE ${S}.avg(smallint)
  (SFUNC = ${S}.add_to_average, STYPE = bigint[], INITCOND = '{0,0}', FINALFUNC = ${S}.average);
CREATE OR REPLACE AGGREGATE ${S}.sum(smallint) (SFUNC = ${S}.add, STYPE = bigint);
CREATE OR REPLACE FUNCTION ${S}.ceil(value int) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.ceil(value bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.ceiling(value int) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.ceiling(value bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.floor(value int) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.floor(value bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.round(value int) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.round(value bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.trunc(value int) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.trunc(value bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value $$;
CREATE OR REPLACE FUNCTION ${S}.round(value double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ${S}.refuse('ROUND of a floating-point number')::double precision $$;
CREATE OR REPLACE FUNCTION ${S}.trunc(at timestamp) RETURNS date
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT at::date $$;
CREATE OR REPLACE FUNCTION ${S}.sqrt(value double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.sqrt(value) $$;
CREATE OR REPLACE FUNCTION ${S}.power(a double precision, b double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.power(a, b) $$;
CREATE OR REPLACE FUNCTION ${S}.sign(value bigint) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.sign(value::numeric)::int $$;
CREATE OR REPLACE FUNCTION ${S}.no_division(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT ${S}.refuse('division of DECIMAL, whose scale is Redshift''s own,')::numeric $$;

${BLANK_INSENSITIVE_TEXT}
${CASTS_TO_TEXT}
DO $$
BEGIN
  IF to_regoperator('${S}./(numeric,numeric)') IS NULL THEN
    CREATE OPERATOR ${S}./ (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = ${S}.no_division);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION ${S}.cut(value text, bytes int) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE kept text := pg_catalog.left(value, bytes);
BEGIN
  WHILE octet_length(kept) > bytes LOOP
    kept := pg_catalog.left(kept, -GREATEST(1, (octet_length(kept) - bytes) / 4));
  END LOOP;
  RETURN kept;
END $$;
CREATE OR REPLACE FUNCTION ${S}.of_default(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE WHEN octet_length(value) <= 256 THEN value
    ELSE ${S}.refuse('a cast of more than 256 bytes to VARCHAR without a length')::text END $$;
CREATE OR REPLACE FUNCTION ${S}.listagg_bounded(value text) RETURNS varchar
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF octet_length(value) > 65535 THEN RAISE EXCEPTION 'Result size exceeds LISTAGG limit'; END IF;
  RETURN value;
END $$;
CREATE OR REPLACE FUNCTION ${S}.concat(a text, b text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT a || b $$;
CREATE OR REPLACE FUNCTION ${S}.left(value text, length int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE WHEN length >= 0 THEN pg_catalog.left(value, length)
  ELSE ${S}.refuse('LEFT with a negative length')::text END $$;
CREATE OR REPLACE FUNCTION ${S}.right(value text, length int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE WHEN length >= 0 THEN pg_catalog.right(value, length)
  ELSE ${S}.refuse('RIGHT with a negative length')::text END $$;
CREATE OR REPLACE FUNCTION ${S}.split_part(value text, delimiter text, part int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE WHEN part > 0 AND delimiter <> '' THEN pg_catalog.split_part(value, delimiter, part)
  ELSE ${S}.refuse('SPLIT_PART of a part below 1 or without a delimiter')::text END $$;
CREATE OR REPLACE FUNCTION ${S}.chr(code int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE WHEN code BETWEEN 1 AND 127 THEN pg_catalog.chr(code)
  ELSE ${S}.refuse('CHR beyond ASCII')::text END $$;
CREATE OR REPLACE FUNCTION ${S}.ascii(value text) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.ascii(value) $$;

-- POSIX patterns that are the same in both; references in a replacement are written otherwise.
CREATE OR REPLACE FUNCTION ${S}.pattern(pattern text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE WHEN pattern ~ '\\(\\?|^\\*\\*\\*|\\\\[^dDsSwW.*+?()|{}^$\\\\/-]|[*+?}][?]|\\[\\[[.=:<>]'
    THEN ${S}.refuse('the pattern ' || pattern)::text ELSE pattern END $$;
CREATE OR REPLACE FUNCTION ${S}.regexp_replace(value text, pattern text, replacement text DEFAULT '') RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE WHEN replacement ~ '[\\\\$&]' THEN ${S}.refuse('the replacement ' || replacement)::text
    ELSE pg_catalog.regexp_replace(value, ${S}.pattern(pattern), replacement, 'g') END $$;
CREATE OR REPLACE FUNCTION ${S}.regexp_substr(value text, pattern text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT coalesce(pg_catalog.regexp_substr(value, ${S}.pattern(pattern)), '') $$;
CREATE OR REPLACE FUNCTION ${S}.regexp_count(value text, pattern text) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.regexp_count(value, ${S}.pattern(pattern)) $$;
CREATE OR REPLACE FUNCTION ${S}.regexp_instr(value text, pattern text) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.regexp_instr(value, ${S}.pattern(pattern)) $$;

CREATE OR REPLACE FUNCTION ${S}.json_array_length(value text) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.json_array_length(value::json) $$;
CREATE OR REPLACE FUNCTION ${S}.json_extract_array_element_text(value text, place int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE WHEN place < 0 OR json_typeof(value::json -> place) = 'null'
    THEN ${S}.refuse('an element that is null or before the first')::text
    ELSE coalesce(value::json ->> place, '') END $$;
CREATE OR REPLACE FUNCTION ${S}.json_path(null_if_invalid boolean, value text, VARIADIC path text[])
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF value IS NULL OR null_if_invalid AND NOT value IS JSON THEN RETURN NULL; END IF;
  IF json_typeof(value::json #> path) = 'null' THEN PERFORM ${S}.refuse('JSON_EXTRACT_PATH_TEXT of a JSON null'); END IF;
  RETURN coalesce(value::json #>> path, '');
END $$;

DROP VIEW IF EXISTS ${S}.svv_all_schemas, ${S}.svv_all_tables CASCADE;
CREATE OR REPLACE VIEW ${S}.svv_all_schemas AS
  SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name,
    n.nspowner::int AS schema_owner, 'local'::varchar(128) AS schema_type, nspacl::text::varchar(128) AS schema_acl,
    NULL::varchar(128) AS source_database, NULL::varchar(255) AS schema_option
  FROM pg_catalog.pg_namespace n
  WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('${S}', 'information_schema')
    AND has_schema_privilege(n.oid, 'USAGE');
CREATE OR REPLACE VIEW ${S}.svv_all_tables AS
  SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name,
    relname::varchar(128) AS table_name, (CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END)::varchar(128) AS table_type,
    NULL::varchar(128) AS table_acl, obj_description(c.oid, 'pg_class')::varchar(256) AS remarks
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE relkind IN ('r', 'v') AND nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('${S}', 'information_schema')
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT,INSERT,UPDATE,DELETE,REFERENCES');
CREATE OR REPLACE VIEW ${S}.svv_tables AS
  SELECT database_name AS table_catalog, schema_name AS table_schema, table_name, table_type, remarks FROM ${S}.svv_all_tables;
CREATE OR REPLACE VIEW ${S}.svv_all_columns AS
  SELECT t.database_name, t.schema_name, t.table_name, a.attname::varchar(128) AS column_name,
    a.attnum::int AS ordinal_position, pg_get_expr(d.adbin, d.adrelid)::varchar(4000) AS column_default,
    (CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END)::varchar(3) AS is_nullable,
    (CASE WHEN y.typname = 'bytea' THEN 'binary varying' ELSE format_type(a.atttypid, NULL) END)::varchar(128) AS data_type,
    information_schema._pg_char_max_length(a.atttypid, a.atttypmod)::int AS character_maximum_length,
    information_schema._pg_numeric_precision(a.atttypid, a.atttypmod)::int AS numeric_precision,
    information_schema._pg_numeric_scale(a.atttypid, a.atttypmod)::int AS numeric_scale,
    col_description(c.oid, a.attnum)::varchar(256) AS remarks
  FROM ${S}.svv_all_tables t JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema_name
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum;
CREATE OR REPLACE VIEW ${S}.svv_columns AS
  SELECT database_name AS table_catalog, schema_name AS table_schema, table_name, column_name, ordinal_position,
    column_default, is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale, remarks
  FROM ${S}.svv_all_columns;
GRANT SELECT ON ${S}.svv_all_schemas, ${S}.svv_all_tables, ${S}.svv_tables, ${S}.svv_all_columns, ${S}.svv_columns TO PUBLIC;
`;
