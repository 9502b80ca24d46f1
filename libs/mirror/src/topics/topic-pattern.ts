import { ConfigError } from "@hybridge/core";

/**
 * A pattern as the first system's whitelist took it: a regular expression for the whole name, or
 * several with commas. MirrorMaker 1 (kafka.consumer.TopicFilter) dropped blanks and the quotes
 * around it, and gave the rest to java.util.regex. What Java reads differently from JavaScript is
 * translated (`(?i)` at the start, `\Q..\E`, escaped punctuation) or refused, never misread. Unlike
 * there, a comma within brackets does not separate, so that `a{1,2}` means what it says.
 *
 * @throws ConfigError
 */
export function topicPattern(setting: string, text: string): RegExp {
  const refuse = refusal(setting, text);
  const parts = split(text.replaceAll(/\s/g, ""), refuse).filter((part) => part !== "");
  if (parts.length === 0) throw refuse("it matches nothing");
  let flags = "";
  const translated = parts.map((part) => {
    if (/^[*+?]/.test(part)) {
      throw refuse(
        `${part} begins with a quantifier, which has nothing to repeat; for all topics write .*`,
      );
    }
    const flag = /^\(\?([a-zA-Z]+)\)/.exec(part);
    // As in Java, where the commas are alternatives, it also holds for what follows.
    if (flag) flags += flagsOf(flag[1] ?? "", refuse);
    const rest = checked(part.slice(flag?.[0].length ?? 0), refuse);
    return flags === "" ? rest : `(?${[...new Set(flags)].join("")}:${rest})`;
  });
  return new RegExp(`^(?:${translated.join("|")})$`, "u");
}

/**
 * The topics that a pattern names one by one. A dot stands in names, so that `orders.v1` counts as
 * one, although it matches more.
 *
 * @throws ConfigError
 */
export function namedTopics(setting: string, text: string): readonly string[] {
  const parts = split(text.replaceAll(/\s/g, ""), refusal(setting, text));
  return parts
    .map((part) => part.replaceAll("\\.", "."))
    .filter((part) => /^[A-Za-z0-9._-]{1,249}$/.test(part));
}

function refusal(setting: string, text: string): Refuse {
  return (problem, cause) =>
    new ConfigError(
      `${setting}: must be regular expressions with commas, but is ${JSON.stringify(text)}: ${problem}`,
      { cause },
    );
}

type Refuse = (problem: string, cause?: unknown) => ConfigError;

/** With u an escape that JavaScript does not know is an error and not a letter. */
function checked(part: string, refuse: Refuse): string {
  try {
    new RegExp(part, "u");
    return part;
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function flagsOf(letters: string, refuse: Refuse): string {
  if (/^[ims]+$/.test(letters)) return letters;
  throw refuse(`of Java's inline flags only i, m and s are understood, not (?${letters})`);
}

/** Splits at the commas outside of brackets, and translates escapes on the way. */
function split(whole: string, refuse: Refuse): string[] {
  const text = whole.replace(/^["']+/, "").replace(/["']+$/, "");
  const parts = [""];
  let depth = 0;
  let isInClass = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? "";
    if (character === "\\") {
      const { length, translated } = escapeAt(text, at, isInClass);
      parts.push((parts.pop() ?? "") + translated);
      at += length - 1;
      continue;
    }
    if (character === "," && depth === 0 && !isInClass) {
      parts.push("");
      continue;
    }
    if (isInClass && (character === "[" || text.startsWith("&&", at))) {
      throw refuse("classes within classes are not understood");
    }
    if (character === "[") isInClass = true;
    else if (character === "]") isInClass = false;
    else if (!isInClass && "({".includes(character)) depth += 1;
    else if (!isInClass && ")}".includes(character)) depth -= 1;
    parts.push((parts.pop() ?? "") + character);
  }
  return parts.map((part) => part.replace(/^["']+/, "").replace(/["']+$/, ""));
}

function escapeAt(text: string, at: number, isInClass: boolean) {
  const next = text[at + 1] ?? "";
  if (next === "Q") {
    const end = text.indexOf("\\E", at + 2);
    const literal = text.slice(at + 2, end < 0 ? undefined : end);
    const length = literal.length + (end < 0 ? 2 : 4);
    return { length, translated: literal.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, escapeOf) };
  }
  // Java lets any punctuation be escaped; with u only what means something.
  const isPlain = /[^A-Za-z0-9\\^$.*+?()[\]{}|/]/.test(next) && !(isInClass && next === "-");
  return { length: 2, translated: isPlain ? next : `\\${next}` };
}

function escapeOf(character: string): string {
  return character === "-" ? "-" : `\\${character}`;
}
