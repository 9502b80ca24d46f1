import { XAnswerError, XRulesRefusedError, type XRefusal } from "./errors.ts";

/** An answer of X, apart from how it came. */
export interface XAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed JSON, or text. */
  readonly body: unknown;
}

/** A problem as X describes it: in the body of an answer, in `errors` of one, or as a message of the stream. */
export interface XProblem {
  readonly title: string;
  readonly detail: string;
  /** What of several kinds it is: disconnect_type, connection_issue or period. */
  readonly kind: string;
  /** What it is about, where that is one thing: the text of a rule. */
  readonly value: string;
}

/** The problems in a body or a message; none when it has none. */
export function problemsIn(body: unknown): readonly XProblem[] {
  const root = objectOf(body);
  if (!root) return [];
  const listed = Array.isArray(root["errors"]) ? root["errors"] : [];
  const problems = listed.flatMap((each) => problemOf(objectOf(each)) ?? []);
  if (problems.length > 0) return problems;
  return problemOf(root) ?? [];
}

/**
 * What an answer that is no success means.
 *
 * @param what was asked of X, for people: "the stream", "the list of rules"
 */
export function answerError(what: string, answer: XAnswer): XAnswerError {
  const problems = problemsIn(answer.body);
  const refusal = refusalOf(answer.status, problems);
  const said = problems.map(sayProblem).join("; ") || "nothing more";
  return new XAnswerError(
    `X answered ${answer.status} when it was asked for ${what} (${said}): ${advice[refusal]}`,
    { refusal, status: answer.status, resetAtMs: resetAt(answer.headers) },
  );
}

/** What X did not take of the rules that it was given, or undefined when it took them. */
export function refusedRules(body: unknown): XRulesRefusedError | undefined {
  const problems = problemsIn(body).filter(({ title }) => title !== "DuplicateRule");
  if (problems.length === 0) return undefined;
  const lines = problems.map((problem) => {
    return `  ${problem.value === "" ? "" : `${problem.value}: `}${sayProblem(problem)}`;
  });
  return new XRulesRefusedError(
    `X does not take ${problems.length === 1 ? "a rule" : `${problems.length} rules`}; nothing was changed:\n${lines.join("\n")}`,
  );
}

/** A problem in a line of a log. */
export function sayProblem({ title, kind, detail }: XProblem): string {
  return [title, kind, detail].filter((part) => part !== "").join(", ");
}

const advice: Record<XRefusal, string> = {
  "rate-limit": "it is asked again when X counts anew",
  "connection-limit":
    "another connection of this app is open, or X has not noticed yet that one is dead (it may take 20 minutes); check that no other process uses the token",
  "usage-cap": "the plan's posts of this month are used up; see the developer console of X",
  credentials:
    "check the token, that it is an app's (bearer), and that the app's plan has the filtered stream",
  other: "it is asked again, ever later",
};

function refusalOf(status: number, problems: readonly XProblem[]): XRefusal {
  if (status === 401 || status === 403) return "credentials";
  if (status !== 429) return "other";
  if (problems.some(({ kind }) => kind === "TooManyConnections")) return "connection-limit";
  return problems.some(({ title }) => title === "UsageCapExceeded") ? "usage-cap" : "rate-limit";
}

/** `x-rate-limit-reset` is in seconds since 1970; X sends no Retry-After. */
function resetAt(headers: XAnswer["headers"]): number | undefined {
  const seconds = Number(headers["x-rate-limit-reset"]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined;
}

function problemOf(json: Record<string, unknown> | undefined): XProblem[] | undefined {
  if (!json) return undefined;
  const title = textOf(json["title"]);
  const detail = textOf(json["detail"]) || textOf(json["message"]);
  if (title === "" && detail === "") return undefined;
  const kind = textOf(json["disconnect_type"]) || textOf(json["connection_issue"]);
  return [{ title, detail, kind: kind || textOf(json["period"]), value: textOf(json["value"]) }];
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : undefined;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
