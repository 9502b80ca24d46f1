/**
 * Functions that queries may call: what computes a value from its arguments and nothing else. A
 * list of what is allowed, because what is dangerous (reflect, java_method, in_file, xpath's
 * external entities, get_sql_schema, lambdas of an account) cannot be listed to the end.
 */
const BOTH = `
  abs acos add_months any_value approx_percentile array ascii asin atan atan2 avg bit_and bit_or
  bit_xor bool_and bool_or cast cbrt ceil ceiling char_length character_length chr coalesce concat
  concat_ws convert corr cos cosh cot count covar_pop covar_samp crc32 cume_dist current_database
  current_date current_schema current_timestamp current_user date_add date_diff date_part date_trunc
  dateadd datediff day decode degrees dense_rank e encode exp extract first_value floor
  format_number from_unixtime greatest grouping if ifnull initcap instr isnull lag last_day
  last_value lcase lead least left length levenshtein listagg ln locate log log10 log2 lower lpad
  ltrim max md5 median mid min minute mod month months_between next_day nth_value ntile nullif nvl nvl2
  octet_length overlay percent_rank percentile_cont percentile_disc pi pmod position pow power
  quarter quote_literal radians rand rank regexp_count regexp_instr regexp_like regexp_replace
  regexp_substr repeat replace reverse right round row_number rpad rtrim second session_user sha
  sha1 sha2 sign sin sinh size soundex space split split_part sqrt stddev stddev_pop stddev_samp
  strpos struct substr substring sum tan tanh to_char to_date to_number to_timestamp translate trim
  trunc try_cast typeof ucase unix_timestamp upper var_pop var_samp variance version week weekofyear
  width_bucket year
`;

const HIVE = `
  aes_decrypt aes_encrypt approx_distinct array_contains array_distinct array_except
  array_intersect array_join array_max array_min array_remove array_slice array_union assert_true
  base64 bin bloom_filter bround bucket_number buildversion cast_format collect_list collect_set
  context_ngrams conv create_union current_catalog date_format date_sub datetime_legacy_hybrid_calendar
  dayofmonth dayofweek deserialize elt explode factorial field find_in_set floor_day floor_hour
  floor_minute floor_month floor_quarter floor_second floor_week floor_year from_utc_timestamp
  get_json_object hash hex histogram_numeric hour in_bloom_filter index inline internal_interval
  interval_day_time interval_year_month is_not_distinct_from isfalse isnotfalse isnotnull isnottrue
  istrue json_object json_read json_tuple logged_in_user map map_keys map_values mask mask_first_n
  mask_hash mask_last_n mask_show_first_n mask_show_last_n murmur_hash named_struct negative ngrams
  parse_url parse_url_tuple percentile percentile_approx positive posexplode printf quote regexp
  regexp_extract regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
  regr_syy rlike sentences sequence shiftleft shiftright shiftrightunsigned sort_array sort_array_by
  stack std str_to_map string_agg substring_index timestamp to_epoch_milli to_unix_timestamp
  to_utc_timestamp toarray tomap tostruct tumbling_window unbase64 unhex url_decode url_encode uuid
`;

const HIVE_TYPES = `
  bigint binary boolean char date decimal double float int numeric smallint string tinyint
  timestamp varchar
`;

/** Families of pure functions: data sketches and geometry. */
const HIVE_FAMILIES = /^(?:ds_(?:cpc|freq|hll|kll|quantile|theta|tuple)|st)_[a-z0-9_]+$/;

const REDSHIFT = `
  array_concat array_flatten array_length array_to_string bit_length bpcharcmp btrim bttext_pattern_cmp charindex
  checksum collate convert_timezone current_aws_account current_namespace current_setting
  current_user_id date_cmp
  date_cmp_timestamp date_cmp_timestamptz date_part_year dexp dlog1 dlog10 farmhash64 farmfingerprint64 fnv_hash from_hex from_varbyte func_sha1 get_array_length
  get_bit get_byte get_value_by_key getbit getdate grouping_id
  has_database_privilege has_schema_privilege has_table_privilege hll hll_cardinality hll_combine
  hll_combine_sketches hll_create_sketch interval_cmp is_array is_bigint is_boolean is_char
  is_decimal is_float is_integer is_object is_scalar is_smallint is_valid_json is_valid_json_array
  is_varchar json_array_length json_extract_array_element_text json_extract_path_text json_parse
  json_serialize json_serialize_to_varbyte json_size json_typeof len like_escape
  lower_attribute_names now object object_transform pg_backend_pid pg_get_viewdef
  pg_last_copy_count pg_last_copy_id pg_last_query_id quote_ident random ratio_to_report
  setbit similar_escape similar_to_escape slice_num split_to_array std strtol
  subarray sysdate textlen timeofday timestamp_cmp timestamp_cmp_date timestamp_cmp_timestamptz
  timestamptz_cmp timestamptz_cmp_date timestamptz_cmp_timestamp timezone to_hex to_varbyte
  upper_attribute_names user_is_member_of
`;

const REDSHIFT_TYPES = `
  bit bpchar binary char character date dec decimal float geography geometry nchar numeric nvarchar
  text time timestamp timestamptz timetz varbinary varbyte varchar varying
`;

/** Geometry, spatial indexes; AWS's own names begin with ST_, H3_ and HLL_. */
const REDSHIFT_FAMILIES = /^(?:st|h3|s2)_[a-z0-9_]+$/;

const words = (...texts: string[]) =>
  new Set(texts.flatMap((text) => text.split(/\s+/).filter((word) => word !== "")));

const hive = words(BOTH, HIVE, HIVE_TYPES);
const redshift = words(BOTH, REDSHIFT, REDSHIFT_TYPES);

/** @param name in lower case */
export function isHiveFunction(name: string): boolean {
  return hive.has(name) || HIVE_FAMILIES.test(name);
}

/** @param name in lower case */
export function isRedshiftFunction(name: string): boolean {
  return redshift.has(name) || REDSHIFT_FAMILIES.test(name);
}
