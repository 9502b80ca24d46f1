import { ConfigError } from "@hybridge/core";
import type { CreatedPost } from "./frames.ts";

export interface BlueskyFilter {
  /** Several words of one keyword must all be there; a phrase stands in quotation marks. None: all. */
  readonly keywords: readonly string[];
  /** BCP 47 codes; `en` means en-GB as well. None: all. */
  readonly languages: readonly string[];
}

/**
 * Whether a new post is wanted. Jetstream filters by author and collection alone, so that this is
 * ours to do. A post that names no language is in none.
 *
 * @throws ConfigError with every problem at once
 */
export function postFilter({ keywords, languages }: BlueskyFilter): (post: CreatedPost) => boolean {
  const problems = keywords.filter((each) => {
    return (
      each.trim() === "" ||
      each
        .trim()
        .replace(/^"([^"]+)"$/, "$1")
        .includes('"')
    );
  });
  if (problems.length > 0) {
    throw new ConfigError(
      `keywords for Bluesky: a quotation mark stands only at both ends of a phrase, not as in ${problems.join(", ")}`,
    );
  }
  const matchers = keywords.map(keywordMatcher);
  const codes = languages.map((language) => language.toLowerCase());
  return (post) => {
    if (codes.length > 0 && !post.languages.some((each) => isOneOf(each.toLowerCase(), codes))) {
      return false;
    }
    if (matchers.length === 0) return true;
    const tags = post.tags.map((tag) => `#${tag}`).join(" ");
    const said = folded(`${post.text} ${tags}`);
    return matchers.some((matches) => matches(said));
  };
}

function isOneOf(language: string, codes: readonly string[]): boolean {
  return codes.some((code) => language === code || language.startsWith(`${code}-`));
}

function keywordMatcher(keyword: string): (text: string) => boolean {
  const phrase = /^"([^"]+)"$/.exec(keyword.trim())?.[1];
  const parts = phrase === undefined ? keyword.trim().split(/\s+/) : [phrase];
  const patterns = parts.map((part) => wordPattern(folded(part)));
  return (text) => patterns.every((pattern) => pattern.test(text));
}

/** Scripts that put no spaces between words: there a word may stand within others. */
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;

function wordPattern(word: string): RegExp {
  const literal = word
    .replace(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)
    .replace(/\s+/g, String.raw`\s+`);
  if (UNSPACED.test(word)) return new RegExp(literal, "u");
  return new RegExp(String.raw`(?<![\p{L}\p{N}\p{M}_])${literal}(?![\p{L}\p{N}\p{M}_])`, "u");
}

/** The same for upper and lower case, and for one letter written as two characters. */
function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}
