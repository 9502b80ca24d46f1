import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const SOURCES = [
  "apps/*/{src,test}/**/*.ts",
  "libs/*/{src,test}/**/*.ts",
  "deploy/local/{src,test}/**/*.ts",
  "test/**/*.ts",
];

/**
 * Unit test files that reach one of the changed files by imports, those with the shortest way
 * first. A changed file that nobody imports (a fixture, package.json) counts as its whole package.
 */
export function affectedTests(root: string, changed: readonly string[]): string[] {
  const files = globSync(SOURCES, { cwd: root }).filter((path) => !path.includes("node_modules"));
  const texts = new Map(files.map((path) => [path, readFileSync(join(root, path), "utf8")]));
  const packages = packageEntries(root);
  const importers = new Map<string, string[]>();
  for (const [path, text] of texts) {
    for (const target of importsOf(path, text, packages)) {
      importers.set(target, [...(importers.get(target) ?? []), path]);
    }
  }
  const start = changed.flatMap((path) => {
    if (texts.has(path)) return [path];
    const dir = /^(?:(?:apps|libs)\/[^/]+|deploy\/local|test)\//.exec(path)?.[0];
    return dir === undefined || path.endsWith(".md")
      ? []
      : files.filter((file) => file.startsWith(dir));
  });
  return reach(start, importers).filter((path) => {
    return path.endsWith(".test.ts") && !path.endsWith(".it.test.ts");
  });
}

/** Everything that can be reached, nearest first. */
function reach(
  start: readonly string[],
  importers: ReadonlyMap<string, readonly string[]>,
): string[] {
  const seen = new Set(start);
  // A set is walked in the order of insertion, also while it grows: breadth first.
  for (const path of seen) for (const importer of importers.get(path) ?? []) seen.add(importer);
  return [...seen];
}

function importsOf(path: string, text: string, packages: ReadonlyMap<string, string>): string[] {
  const specifiers = [...text.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(
    ([, name]) => name ?? "",
  );
  return specifiers.flatMap((specifier) => {
    if (specifier.startsWith(".")) return [normalize(join(dirname(path), specifier))];
    return packages.get(specifier) ?? [];
  });
}

/** From what is imported (`@hybridge/core`, `@hybridge/core/testing`) to the file behind it. */
function packageEntries(root: string): Map<string, string> {
  const entries = new Map<string, string>();
  for (const path of globSync(
    ["apps/*/package.json", "libs/*/package.json", "deploy/*/package.json"],
    { cwd: root },
  )) {
    const json = JSON.parse(readFileSync(join(root, path), "utf8")) as {
      name: string;
      exports?: Record<string, Record<string, string>>;
    };
    for (const [key, targets] of Object.entries(json.exports ?? {})) {
      const source = targets["@hybridge/source"];
      if (source !== undefined)
        entries.set(json.name + key.slice(1), normalize(join(dirname(path), source)));
    }
  }
  return entries;
}
