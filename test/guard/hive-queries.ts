import fc from "fast-check";
import { filled } from "./filled.ts";

/** Text of one kind of expression: text, number, truth, day or list. */
interface Expressions {
  readonly text: fc.Arbitrary<string>;
  readonly number: fc.Arbitrary<string>;
  readonly truth: fc.Arbitrary<string>;
  readonly list: fc.Arbitrary<string>;
}

const TEXT = [
  "'en'",
  "'it\\'s'",
  '"say \\"hi\\""',
  "'a\\\\'",
  '"$.a[0]"',
  "'tab\\t-- no comment'",
  ":s1",
  ":s2",
  ":s3",
  ":h1",
  ":h2",
  ":h3",
  ":h4",
  ":h7",
];
const TEXT_OF = [
  "upper({text})",
  "concat({text}, {text})",
  "substr({text}, 1, 2)",
  "regexp_replace({text}, '[a-z]', 'x')",
  "regexp_extract({text}, '(\\\\w+)', 1)",
  "cast({number} as string)",
  "cast({text} as varchar(10))",
  "if({truth}, {text}, {text})",
  "case when {truth} then {text} else {text} end",
  "case {text} when 'a' then {text} end",
  'get_json_object(\'{"a":1}\', "$.a")',
  "date_format(date '2026-01-01', 'yyyy')",
  "coalesce(null, {text})",
  "concat_ws(',', {list})",
  "split({text}, ',')[0]",
  "md5({text})",
  "map('k', {text})['k']",
  "named_struct('a', {text}).a",
  "trim(both 'x' from {text})",
  "nvl({text}, 'x')",
  "`upper`({text})",
];
const NUMBER = ["1", "2.5", "10L", "3S", "1.5BD", ":n1", ":n2", ":n3", ":f1", "-3"];
const NUMBER_OF = [
  "length({text})",
  "abs({number})",
  "({number} + {number})",
  "({number} - {number})",
  "pmod(7, 3)",
  "size({list})",
  "instr({text}, 'a')",
  "extract(year from date '2026-01-01')",
  "cast({text} as int)",
  "datediff(current_date, date '2026-01-01')",
  "crc32({text})",
  "if({truth}, 1, 2)",
];
const TRUTH = ["true", "1 = 1", ":b1", "null is null"];
const TRUTH_OF = [
  "{number} > {number}",
  "{text} = {text}",
  "{text} like '%x_'",
  "{text} rlike '^a'",
  "{number} between 1 and 5",
  "{text} in ('a', {text})",
  "({truth} and {truth})",
  "({truth} or {truth})",
  "not ({truth})",
  "{text} is not null",
  "{text} <=> {text}",
  "{text} is not distinct from {text}",
  "array_contains({list}, 'a')",
];
const LIST = ["array('a', 'b')"];
const LIST_OF = ["array({text}, {text})", "split({text}, ',')", "sort_array({list})"];

/** Expressions that nest a few levels deep. */
function expressions(columns: boolean): Expressions {
  const { text, number, truth, list } = fc.letrec<Record<keyof Expressions, string>>((tie) => {
    const kinds = {
      text: tie("text"),
      number: tie("number"),
      truth: tie("truth"),
      list: tie("list"),
    };
    const kind = (leaves: readonly string[], nodes: readonly string[]) =>
      fc.oneof(
        { maxDepth: 2, depthSize: "small" },
        fc.constantFrom(...leaves),
        filled(nodes, kinds),
      );
    return {
      text: kind(columns ? [...TEXT, "lang", "t.text", "cast(m['k'] as string)"] : TEXT, TEXT_OF),
      number: kind(columns ? [...NUMBER, "id", "t.id"] : NUMBER, NUMBER_OF),
      truth: kind(columns ? [...TRUTH, "dt >= '2026-01-01'"] : TRUTH, TRUTH_OF),
      list: kind(columns ? [...LIST, "tags"] : LIST, LIST_OF),
    };
  });
  return { text, number, truth, list };
}

