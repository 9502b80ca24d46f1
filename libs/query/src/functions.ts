/**
 * Functions that queries may call: what computes a value from its arguments and nothing else. A
 * list of what is allowed, because what is dangerous (reflect, java_method, in_file, xpath's
 * external entities, lambdas of an account) cannot be listed to the end.
 */
const BOTH = `
  abs acos approx_percentile ascii asin atan atan2 avg cast cbrt ceil ceiling char_length
  character_length chr coalesce concat concat_ws convert corr cos cot count covar_pop covar_samp
  cume_dist current_date current_timestamp date_add date_part date_trunc datediff decode degrees
  dense_rank e encode exp extract first_value floor format_number from_unixtime greatest if ifnull
  initcap instr isnull lag last_day last_value lcase lead least left length levenshtein listagg ln
  lower lpad ltrim max md5 median min mod month months_between next_day ntile nullif nvl nvl2
  octet_length overlay percent_rank percentile_cont percentile_disc pi pmod position pow power
  quarter quote_literal radians rank regexp_count regexp_instr regexp_replace regexp_substr repeat
  replace reverse right round row_number rpad rtrim second sha sha1 sha2 sign sin soundex space
  split_part sqrt stddev stddev_pop stddev_samp strpos substr substring sum tan to_char to_date
  to_number to_timestamp translate trim trunc ucase unix_timestamp upper var_pop var_samp variance
  week weekofyear width_bucket year any_value bit_and bit_or bit_xor bool_and bool_or grouping
`;

const HIVE = `
  add_months array array_contains array_distinct array_max array_min array_join array_slice
  array_except array_intersect array_union array_remove assert_true base64 bin bround
  collect_list collect_set conv crc32
  current_database date_format date_sub  day dayofmonth
  dayofweek elt explode factorial field find_in_set from_utc_timestamp
  get_json_object grouping hash hex histogram_numeric hour in_bloom_filter index inline isfalse
  isnotfalse isnotnull isnottrue istrue json_object json_tuple locate log log10 log2 map
  map_keys map_values minute named_struct negative ngrams context_ngrams parse_url
  parse_url_tuple percentile percentile_approx positive posexplode printf quote rand regexp
  regexp_extract regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
  regr_syy rlike sentences sequence shiftleft shiftright shiftrightunsigned size sort_array
  sort_array_by split std str_to_map struct substring_index tanh timestamp date to_utc_timestamp
  trunc typeof unbase64 unhex url_decode url_encode uuid version greatest
  date_diff dateadd char varchar decimal numeric string int bigint smallint tinyint float double
  boolean binary
`;

const REDSHIFT = `
  add_months array array_concat array_flatten array_length btrim 
  checksum convert_timezone crc32 dateadd date_cmp dexp dlog1 dlog10 bit_length 
  farmhash64 fnv_hash func_sha1 get_array_length getdate h3_fromlonglat hll hll_cardinality
  hll_combine interval_cmp is_array is_bigint is_boolean is_char is_decimal is_float is_integer
  is_object is_scalar is_smallint is_valid_json is_valid_json_array is_varchar json_array_length
  json_extract_array_element_text json_extract_path_text json_parse json_serialize json_size
  json_typeof len like_escape lower_attribute_names object object_transform
  quote_ident ratio_to_report regexp_matches similar_escape similar_to_escape size split
  split_to_array st_astext st_distance st_geomfromtext st_point st_x st_y stddev strtol subarray
  sysdate textlen timeofday timezone to_hex
  trunc try_cast upper_attribute_names varbyte from_hex from_varbyte to_varbyte now date_part_year date random
  current_schema current_database version
`;

const words = (text: string) => text.split(/\s+/).filter((word) => word !== "");

export const functionsOf = {
  hive: new Set(words(BOTH + HIVE)),
  redshift: new Set(words(BOTH + REDSHIFT)),
} as const;
