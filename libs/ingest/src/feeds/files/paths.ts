import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** The files that are named, and those of folders that are, by name; hidden ones are left alone. */
export async function filesIn(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isDirectory()) {
      files.push(path);
      continue;
    }
    const names = (await readdir(path)).filter((name) => !name.startsWith("."));
    for (const name of names.sort()) {
      const inner = join(path, name);
      if ((await stat(inner).catch(() => undefined))?.isFile()) files.push(inner);
    }
  }
  return files;
}
