import { COMPATIBILITY_SCHEMA as S } from "../sql/expressions.ts";

/** Signs of the operators, our functions for them, and PostgreSQL's functions for CHAR(n). */
const COMPARISONS = [
  ["=", "text_eq", "bpchareq", "eqsel", "=", "<>"],
  ["<>", "text_ne", "bpcharne", "neqsel", "<>", "="],
  ["<", "text_lt", "bpcharlt", "scalarltsel", ">", ">="],
  [">", "text_gt", "bpchargt", "scalargtsel", "<", "<="],
  ["<=", "text_le", "bpcharle", "scalarlesel", ">=", ">"],
  [">=", "text_ge", "bpcharge", "scalargesel", "<=", "<"],
] as const;

const functions = COMPARISONS.map(
  ([, name, internal]) =>
    `CREATE OR REPLACE FUNCTION ${S}.${name}(a text, b text) RETURNS boolean
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS '${internal}';`,
).join("\n");

const operators = COMPARISONS.map(
  ([sign, name, , selectivity]) =>
    `  IF to_regoperator('${S}.${sign}(text,text)') IS NULL THEN
    CREATE OPERATOR ${S}.${sign} (LEFTARG = text, RIGHTARG = text, FUNCTION = ${S}.${name});
  END IF;
  ALTER OPERATOR ${S}.${sign} (text, text) SET (RESTRICT = ${selectivity}, JOIN = ${selectivity.replace("sel", "joinsel")});`,
).join("\n");

const relations = COMPARISONS.map(
  ([sign, , , , commutator, negator]) =>
    `  ALTER OPERATOR ${S}.${sign} (text, text) SET (COMMUTATOR = OPERATOR(${S}.${commutator}), NEGATOR = OPERATOR(${S}.${negator})${sign === "=" ? ", HASHES, MERGES" : ""});`,
).join("\n");

/**
 * Blanks at the end do not count when texts are compared: by operators, and by what compares
 * without naming one (GROUP BY, DISTINCT, UNION, PARTITION BY, ORDER BY), for which PostgreSQL takes
 * the default operator class of the type. VARCHAR compares as CHAR(n) does in PostgreSQL, whose
 * functions take it as it is: the two are stored alike.
 */
export const BLANK_INSENSITIVE_TEXT = `
${functions}
CREATE OR REPLACE FUNCTION ${S}.text_cmp(a text, b text) RETURNS int
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'bpcharcmp';
CREATE OR REPLACE FUNCTION ${S}.text_hash(value text) RETURNS int
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'hashbpchar';
DO $$
BEGIN
${operators}
  IF EXISTS (SELECT FROM pg_catalog.pg_opclass WHERE opcname = 'redshift_text_ops') THEN RETURN; END IF;
${relations}
  UPDATE pg_catalog.pg_opclass c SET opcdefault = false FROM pg_catalog.pg_am m
  WHERE m.oid = c.opcmethod AND m.amname IN ('btree', 'hash')
    AND c.opcname = 'text_ops' AND c.opcnamespace = 'pg_catalog'::regnamespace;
  CREATE OPERATOR CLASS ${S}.redshift_text_ops DEFAULT FOR TYPE text USING btree AS
    OPERATOR 1 ${S}.<, OPERATOR 2 ${S}.<=, OPERATOR 3 ${S}.=, OPERATOR 4 ${S}.>=, OPERATOR 5 ${S}.>,
    FUNCTION 1 ${S}.text_cmp(text, text);
  CREATE OPERATOR CLASS ${S}.redshift_text_ops DEFAULT FOR TYPE text USING hash AS
    OPERATOR 1 ${S}.=, FUNCTION 1 ${S}.text_hash(text);
END $$;`;

const FLOATS = ["real", "double precision"] as const;
const TEXTS = ["text", "varchar", "bpchar"] as const;

const floatTexts = FLOATS.map(
  (type) => `CREATE OR REPLACE FUNCTION ${S}.float_text(value ${type}) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET extra_float_digits = 0 AS $$
BEGIN
  IF coalesce(nullif(current_setting('${S}.extra_float_digits', true), ''), '0') <> '0' THEN
    PERFORM ${S}.refuse('the text of a floating-point number with extra_float_digits');
  END IF;
  RETURN pg_catalog.format('%s', value);
END $$;`,
).join("\n");

const floatCasts = FLOATS.flatMap((type) =>
  TEXTS.map(
    (
      text,
    ) => `  IF NOT EXISTS (SELECT FROM pg_catalog.pg_cast WHERE castsource = '${type}'::regtype AND casttarget = '${text}'::regtype) THEN
    CREATE CAST (${type} AS ${text}) WITH FUNCTION ${S}.float_text(${type}) AS ASSIGNMENT;
  END IF;`,
  ),
).join("\n");

/**
 * Redshift writes floating-point numbers with the digits that are sure (15, or 6), unless
 * extra_float_digits asks for others, and has no cast of BOOLEAN to a text.
 */
export const CASTS_TO_TEXT = `
${floatTexts}
CREATE OR REPLACE FUNCTION ${S}.boolean_text(value boolean) RETURNS text LANGUAGE plpgsql VOLATILE STRICT AS $$
BEGIN RAISE EXCEPTION 'cannot cast type boolean to character varying'; END $$;
DO $$
BEGIN
${floatCasts}
  UPDATE pg_catalog.pg_cast SET castfunc = '${S}.boolean_text(boolean)'::regprocedure
  WHERE castsource = 'boolean'::regtype AND casttarget IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype);
END $$;`;
