import fc from "fast-check";
import { filled } from "./filled.ts";

const TEXT = [
  "'en'",
  "'it''s'",
  "'a\\\\.b'",
  "'-- no comment'",
  ":s1",
  ":s2",
  ":s3",
  ":h1",
  ":h2",
  ":h5",
  ":h7",
];
const TEXT_COLUMNS = ["lang", "t.text", '"lang"'];
const TEXT_OF = [
  "upper({text})",
  "({text} || {text})",
  "substring({text}, 1, 2)",
  "substring({text} from 1 for 2)",
  "trim(both 'x' from {text})",
  "cast({number} as varchar(20))",
  "{number}::varchar(20)",
  "coalesce(null, {text})",
  "nvl({text}, 'x')",
  "case when {truth} then {text} else {text} end",
  "decode({number}, 1, 'one', 'other')",
  "md5({text})",
  "split_part({text}, ',', 1)",
  "replace({text}, 'a', 'b')",
  "lpad({text}, 5, '0')",
  "to_char(date '2026-01-01', 'YYYY')",
];
const NUMBER = ["1", "2.5", "-3", ":n1", ":n2", ":n3", ":f1"];
const NUMBER_OF = [
  "length({text})",
  "abs({number})",
  "({number} + {number})",
  "(7 % 3)",
  "round({number}, 1)",
  "extract(year from date '2026-01-01')",
  "datediff(day, date '2026-01-01', date '2026-02-01')",
  "charindex('a', {text})",
  "position('a' in {text})",
  "nvl2({text}, 1, 2)",
];
const TRUTH = ["true", "1 = 1", ":b1", "null is null"];
const TRUTH_OF = [
  "{number} > {number}",
  "{text} = {text}",
  "{text} like '%x_'",
  "{text} ilike 'A%'",
  "{text} similar to '%(b|d)%'",
  "{text} ~ '^a'",
  "{number} between 1 and 5",
  "{text} in ('a', {text})",
  "({truth} and {truth})",
  "not ({truth})",
  "{text} is not null",
];

function expressions(columns: boolean) {
  return fc.letrec<Record<"text" | "number" | "truth", string>>((tie) => {
    const kinds = { text: tie("text"), number: tie("number"), truth: tie("truth") };
    const kind = (leaves: readonly string[], nodes: readonly string[]) =>
      fc.oneof(
        { maxDepth: 2, depthSize: "small" },
        fc.constantFrom(...leaves),
        filled(nodes, kinds),
      );
    return {
      text: kind(columns ? [...TEXT, ...TEXT_COLUMNS] : TEXT, TEXT_OF),
      number: kind(columns ? [...NUMBER, "id", "t.id"] : NUMBER, NUMBER_OF),
      truth: kind(columns ? [...TRUTH, "id > 1"] : TRUTH, TRUTH_OF),
    };
  });
}

const CONSTANT = [
  "select {text}, {number} as n",
  "select {truth} as truth, {text} as größe",
  "SELECT {text} AS 本文 WHERE {truth}",
  "with q (a) as (select {text}) select a from q",
  "with recursive r (n) as (select 1 union all select n + 1 from r where n < 3) select n from r",
  "select * from (select {number} as n) q limit 3",
  "select getdate(), dateadd(day, 1, date '2026-01-01'), date_trunc('month', sysdate)",
  "select json_parse('[{\"a\":1}]')[0].a",
  "select /* a comment; */ {text} -- and another\n, {number}",
  "explain select {text}",
  "explain verbose select {number}",
  "show search_path",
];
const TABLE = [
  "select {text}, {number} from hybridge.t t",
  "select * from hybridge.t t where {truth} limit 5",
  "select t.*, u.id from hybridge.t t join hybridge.u u using (id)",
  "select a.id from hybridge.t a left join hybridge.u b on (a.id = b.id) where a.id > 1",
  "select lang, count(*) as n, sum(id), avg(id) from hybridge.t t where {truth} group by lang having count(*) > 0",
  "select lang, count(distinct id) from hybridge.t group by lang order by 2 desc, lang",
  "select lang, id, count(*) from hybridge.t group by grouping sets ((lang), (lang, id), ())",
  "select lang, id, sum(id) from hybridge.t group by rollup(lang, id)",
  "select lang, count(*) from hybridge.t group by cube(lang)",
  "select id, row_number() over (partition by lang order by id desc) from hybridge.t",
  "select id, sum(id) over (order by id rows between 1 preceding and current row) from hybridge.t",
  "select lag(id) ignore nulls over (order by id) from hybridge.t",
  "select listagg(lang, ',') within group (order by id) from hybridge.t",
  "select median(id), percentile_cont(0.5) within group (order by id) from hybridge.t",
  "select approximate count(distinct lang) from hybridge.t",
  "select id from hybridge.t where id in (select id from hybridge.u)",
  "select id from hybridge.t t where exists (select 1 from hybridge.u u where u.id = t.id)",
  "select id from hybridge.t union all select id from hybridge.u order by 1",
  "select id from hybridge.t minus select id from hybridge.u",
  "select id from hybridge.t except select id from hybridge.u",
  "select top 1 id from hybridge.t order by id",
  "select * exclude (text) from hybridge.t",
  "select id from hybridge.t qualify row_number() over (partition by lang order by id) = 1",
  "select * from (select lang, id from hybridge.t) pivot (count(id) for lang in ('en', 'de'))",
  "select json_extract_path_text(text, 'a') from hybridge.t",
  'select "id", "lang" from "hybridge"."t"',
  "explain select lang, count(*) from hybridge.t t where {truth} group by lang",
];

/** What people write for Redshift. */
export const redshiftQuery: fc.Arbitrary<string> = fc.oneof(
  filled(CONSTANT, expressions(false)),
  filled(TABLE, expressions(true)),
);
