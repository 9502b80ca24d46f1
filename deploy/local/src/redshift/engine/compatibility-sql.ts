import { COMPATIBILITY_SCHEMA as S } from "../sql/expressions.ts";

/** Changes whenever the text below does, so that an existing database is brought up to date. */
export const COMPATIBILITY_VERSION = "2";

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

CREATE OR REPLACE VIEW ${S}.svv_all_schemas AS
  SELECT current_database()::text AS database_name, nspname::text AS schema_name,
    nspowner::int AS schema_owner, 'local'::text AS schema_type, nspacl::text AS schema_acl,
    NULL::text AS source_database, NULL::text AS schema_option
  FROM pg_catalog.pg_namespace
  WHERE nspname <> '${S}' AND nspname NOT LIKE 'pg_temp%' AND nspname NOT LIKE 'pg_toast%'
    AND has_schema_privilege(oid, 'USAGE');
CREATE OR REPLACE VIEW ${S}.svv_all_tables AS
  SELECT current_database()::text AS database_name, table_schema::text AS schema_name,
    table_name::text, NULL::text AS table_acl,
    CASE table_type WHEN 'VIEW' THEN 'VIEW' ELSE 'TABLE' END AS table_type, NULL::text AS remarks
  FROM information_schema.tables WHERE table_schema <> '${S}';

CREATE OR REPLACE FUNCTION ${S}.getdate() RETURNS timestamp LANGUAGE sql STABLE AS
  $$ SELECT date_trunc('second', now() AT TIME ZONE 'UTC')::timestamp $$;

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
    ELSE sha256(convert_to(value, 'UTF8')) END, 'hex') $$;

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
    WHEN 'week' THEN ((date_trunc('week', b + interval '1 day')::date
      - date_trunc('week', a + interval '1 day')::date) / 7)::bigint
    WHEN 'day' THEN (b::date - a::date)::bigint
    WHEN 'hour' THEN (extract(epoch FROM date_trunc('hour', b) - date_trunc('hour', a)) / 3600)::bigint
    WHEN 'minute' THEN (extract(epoch FROM date_trunc('minute', b) - date_trunc('minute', a)) / 60)::bigint
    WHEN 'second' THEN extract(epoch FROM date_trunc('second', b) - date_trunc('second', a))::bigint
    WHEN 'millisecond' THEN (extract(epoch FROM b - a) * 1000)::bigint
    WHEN 'microsecond' THEN (extract(epoch FROM b - a) * 1000000)::bigint END $$;

CREATE OR REPLACE FUNCTION ${S}.convert_timezone(source text, target text, at timestamp)
RETURNS timestamp LANGUAGE sql STABLE STRICT AS
  $$ SELECT (at AT TIME ZONE source) AT TIME ZONE target $$;
CREATE OR REPLACE FUNCTION ${S}.convert_timezone(target text, at timestamp)
RETURNS timestamp LANGUAGE sql STABLE STRICT AS
  $$ SELECT (at AT TIME ZONE 'UTC') AT TIME ZONE target $$;

CREATE OR REPLACE FUNCTION ${S}.json_parse(value text) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value::jsonb $$;
CREATE OR REPLACE FUNCTION ${S}.is_valid_json(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value IS JSON OBJECT $$;
CREATE OR REPLACE FUNCTION ${S}.is_valid_json_array(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value IS JSON ARRAY $$;
CREATE OR REPLACE FUNCTION ${S}.can_json_parse(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value IS JSON $$;
CREATE OR REPLACE FUNCTION ${S}.json_array_length(value text) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.json_array_length(value::json) $$;
CREATE OR REPLACE FUNCTION ${S}.json_extract_array_element_text(value text, place int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value::json ->> place $$;
CREATE OR REPLACE FUNCTION ${S}.json_path(null_if_invalid boolean, value text, VARIADIC path text[])
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF value IS NULL OR null_if_invalid AND NOT value IS JSON THEN RETURN NULL; END IF;
  RETURN coalesce(value::json #>> path, '');
END $$;
CREATE OR REPLACE FUNCTION ${S}.regexp_count(value text, pattern text) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.regexp_count(value, pattern) $$;
CREATE OR REPLACE FUNCTION ${S}.fnv_hash(value text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT hashtextextended(value, 0) $$;
`;
