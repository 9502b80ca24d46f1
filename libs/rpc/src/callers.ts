import { createHash, timingSafeEqual } from "node:crypto";
import { ConfigError } from "@hybridge/core";
import type { RpcConfig } from "./settings.ts";

/** What a caller may do: look (`read`), or look and change what runs (`control`). */
export type Scope = "read" | "control";

/** Whose token a call carried. */
export interface Caller {
  readonly name: string;
  readonly scope: Scope;
}

interface KnownToken extends Caller {
  readonly digest: Buffer;
}

const LISTED = "HYBRIDGE_RPC_TOKENS";

/**
 * Who calls, by the tokens of the settings. They are looked at on each call: a token that was
 * taken out of its file is refused from then on. Without any token everybody may do everything.
 *
 * @returns undefined for a call that carries no token of ours
 * @throws ConfigError, when called, for a list that is malformed
 */
export function knownCallers(config: RpcConfig): (authorization: string) => Caller | undefined {
  const { HYBRIDGE_RPC_TOKEN: single, [LISTED]: listed } = config;
  if (single === undefined && listed === undefined) return () => ANYBODY;
  let text: string | undefined;
  let tokens: readonly KnownToken[] = [];
  const listedTokens = () => {
    const now = listed?.value();
    if (now !== text) [tokens, text] = [now === undefined ? [] : parse(now), now];
    return tokens;
  };
  listedTokens();
  return (authorization) => {
    const sent = digest(authorization);
    let found: Caller | undefined;
    // All of them are compared, so that the time says nothing about which one came close.
    for (const token of [...singleToken(single?.value()), ...stillGood(listedTokens, tokens)]) {
      if (timingSafeEqual(token.digest, sent)) found = { name: token.name, scope: token.scope };
    }
    return found;
  };
}

const ANYBODY: Caller = { name: "anybody", scope: "control" };

/** A list that was broken while we run leaves the former one in force. */
function stillGood(read: () => readonly KnownToken[], former: readonly KnownToken[]) {
  try {
    return read();
  } catch {
    return former;
  }
}

function singleToken(token: string | undefined): KnownToken[] {
  if (token === undefined) return [];
  return [{ name: "HYBRIDGE_RPC_TOKEN", scope: "control", digest: digest(`Bearer ${token}`) }];
}

/** `name:scope:token`, one a line or with commas between them. */
function parse(text: string): KnownToken[] {
  const entries = text
    .split(/[,\n]/)
    .flatMap((entry) => (entry.trim() === "" ? [] : [entry.trim()]));
  return entries.map((entry, index) => {
    const [, name, scope, token] = /^([\w.@-]+):(read|control):(\S+)$/.exec(entry) ?? [];
    if (name === undefined || token === undefined) {
      // What stands there may be a token: it is not repeated.
      throw new ConfigError(
        `${LISTED}: entry ${index + 1} is not name:scope:token, with scope read or control`,
      );
    }
    return { name, scope: scope as Scope, digest: digest(`Bearer ${token}`) };
  });
}

/** Digests have one length, whatever the caller sent, which timingSafeEqual asks for. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
