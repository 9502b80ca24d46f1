import { matchesIn, type Problem, type Repository, type SourceFile } from "./repository.ts";

/** Where process.env may be read besides a config.ts, and why. */
const MAY_READ_ENVIRONMENT: Readonly<Record<string, string>> = {
  "libs/core/src/failpoint.ts":
    "failpoints are compiled into every library and have no configuration",
  "libs/core/src/program.ts": "reports errors of reading the configuration",
  "apps/cli/src/run/service.ts": "hands the environment on to services, cleaned",
  "deploy/local/bootstrap.mjs": "runs before any package is installed",
  "proto/generate.mjs": "a build step; hands PATH on",
};

const MACHINE_PLACES: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w./-])\/(?:work|root|home\/\w+|Users\/\w+)\/[\w.-]*/g, "a path of somebody's machine"],
  [/(?<![\w.])\/tmp\/(?!hybridge)[\w-]+/g, "a fixed place in /tmp: use mkdtemp under os.tmpdir()"],
  [
    /https?:\/\/[\w.-]*(?:artifactory|nexus|verdaccio|pypi|proxy\.golang|registry\.)[\w.:-]*/gi,
    "a registry's host: clients know theirs",
  ],
];

/** Places where a machine's path is what the text is about. */
const MAY_NAME_PLACES =
  /^(deploy\/local\/.*|libs\/query\/test\/.*|.*\/(hdfs|hive)[\w/.-]*\.ts|docs\/.*|.*\.xml)$/;

/** Single lines that are not allowed, each with what to do instead. */
export function checkHabits(repository: Repository): Problem[] {
  return repository.files.flatMap((file) => [
    ...environment(file),
    ...skippedTests(file),
    ...machinePlaces(file),
  ]);
}

function environment(file: SourceFile): Problem[] {
  const { path } = file;
  const program = /\.(ts|mjs)$/.test(path) && !/(^|\/)test(ing)?\//.test(path);
  const allowed = path.endsWith("/config.ts") || Object.hasOwn(MAY_READ_ENVIRONMENT, path);
  if (!program || allowed) return [];
  return [...matchesIn(file, /\bprocess\.env\b/g)].map(({ line }) => {
    return { path, line, text: "only config.ts reads process.env: take the value as a parameter" };
  });
}

function skippedTests(file: SourceFile): Problem[] {
  const { path } = file;
  // The test of these checks shows them what they must find.
  if (!path.endsWith(".test.ts") || path.startsWith("test/style/")) return [];
  const focused = [...matchesIn(file, /\b(?:test|it|describe|suite)\.only\(|\bonly: true/g)].map(
    ({ line }) => {
      return { path, line, text: "the other tests would not run: remove `only`" };
    },
  );
  const silent = [
    ...matchesIn(
      file,
      /\b(?:test|it|describe|suite)\.(?:skip|todo)\(|\b(?:skip|todo): true|\bt\.(?:skip|todo)\(\)/g,
    ),
  ].map(({ line }) => ({
    path,
    line,
    text: 'a skipped test prints its reason: `skip: condition && "reason"`',
  }));
  return [...focused, ...silent];
}

function machinePlaces(file: SourceFile): Problem[] {
  const { path } = file;
  if (path.startsWith("test/style/")) return [];
  return MACHINE_PLACES.flatMap(([pattern, what]) =>
    [...matchesIn(file, pattern)].flatMap(({ line, match }) => {
      if (what.includes("/tmp") && MAY_NAME_PLACES.test(path)) return [];
      return [{ path, line, text: `${match[0]} is ${what}` }];
    }),
  );
}
