/** How a function of Redshift is run, and how many arguments it takes there. */
export interface AllowedFunction {
  /** PostgreSQL's own, ours for all types, or ours for some and PostgreSQL's for the others. */
  readonly by: "postgres" | "ours" | "both";
  readonly name: string;
  readonly least: number;
  readonly most: number;
}

const TABLE = `
count 0 1 both
min max any_value bool_and bool_or 1 1 postgres
sum avg 1 1 both
abs 1 1 postgres
mod 2 2 both
ceil ceiling floor 1 1 both
round trunc 1 2 both
sqrt 1 1 ours
power 2 2 ours
sign 1 1 ours
upper lower reverse octet_length md5 1 1 postgres
replace translate 3 3 postgres
repeat strpos 2 2 postgres
ltrim rtrim btrim 1 2 postgres
substring substr 2 3 both
lpad rpad 2 3 postgres
length char_length character_length 1 1 postgres
left right 2 2 ours
split_part 3 3 ours
concat 2 2 ours
chr ascii 1 1 ours
regexp_replace 2 3 ours
regexp_substr regexp_count regexp_instr 2 2 ours
getdate 0 0 ours
date_trunc date_part 2 2 ours
convert_timezone 2 3 ours
last_day 1 1 ours
to_char 2 2 both
to_date 2 2 postgres
strtol sha2 2 2 ours
json_array_length 1 1 ours
json_extract_array_element_text 2 2 ours
row_number rank dense_rank percent_rank cume_dist 0 0 postgres
ntile first_value last_value 1 1 postgres
lag lead 1 2 postgres
nth_value 2 2 postgres
current_database current_schema 0 0 postgres
has_table_privilege has_schema_privilege 2 3 postgres
generate_series 2 3 postgres
pg_backend_pid 0 0 postgres
`;

/** Functions of the leader node: Redshift refuses them beside tables. */
export const LEADER_FUNCTIONS: ReadonlySet<string> = new Set(["generate_series"]);

/** Only with OVER (...). */
export const WINDOW_FUNCTIONS: ReadonlySet<string> = new Set(
  `row_number rank dense_rank percent_rank cume_dist ntile first_value last_value lag lead
   nth_value`.split(/\s+/),
);

/** With OVER (... ORDER BY ...) Redshift wants the frame to be written. */
export const FRAMED_FUNCTIONS: ReadonlySet<string> = new Set(
  "sum avg count min max first_value last_value nth_value bool_and bool_or".split(" "),
);

export const FUNCTIONS: ReadonlyMap<string, AllowedFunction> = new Map(
  TABLE.trim()
    .split("\n")
    .flatMap((line) => {
      const cells = line.split(" ");
      const [least = "", most = "", by = ""] = cells.slice(-3);
      return cells
        .slice(0, -3)
        .map((name): [string, AllowedFunction] => [
          name,
          { by: by as AllowedFunction["by"], name, least: Number(least), most: Number(most) },
        ]);
    }),
);

/** What PostgreSQL's grammar makes of TRIM (x FROM y) and the like, and what our rewriting makes. */
export const GRAMMAR_FUNCTIONS: ReadonlySet<string> = new Set([
  "btrim",
  "ltrim",
  "rtrim",
  "substring",
  "position",
  "string_agg",
  "timezone",
]);

export const OPERATORS: ReadonlySet<string> = new Set(
  "= <> < > <= >= + - * / % || ~ !~ ~~ !~~ ~~* !~~* & | ".trim().split(" "),
);

/** PostgreSQL's names of the types that casts and columns may have. */
export const TYPES: ReadonlySet<string> = new Set(
  `int2 int4 int8 float4 float8 numeric bool bpchar varchar text date timestamp timestamptz time
   interval bytea`.split(/\s+/),
);

/** System tables that there are here, with Redshift's columns. */
export const SYSTEM_TABLES: ReadonlySet<string> = new Set(
  `svv_all_schemas svv_all_tables svv_all_columns svv_tables svv_columns stl_load_errors
   sys_load_error_detail`.split(/\s+/),
);

/** Settings of a session: what Redshift knows, and what is done about it here. */
export const SESSION_SETTINGS: ReadonlyMap<string, "postgres" | "ours" | "nothing"> = new Map([
  ["statement_timeout", "postgres"],
  ["search_path", "ours"],
  ["timezone", "postgres"],
  ["enable_case_sensitive_identifier", "ours"],
  ...[
    "query_group",
    "application_name",
    "wlm_query_slot_count",
    "enable_result_cache_for_session",
    "describe_field_name_in_uppercase_off",
    "analyze_threshold_percent",
    "enable_vacuum_boost",
    "max_cursor_result_set_size",
    "mv_enable_aqmv_for_session",
    "use_fips_ssl",
    "spectrum_enable_pseudo_columns",
    "error_on_nondeterministic_update",
  ].map((name): [string, "nothing"] => [name, "nothing"]),
]);
