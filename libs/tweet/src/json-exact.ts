import { DEPTH_MAX } from "./json-depth.ts";

export type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: "NOT_JSON" | "TOO_DEEP"; readonly reason: string };

type Container = unknown[] | Record<string, unknown>;

/** A value that ends before `at`; or what was to stand at `at`. */
type Step =
  | { readonly at: number; readonly value: unknown }
  | { readonly at: number; readonly wanted: string };

/**
 * What JSON.parse gives, but integers over 2^53 as bigints; and where JSON.parse throws, the place
 * (its own messages differ between versions of Node, and dead letters must not). Numbers that are
 * no integers and that a double cannot count to (1e400, 1e20) are NaN.
 *
 * The stack of open containers is its own, so that no depth exhausts that of the process. Several
 * times slower than JSON.parse: for the few texts that need it.
 */
export function parseExactly(text: string): Parsed {
  const open: { readonly container: Container; key: string }[] = [];
  let at = 0;
  for (;;) {
    at = skipSpace(text, at);
    const character = text[at];
    let value: unknown;
    if (character === "[" || character === "{") {
      if (open.length === DEPTH_MAX) return tooDeep();
      const container: Container = character === "[" ? [] : {};
      at = skipSpace(text, at + 1);
      if (text[at] !== closing(container)) {
        const key = keyFor(container, text, at);
        if ("wanted" in key) return broken(key);
        open.push({ container, key: key.value as string });
        at = key.at;
        continue;
      }
      at += 1;
      value = container;
    } else {
      const step = character === '"' ? stringAt(text, at) : scalarAt(text, at);
      if ("wanted" in step) return broken(step);
      ({ at, value } = step);
    }
    // A value is complete, and with it perhaps what it stands in.
    for (;;) {
      at = skipSpace(text, at);
      const inner = open.at(-1);
      if (!inner)
        return at === text.length ? { ok: true, value } : broken({ at, wanted: "the end" });
      put(inner.container, inner.key, value);
      if (text[at] === ",") {
        const key = keyFor(inner.container, text, skipSpace(text, at + 1));
        if ("wanted" in key) return broken(key);
        inner.key = key.value as string;
        at = key.at;
        break;
      }
      if (text[at] !== closing(inner.container)) {
        return broken({ at, wanted: `"," or "${closing(inner.container)}"` });
      }
      at += 1;
      value = inner.container;
      open.pop();
    }
  }
}

/** In an object: the key at `at`, up to and with its colon. In a list there is none. */
function keyFor(container: Container, text: string, at: number): Step {
  if (Array.isArray(container)) return { at, value: "" };
  if (text[at] !== '"') return { at, wanted: "a name in quotes" };
  const key = stringAt(text, at);
  if ("wanted" in key) return key;
  const colon = skipSpace(text, key.at);
  return text[colon] === ":" ? { at: colon + 1, value: key.value } : { at: colon, wanted: '":"' };
}

function put(container: Container, key: string, value: unknown): void {
  if (Array.isArray(container)) container.push(value);
  // Assigned, this name would be the prototype; JSON.parse makes it a member, and so does this.
  else if (key === "__proto__") {
    Object.defineProperty(container, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  } else container[key] = value;
}

function stringAt(text: string, start: number): Step {
  let hasEscapes = false;
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      const value = hasEscapes ? unescaped(text.slice(start, at + 1)) : text.slice(start + 1, at);
      return value === undefined
        ? { at: start, wanted: "a string with valid escapes" }
        : { at: at + 1, value };
    }
    if (code < 0x20) return { at, wanted: "no control character in a string" };
    if (code === 0x5c) {
      hasEscapes = true;
      at += 1;
    }
  }
  return { at: text.length, wanted: "the end of a string" };
}

/** Native, and flat: one string has no depth. */
function unescaped(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const WORDS: readonly (readonly [string, unknown])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

function scalarAt(text: string, at: number): Step {
  for (const [word, value] of WORDS) {
    if (text.startsWith(word, at)) return { at: at + word.length, value };
  }
  NUMBER.lastIndex = at;
  const match = NUMBER.exec(text);
  if (!match) return { at, wanted: "a value" };
  const [source, fraction, exponent] = match;
  return { at: at + source.length, value: numberOf(source, fraction ?? exponent) };
}

/** Digits of an integer that becomes a bigint; more are no id and no count, and cost quadratic time. */
const DIGITS_MAX = 512;

function numberOf(source: string, isFraction: string | undefined): number | bigint {
  const value = Number(source);
  if (Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value))) {
    return value;
  }
  return isFraction === undefined && source.length <= DIGITS_MAX ? BigInt(source) : Number.NaN;
}

function closing(container: Container): "]" | "}" {
  return Array.isArray(container) ? "]" : "}";
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at += 1;
  return at;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function broken({ at, wanted }: { readonly at: number; readonly wanted: string }): Parsed {
  return { ok: false, code: "NOT_JSON", reason: `${wanted} is missing at character ${at}` };
}

function tooDeep(): Parsed {
  return {
    ok: false,
    code: "TOO_DEEP",
    reason: `more than ${DEPTH_MAX} lists and objects are open`,
  };
}
