import { setting, type Settings } from "@hybridge/core";
import { z } from "zod";
import { xPlans } from "./x/rules.ts";

/** Parts with commas, without blanks around them; a comma within quotation marks separates nothing. */
function list(fallback = "") {
  return z
    .string()
    .prefault(fallback)
    .transform((text) => text.match(/(?:"[^"]*"|[^,])+/g) ?? [])
    .transform((parts) => parts.map((part) => part.trim()))
    .transform((parts) => parts.filter((part) => part !== ""));
}

/** Rules hold commas and blanks: a semicolon ends one. */
const rules = z
  .string()
  .prefault("")
  .transform((text) => text.split(";").map((part) => part.trim()))
  .transform((parts) => parts.filter((part) => part !== ""));

const plans = Object.keys(xPlans) as (keyof typeof xPlans)[];

const WSS = "must be wss:// addresses, with commas";
/** The settings of the feeds x and bluesky: ingest reads them, and `npm start -- --live` hands them on. */
export const liveSettings = {
  HYBRIDGE_X_BEARER_TOKEN: {
    schema: setting.optional(),
    doc: "the bearer token of an app at X",
    secret: true,
  },
  HYBRIDGE_X_CONSUMER_KEY: {
    schema: setting.optional(),
    doc: "instead of the bearer token: the app's key, with HYBRIDGE_X_CONSUMER_SECRET",
    secret: true,
  },
  HYBRIDGE_X_CONSUMER_SECRET: {
    schema: setting.optional(),
    doc: "the secret of the app's key",
    secret: true,
  },
  HYBRIDGE_X_KEYWORDS: {
    schema: list(),
    doc: "posts with any of these are taken from X, with commas; several words of one must all be there, a phrase stands in quotation marks",
  },
  HYBRIDGE_X_USERS: {
    schema: list(),
    doc: "posts of these are taken from X, with commas: handles or ids",
  },
  HYBRIDGE_X_LANGUAGES: {
    schema: list(),
    doc: "narrows keywords and users to posts in these languages, with commas: en, ja",
  },
  HYBRIDGE_X_RULES: {
    schema: rules,
    doc: "further rules in X's own language, with semicolons",
  },
  HYBRIDGE_X_TAG: {
    schema: setting.text("hybridge"),
    doc: "the tag of our rules at X; rules with another one are left alone",
  },
  HYBRIDGE_X_PLAN: {
    schema: setting.oneOf(plans as ["pay-per-use", "enterprise"], "pay-per-use"),
    doc: "the plan at X, which bounds rules and backfill",
  },
  HYBRIDGE_X_READS_MAX: {
    // X charged $0.005 a post in 2026: the default is a bill of $50.
    schema: setting.integer(0, 1_000_000_000, 10_000),
    doc: "posts that may be read from X in a month; 0 for no bound of ours",
  },
  HYBRIDGE_X_READS_RESET_DAY: {
    schema: setting.integer(1, 28, 1),
    doc: "the day on which X's month begins, UTC",
  },
  HYBRIDGE_X_URL: { schema: setting.url("https://api.x.com"), doc: "where X's API v2 answers" },
  HYBRIDGE_BLUESKY_ENDPOINTS: {
    schema: list("wss://jetstream.us-east.bsky.network, wss://jetstream.us-west.bsky.network").pipe(
      z
        .array(
          z.url({ protocol: /^wss?$/, error: WSS }).transform((url) => url.replace(/\/+$/, "")),
        )
        .min(1, { error: WSS }),
    ),
    doc: "instances of Jetstream, with commas; the next is tried when one fails",
  },
  HYBRIDGE_BLUESKY_API_URL: {
    schema: setting.url("https://public.api.bsky.app"),
    doc: "where handles of authors are looked up",
  },
  HYBRIDGE_BLUESKY_KEYWORDS: {
    schema: list(),
    doc: "posts of Bluesky with any of these are taken, with commas; default: all",
  },
  HYBRIDGE_BLUESKY_LANGUAGES: {
    schema: list(),
    doc: "posts of Bluesky in any of these languages are taken, with commas; default: all",
  },
  HYBRIDGE_BLUESKY_AUTHORS: {
    schema: list(),
    doc: "posts of these authors are taken, with commas: handles or DIDs; default: all",
  },
} as const satisfies Settings;
