import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript-6";

/** A text file of the project, by its path from the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A TypeScript file with its syntax tree. */
export interface TypeScriptFile extends SourceFile {
  readonly tree: ts.SourceFile;
  readonly package: Package | undefined;
  /** Tests, fakes and what helps them: not shipped. */
  readonly isTest: boolean;
}

export interface Package {
  /** Its folder from the root. */
  readonly dir: string;
  readonly name: string;
  readonly layer: string;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
}

/** What the checks look at: everything that git has or would take. */
export interface Repository {
  readonly root: string;
  readonly files: readonly SourceFile[];
  readonly typescript: readonly TypeScriptFile[];
  readonly packages: readonly Package[];
}

/** Something that is not as it should be, and what to do about it. */
export interface Problem {
  readonly path: string;
  readonly line?: number;
  readonly text: string;
}

const TEXT = /\.(ts|mjs|cjs|js|json|md|ya?ml|proto|sh|xml|html|css|tpl)$|^\.[^/]*$/;
const NOT_OURS = /^(package-lock\.json|deploy\/local\/poms\/.*lock.*)$/;

export function readRepository(root: string): Repository {
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
    cwd: root,
  });
  const paths = listed
    .toString("utf8")
    .split("\0")
    .filter((path) => path !== "" && TEXT.test(path) && !NOT_OURS.test(path))
    // A deleted file stays listed until the deletion is staged.
    .filter((path) => existsSync(join(root, path)));
  const files = [...new Set(paths)].sort().map((path) => {
    return { path, text: readFileSync(join(root, path), "utf8") };
  });
  const packages = files.filter(({ path }) => path.endsWith("package.json")).map(packageOf);
  const typescript = files
    .filter(({ path }) => path.endsWith(".ts"))
    .map((file) => {
      const tree = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
      return {
        ...file,
        tree,
        package: ownerOf(file.path, packages),
        isTest: isTestPath(file.path),
      };
    });
  return { root, files, typescript, packages };
}

function packageOf(file: SourceFile): Package {
  const json = JSON.parse(file.text) as {
    name?: string;
    nx?: { tags?: string[] };
    dependencies?: Record<string, string>;
    devDependencies?: Record<string, string>;
    optionalDependencies?: Record<string, string>;
  };
  const tag = json.nx?.tags?.find((each) => each.startsWith("layer:"));
  return {
    dir: dirname(file.path),
    name: json.name ?? "",
    layer: tag?.slice("layer:".length) ?? "",
    dependencies: new Set(Object.keys({ ...json.dependencies, ...json.optionalDependencies })),
    devDependencies: new Set(Object.keys(json.devDependencies ?? {})),
  };
}

function ownerOf(path: string, packages: readonly Package[]): Package | undefined {
  let owner: Package | undefined;
  for (const each of packages) {
    const inside = each.dir === "." || path.startsWith(`${each.dir}/`);
    if (inside && each.dir.length >= (owner?.dir.length ?? 0)) owner = each;
  }
  return owner;
}

function isTestPath(path: string): boolean {
  return /(^|\/)(test|testing)\//.test(path);
}

/** Calls `visit` for every node of a tree, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  node.forEachChild((child) => walk(child, visit));
}

/** From 1. */
export function lineOf(file: TypeScriptFile, position: number): number {
  return file.tree.getLineAndCharacterOfPosition(position).line + 1;
}

/** Places of a pattern in a text, with their lines. */
export function* matchesIn(
  file: SourceFile,
  pattern: RegExp,
): Generator<{ line: number; match: RegExpExecArray }> {
  for (const match of file.text.matchAll(pattern)) {
    const line = file.text.slice(0, match.index).split("\n").length;
    yield { line, match };
  }
}
