import { randomUUID } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  type Dirent,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";

/*
 * Non-obvious: S3Mock writes its JSON files in place, so a kill while it writes leaves them empty
 * or cut off. Of its index of a bucket, bucketMetadata.json, it reads the whole at every request
 * and answers 500 for ever after; one torn objectMetadata.json keeps it from starting. It writes in
 * this order and acknowledges at the end: the key into the index, binaryData, objectMetadata.json.
 * So an object whose own files are not whole was never acknowledged (nobody here writes over an
 * object), and the index can be made again from the objects.
 */

const INDEX = "bucketMetadata.json";
const UPLOADS = "multiparts";
const UPLOAD = "multipartMetadata.json";

const indexSchema = z.looseObject({
  name: z.string(),
  path: z.string(),
  objects: z.record(z.string(), z.string()),
});
const objectSchema = z.looseObject({ id: z.string(), key: z.string(), size: z.coerce.number() });
const uploadSchema = z.looseObject({
  upload: z.looseObject({ Key: z.string() }),
  completed: z.boolean().optional(),
});
const partSchema = z.looseObject({ size: z.number() });

type Index = z.infer<typeof indexSchema>;

/**
 * Makes the data folder of an S3Mock that was killed readable again. Not while it runs. Settings of
 * a bucket whose index was torn (its lifecycle rules) are lost; its objects are not.
 *
 * @returns what was repaired, a line each
 */
export function repairS3Store(dataDir: string): readonly string[] {
  return folders(dataDir).flatMap(({ name }) => repairBucket(join(dataDir, name), name));
}

function repairBucket(dir: string, name: string): string[] {
  // Without the file it is no bucket: S3Mock says so and creates it when it is asked to.
  if (!existsSync(join(dir, INDEX))) return [];
  const repaired: string[] = [];
  const remove = (what: string) => {
    rmSync(join(dir, what), { recursive: true, force: true });
    repaired.push(`removed ${name}/${what}: it was not written to its end`);
  };
  const objects = new Map<string, string>();
  const torn = new Set<string>();
  for (const { name: id } of folders(dir)) {
    // Objects with versions have other files. Nobody here makes them: they are left alone.
    if (id === UPLOADS || existsSync(join(dir, id, "versions.json"))) continue;
    const key = wholeObjectKey(join(dir, id), id);
    if (key !== undefined) objects.set(key, id);
    else {
      torn.add(id);
      remove(id);
    }
  }
  const pending = repairUploads(join(dir, UPLOADS), (what) => {
    remove(join(UPLOADS, what));
  });
  const index = readJson(join(dir, INDEX), indexSchema);
  if (index === undefined) {
    // An upload that is not complete is listed by its key, under an id that has no folder yet.
    for (const key of pending) if (!objects.has(key)) objects.set(key, randomUUID());
    writeWhole(dir, { ...newIndex(dir, name), objects: Object.fromEntries(objects) });
    repaired.push(`made the index of bucket ${name} again, from ${objects.size} objects`);
  } else if (torn.size > 0) {
    const kept = Object.entries(index.objects).filter(([, id]) => !torn.has(id));
    writeWhole(dir, { ...index, objects: Object.fromEntries(kept) });
  }
  return repaired;
}

/** Undefined when a file of the object is missing or cut off. */
function wholeObjectKey(dir: string, id: string): string | undefined {
  const object = readJson(join(dir, "objectMetadata.json"), objectSchema);
  const whole = object?.id === id && object.size === bytesOf(join(dir, "binaryData"));
  return whole ? object.key : undefined;
}

/** Removes what is torn of multipart uploads; returns the keys of those that can be completed. */
function repairUploads(dir: string, remove: (what: string) => void): string[] {
  const keys: string[] = [];
  for (const { name: id } of folders(dir)) {
    const upload = readJson(join(dir, id, UPLOAD), uploadSchema);
    if (upload === undefined) {
      remove(id);
      continue;
    }
    if (upload.completed !== true) keys.push(upload.upload.Key);
    for (const file of readdirSync(join(dir, id))) {
      const part = /^(\d+)\.partmeta\.json$/.exec(file)?.[1];
      if (part === undefined) continue;
      const size = readJson(join(dir, id, file), partSchema)?.size;
      const data = `${part}.part`;
      if (size !== undefined && size === bytesOf(join(dir, id, data))) continue;
      remove(join(id, file));
      remove(join(id, data));
    }
  }
  return keys;
}

/** A bucket as S3Mock creates it. */
function newIndex(dir: string, name: string): Index {
  return {
    name,
    creationDate: new Date().toISOString(),
    versioningConfiguration: { MfaDelete: null, Status: null },
    objectLockConfiguration: null,
    bucketLifecycleConfiguration: null,
    objectOwnership: "BucketOwnerEnforced",
    path: pathToFileURL(`${dir}/`).href,
    bucketRegion: "us-east-1",
    bucketInfo: null,
    locationInfo: null,
    objects: {},
  };
}

/** In one step: a repair that is interrupted is repeated at the next start. */
function writeWhole(dir: string, index: Index): void {
  writeFileSync(join(dir, `${INDEX}.new`), JSON.stringify(index));
  renameSync(join(dir, `${INDEX}.new`), join(dir, INDEX));
}

function folders(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function bytesOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

/** Undefined when there is no such file, or not the whole of one. */
function readJson<T>(path: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}
