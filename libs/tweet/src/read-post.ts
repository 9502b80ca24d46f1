import { isUtf8 } from "node:buffer";
import { readBluesky } from "./bluesky.ts";
import { objectOf, parseExactly, type Json } from "./json.ts";
import type { PostFields, PostSchema } from "./post.ts";
import { readXv11 } from "./x-v11.ts";
import { readXv2 } from "./x-v2.ts";

/** Why bytes are no post. Stable: dead letters and metrics carry it. */
export type NotAPost = "EMPTY" | "NOT_UTF8" | "NOT_JSON" | "NOT_AN_OBJECT" | "NO_ID";

export type ReadPost =
  | {
      readonly ok: true;
      readonly fields: PostFields;
      readonly schema: PostSchema;
      readonly text: string;
    }
  | { readonly ok: false; readonly code: NotAPost; readonly reason: string };

const readers: Readonly<Record<PostSchema, (json: Json) => PostFields | undefined>> = {
  "x.v1.1": readXv11,
  "x.v2": readXv2,
  "bluesky.v1": readBluesky,
};

/**
 * Reads the bytes of one post. `schema` is what the header says; without it, or when it says
 * something unknown, the shape decides. Never throws: whatever the bytes are, it says what they are.
 */
export function readPost(value: Buffer | null, schema?: string): ReadPost {
  if (value === null || value.length === 0) return refuse("EMPTY", "the value is empty");
  if (!isUtf8(value)) return refuse("NOT_UTF8", "the value is not UTF-8");
  const text = value.toString("utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return refuse(
      "NOT_JSON",
      `the value is not JSON: ${error instanceof Error ? error.message : ""}`,
    );
  }
  const object = objectOf(json);
  if (!object) return refuse("NOT_AN_OBJECT", "the value is JSON and not an object");
  const form = isSchema(schema) ? schema : shapeOf(object);
  const read = readers[form];
  const fields = read(object) ?? readInexactId(text, read);
  if (!fields) return refuse("NO_ID", `the value has no id where ${form} has it`);
  return { ok: true, fields, schema: form, text };
}

/** A number over 2^53 is no id once JSON.parse has rounded it: read its digits. */
function readInexactId(
  text: string,
  read: (json: Json) => PostFields | undefined,
): PostFields | undefined {
  if (!/\d{16}/.test(text)) return undefined;
  const exact = objectOf(parseExactly(text));
  return exact ? read(exact) : undefined;
}

function refuse(code: NotAPost, reason: string): ReadPost {
  return { ok: false, code, reason };
}

function isSchema(name: string | undefined): name is PostSchema {
  return name !== undefined && Object.hasOwn(readers, name);
}

function shapeOf(json: Json): PostSchema {
  if (objectOf(json["data"]) ?? objectOf(objectOf(json["delete"])?.["tweet"])) return "x.v2";
  return "did" in json || objectOf(json["payload"]) ? "bluesky.v1" : "x.v1.1";
}
