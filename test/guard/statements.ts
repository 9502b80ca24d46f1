import fc from "fast-check";
import type { Engine } from "@hybridge/query";
import { anyAttack, hiveFragments } from "./hive-attacks.ts";
import { benignHiveQuery, lightHiveQuery } from "./hive-queries.ts";
import { redshiftAttacks, redshiftFragments } from "./redshift-attacks.ts";
import { redshiftQuery } from "./redshift-queries.ts";
import { crossed, mutated } from "./mutations.ts";
import { parameterValues, withParameters, type Statement, type Targets } from "./statement.ts";

/** Statements of Hive: half of them such as people write, half made to do harm. */
export function hiveStatements(targets: Targets): fc.Arbitrary<Statement> {
  const fragments = hiveFragments(targets);
  const attack = anyAttack(targets);
  const hostile = fc.oneof(
    { arbitrary: attack, weight: 2 },
    { arbitrary: mutated(attack, fragments), weight: 3 },
    { arbitrary: mutated(lightHiveQuery, fragments), weight: 4 },
    { arbitrary: crossed(lightHiveQuery, attack), weight: 2 },
    { arbitrary: crossed(attack, lightHiveQuery), weight: 1 },
  );
  return either("hive", benignHiveQuery, hostile, targets);
}

/** Statements of Redshift, in the same proportions. */
export function redshiftStatements(targets: Targets): fc.Arbitrary<Statement> {
  const attack = fc.constantFrom(...redshiftAttacks(targets));
  const hostile = fc.oneof(
    { arbitrary: attack, weight: 2 },
    { arbitrary: mutated(attack, redshiftFragments), weight: 3 },
    { arbitrary: mutated(redshiftQuery, redshiftFragments), weight: 4 },
    { arbitrary: crossed(redshiftQuery, attack), weight: 2 },
    { arbitrary: crossed(attack, redshiftQuery), weight: 1 },
  );
  return either("redshift", redshiftQuery, hostile, targets);
}

function either(
  engine: Engine,
  benign: fc.Arbitrary<string>,
  hostile: fc.Arbitrary<string>,
  targets: Targets,
): fc.Arbitrary<Statement> {
  const values = parameterValues(targets);
  return fc.oneof(
    benign.map((sql) => withParameters({ engine, sql, origin: "benign" }, values)),
    hostile.map((sql) => withParameters({ engine, sql, origin: "hostile" }, values)),
  );
}
