import ts from "typescript-6";
import { lineOf, type Problem, type Repository, type TypeScriptFile } from "./repository.ts";

/** Of a function's own lines: those of the functions inside it are theirs. */
const FUNCTION_LINES_MAX = 70;
/** With those inside: what returns an object of closures may be longer, but not much. */
const SHIPPED_LINES_MAX = 100;
const FILE_LINES_MAX = 500;

/** Functions that fit on a screen, files that can be read in one go. */
export function checkLengths(repository: Repository): Problem[] {
  return repository.typescript.flatMap((file) => {
    const lines = file.text.split("\n").length - 1;
    const { path } = file;
    const long =
      lines > FILE_LINES_MAX
        ? [{ path, text: `${lines} lines are more than ${FILE_LINES_MAX}: one concept a file` }]
        : [];
    return [...long, ...longFunctions(file)];
  });
}

function longFunctions(file: TypeScriptFile): Problem[] {
  const problems: Problem[] = [];
  measure(file, file.tree, (node, lines, own) => {
    const tooLong = own > FUNCTION_LINES_MAX || (!file.isTest && lines > SHIPPED_LINES_MAX);
    if (!tooLong) return;
    const name = node.name?.getText() ?? "a function";
    problems.push({
      path: file.path,
      line: lineOf(file, node.getStart()),
      text:
        `${name} has ${lines} lines, ${own} of its own; at most ${SHIPPED_LINES_MAX} and ` +
        `${FUNCTION_LINES_MAX}: give its parts names of their own`,
    });
  });
  return problems;
}

/** Tells each function with its lines, and returns how many lines functions below `node` have. */
function measure(
  file: TypeScriptFile,
  node: ts.Node,
  tell: (node: ts.SignatureDeclaration, lines: number, own: number) => void,
): number {
  let inside = 0;
  node.forEachChild((child) => {
    inside += measure(file, child, tell);
  });
  if (!ts.isFunctionLike(node) || !("body" in node) || !node.body) return inside;
  const lines = lineOf(file, node.end) - lineOf(file, node.getStart()) + 1;
  tell(node, lines, lines - inside);
  // A function on one line saves its surroundings nothing.
  return lines === 1 ? 0 : lines;
}