/** Queries that Hive answers without a job: the bulk of what is run. */
const LIGHT_CONSTANT = [
  "select {text}, {number} as n",
  "select {truth} as `truth`, {list} as größe",
  "SELECT {text} AS 本文 WHERE {truth}",
  "with q as (select {text} as a) select a from q",
  "select * from (select {number} as n) q where n > 0 limit 3",
  "select stack(2, 'a', {text}, 'b', {text}) as (name, value)",
  "select inline(array(struct({number}, {text})))",
  "select posexplode({list})",
  "from (select {text} as a) q select a, {number}",
  "select /* a comment; */ {text} -- and another\n, {number}",
];
const LIGHT_TABLE = [
  "select {text}, {number} from hybridge.t",
  "select * from hybridge.t where {truth} limit 5",
  "select t.id, {text} from hybridge.t t where dt = '2026-01-01' and {truth}",
  "from hybridge.t select id, {text} where {truth}",
  "select id, tag from hybridge.t lateral view outer explode(tags) x as tag",
  "select id, i, tag from hybridge.t lateral view posexplode(tags) x as i, tag where {truth}",
  "select j.a from hybridge.t lateral view json_tuple(text, 'a', 'b') j as a, b",
  "select * from (from hybridge.t select id, {text} as a) q",
  "with q as (select id, {text} as a from hybridge.t) select q.* from q",
  "select `id`, `lang` from `hybridge`.`t` where `dt` >= '2026'",
  "select id from hybridge.t tablesample (10 rows) s",
];
/** Queries that need a job: explained, and now and then run. */
const HEAVY = [
  "select lang, count(*) as n, sum(id) from hybridge.t where {truth} group by lang",
  "select lang, dt, count(*) from hybridge.t group by lang, dt grouping sets ((lang), (lang, dt))",
  "select lang, count(distinct id) from hybridge.t group by lang with rollup",
  "select a.id from hybridge.t a join hybridge.t b on (a.id = b.id) where a.lang = 'en'",
  "select id from hybridge.t join hybridge.u using (id)",
  "select id, row_number() over (partition by lang order by id desc) as r from hybridge.t",
  "select id, sum(id) over w from hybridge.t window w as (order by id rows between 1 preceding and current row)",
  "select id from hybridge.t where id in (select id from hybridge.u)",
  "select id from hybridge.t where exists (select 1 from hybridge.u where u.id = t.id)",
  "select id, lang from hybridge.t distribute by lang sort by id",
  "select id from hybridge.t cluster by id",
  "select id from hybridge.t order by id desc limit 1, 2",
  "select id from hybridge.t union all select id from hybridge.u",
  "select id from hybridge.t except select id from hybridge.u",
  "select lang from hybridge.t minus select lang from hybridge.t intersect select lang from hybridge.t",
  "select lang, id from hybridge.t qualify row_number() over (partition by lang order by id) = 1",
  "select id from hybridge.t left semi join hybridge.u on (t.id = u.id)",
  "select collect_set(lang), percentile_approx(id, 0.5) from hybridge.t",
  "select map_keys(m), first_value(id) ignore nulls over (order by id) from hybridge.t",
];
const EXPLAINS = [
  "explain",
  "explain extended",
  "explain formatted",
  "explain cbo",
  "explain ast",
  "explain dependency",
  "explain vectorization only summary",
];
const CATALOG = [
  "show tables in hybridge like 't*'",
  "show databases",
  "show partitions hybridge.t",
  "show columns in hybridge.t",
  "show create table hybridge.t",
  "show tblproperties hybridge.t",
  "show functions like 'reg*'",
  "show views in hybridge",
  "show table extended in hybridge like 't'",
  "describe hybridge.t",
  "describe formatted hybridge.t partition (dt='2026-01-01')",
  "describe extended hybridge.t id",
  "describe database extended hybridge",
  "describe function extended regexp_replace",
];

const constants = expressions(false);
const columns = expressions(true);

/** Queries that run without a job. */
export const lightHiveQuery: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: filled(LIGHT_CONSTANT, { ...constants }), weight: 4 },
  { arbitrary: filled(LIGHT_TABLE, { ...columns }), weight: 4 },
  { arbitrary: fc.constantFrom(...CATALOG), weight: 1 },
);

/** What people write: light queries, and explanations of heavy ones, of which a few are run. */
export const benignHiveQuery: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: lightHiveQuery, weight: 30 },
  {
    arbitrary: fc
      .tuple(fc.constantFrom(...EXPLAINS), filled(HEAVY, { ...columns }))
      .map((parts) => parts.join(" ")),
    weight: 12,
  },
  { arbitrary: filled(HEAVY, { ...constants }), weight: 1 },
);
