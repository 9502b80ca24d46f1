import { readFileSync } from "node:fs";

const table = new URL("../../../docs/failpoints.md", import.meta.url);

/** The failpoints that a mirror passes, by the list of them all: a new one is hit without being named here. */
export function mirrorFailpoints(): string[] {
  const names = [...readFileSync(table, "utf8").matchAll(/^\| ([\w.-]+) \|/gm)].map(
    ([, name = ""]) => name,
  );
  return names.filter((name) => /^(mirror|kafka\.fence)\./.test(name));
}
