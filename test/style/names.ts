import ts from "typescript-6";
import { lineOf, type Problem, type Repository, type TypeScriptFile } from "./repository.ts";

/** Words that say nothing, and what to say instead. */
const EMPTY_WORDS: Readonly<Record<string, string>> = {
  util: "name the file after what it does (retry, byte-size)",
  utils: "name the file after what it does (retry, byte-size)",
  helper: "name what it does for whom, or move it to where it is used",
  helpers: "name what they do, one concept a file",
  common: "name the concept that is shared",
  misc: "one concept a file",
  manager: "say what it does: registry, pool, supervisor, session",
  impl: "say how it differs: fencedWriter, memoryStore",
};

/** Files with names that others prescribe. */
const PRESCRIBED = /(^|\/)(README|CONTRIBUTING|LICENSE|Chart|Dockerfile|NOTES)\b/;

/** kebab-case files; names that say something. */
export function checkNames(repository: Repository): Problem[] {
  const files = repository.files.flatMap(({ path }) => {
    if (PRESCRIBED.test(path)) return [];
    return path.split("/").flatMap((part) => objectionsToPart(path, part));
  });
  return [...files, ...repository.typescript.flatMap(identifiers)];
}

function objectionsToPart(path: string, part: string): Problem[] {
  const stem = part.replace(/^[._]/, "").split(".")[0] ?? "";
  const problems: Problem[] = [];
  if (path.endsWith(".ts") && !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem) && !/^v\d/.test(stem)) {
    // Folders and files under gen/ are named by the generator; git ignores them.
    problems.push({ path, text: `${part} is not kebab-case` });
  }
  for (const word of stem.split("-")) {
    const advice = EMPTY_WORDS[word];
    if (advice !== undefined && Object.hasOwn(EMPTY_WORDS, word)) {
      problems.push({ path, text: `"${word}" says nothing: ${advice}` });
    }
  }
  return problems;
}

function identifiers(file: TypeScriptFile): Problem[] {
  return file.tree.statements.flatMap((statement) => {
    const named =
      ts.isClassDeclaration(statement) ||
      ts.isFunctionDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement);
    // A name of one word is a concept of its own (`common` flags of a command).
    const name = named ? (statement.name?.text ?? "") : "";
    const last = /[a-z0-9]([A-Z][a-z]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
    const advice = Object.hasOwn(EMPTY_WORDS, last) ? EMPTY_WORDS[last] : undefined;
    if (advice === undefined) return [];
    const line = lineOf(file, statement.getStart());
    return [{ path: file.path, line, text: `${name}: "${last}" says nothing: ${advice}` }];
  });
}
