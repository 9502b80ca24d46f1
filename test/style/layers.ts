import { builtinModules } from "node:module";
import ts from "typescript-6";
import {
  lineOf,
  type Package,
  type Problem,
  type Repository,
  type TypeScriptFile,
} from "./repository.ts";

/** Which layer may import which. Changing this is a decision about the design: docs/adr. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: ["base"],
  contract: [],
  domain: ["base", "domain"],
  platform: ["base", "contract", "domain", "platform"],
  service: ["base", "contract", "domain", "platform"],
  app: ["base", "contract", "domain", "platform", "service"],
  test: ["base", "contract", "domain", "platform", "service"],
};

/** Modules of Node through which something leaves the process. A domain library takes ports instead. */
const IO = new Set(
  "fs fs/promises net http http2 https tls dgram dns dns/promises child_process cluster worker_threads readline readline/promises repl inspector".split(
    " ",
  ),
);

const BUILTIN = new Set(builtinModules);

/** Imports follow the layers, are declared by their package, and do not reach into other packages. */
export function checkLayers(repository: Repository): Problem[] {
  const byName = new Map(repository.packages.map((each) => [each.name, each]));
  return repository.typescript.flatMap((file) =>
    importsOf(file).flatMap(({ specifier, position }) => {
      const text = objectionTo(file, specifier, byName);
      return text === undefined ? [] : [{ path: file.path, line: lineOf(file, position), text }];
    }),
  );
}

function objectionTo(
  file: TypeScriptFile,
  specifier: string,
  byName: ReadonlyMap<string, Package>,
): string | undefined {
  const owner = file.package;
  if (!owner || owner.dir === ".") return undefined;
  if (specifier.startsWith(".")) {
    const depth = file.path.slice(owner.dir.length + 1).split("/").length;
    const leaves = specifier.split("/").filter((part) => part === "..").length >= depth;
    return leaves ? `${specifier} leaves the package: import the other one by its name` : undefined;
  }
  const bare = specifier.replace(/^node:/, "");
  if (specifier.startsWith("node:") || BUILTIN.has(bare)) {
    if (!specifier.startsWith("node:")) return `write node:${bare}`;
    const forbidden = owner.layer === "domain" && !file.isTest && IO.has(bare);
    return forbidden
      ? `${owner.name} is domain code and does no I/O: take a port instead of ${specifier}`
      : undefined;
  }
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  if (name === owner.name) return undefined;
  const target = byName.get(name);
  if (target && !file.isTest && !(MAY_IMPORT[owner.layer] ?? []).includes(target.layer)) {
    return `layer ${owner.layer} does not import layer ${target.layer} (${name}): see test/style/layers.ts for the table`;
  }
  const root = byName.get("hybridge");
  const declared =
    owner.dependencies.has(name) ||
    (isDevelopment(file) && (owner.devDependencies.has(name) || root?.devDependencies.has(name)));
  return declared ? undefined : `${name} is not in the dependencies of ${owner.dir}/package.json`;
}

/** What is never shipped may use devDependencies. */
function isDevelopment(file: TypeScriptFile): boolean {
  return file.isTest || file.path.startsWith("test/") || file.path.startsWith("proto/");
}

function importsOf(file: TypeScriptFile): { specifier: string; position: number }[] {
  return file.tree.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const { moduleSpecifier } = statement;
    if (!moduleSpecifier || !ts.isStringLiteral(moduleSpecifier)) return [];
    return [{ specifier: moduleSpecifier.text, position: statement.getStart() }];
  });
}
