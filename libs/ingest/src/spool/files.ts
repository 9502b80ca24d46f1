import { open, readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";

const SEGMENT = /^(\d{10})\.segment$/;
const SNAPSHOT = /^(\d{16})\.state$/;

export function segmentPath(dir: string, segment: number): string {
  return join(dir, `${String(segment).padStart(10, "0")}.segment`);
}

export function snapshotPath(dir: string, frame: number): string {
  return join(dir, `${String(frame).padStart(16, "0")}.state`);
}

/** The numbers in the names of a spool's files, the smallest first. */
export async function listSpool(dir: string) {
  const names = await readdir(dir);
  const numbers = (pattern: RegExp) =>
    names
      .flatMap((name) => pattern.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((one, other) => one - other);
  return { segments: numbers(SEGMENT), snapshots: numbers(SNAPSHOT) };
}

let drafts = 0;

/** A file is there whole or as it was before, also when the power goes. */
export async function replaceFile(path: string, bytes: Buffer): Promise<void> {
  const draft = `${path}.${process.pid}-${drafts++}`;
  try {
    {
      await using file = await open(draft, "wx");
      await file.writeFile(bytes);
      await file.datasync();
    }
    await rename(draft, path);
  } catch (error) {
    await unlink(draft).catch(() => undefined);
    throw error;
  }
  await syncFolder(join(path, ".."));
}

export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r+");
  await file.datasync();
}

/** Names in a folder survive a power cut from here on. */
export async function syncFolder(dir: string): Promise<void> {
  await using folder = await open(dir, "r");
  await folder.sync();
}
