import { readFileSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describeSetting, settingNames, type Settings } from "@hybridge/core";
import { matchesIn, type Problem, type Repository } from "./repository.ts";

const PATH = "docs/settings.md";

/** Variables between our own processes, which nobody sets. */
const INTERNAL: Readonly<Record<string, string>> = {
  HYBRIDGE_WATCH_TENTHS: "from the launcher of the local cloud to its shell",
  HYBRIDGE_WATCH_SIGNAL: "from the launcher of the local cloud to its shell",
};

/** The settings of one program, as its config.ts exports them. */
interface Program {
  readonly name: string;
  readonly settings: Settings;
}

/** docs/settings.md is what the programs say, and no other setting is spoken of. */
export async function checkSettings(repository: Repository): Promise<Problem[]> {
  const programs = await readPrograms(repository);
  return [...outdated(repository, render(programs)), ...unknown(repository, programs)];
}

export async function writeSettings(repository: Repository): Promise<void> {
  writeFileSync(join(repository.root, PATH), render(await readPrograms(repository)));
}

function outdated(repository: Repository, wanted: string): Problem[] {
  let present = "";
  try {
    present = readFileSync(join(repository.root, PATH), "utf8");
  } catch {
    // Not there is not up to date.
  }
  if (present === wanted) return [];
  const text =
    "is not what the programs say: run `node --conditions=@hybridge/source test/style/main.ts --write`";
  return [{ path: PATH, text }];
}

function unknown(repository: Repository, programs: readonly Program[]): Problem[] {
  const known = new Set(programs.flatMap(({ settings }) => settingNames(settings)));
  const prefixes = new Set([...known].flatMap(prefixesOf));
  return repository.files
    .filter(({ path }) => !/(^|\/)test(ing)?\//.test(path) && path !== PATH)
    .flatMap((file) =>
      [...matchesIn(file, /\bHYBRIDGE_[A-Z0-9]+(_[A-Z0-9]+)*\b(?!_)/g)].flatMap(
        ({ line, match }) => {
          const [name] = match;
          if (known.has(name) || prefixes.has(name) || Object.hasOwn(INTERNAL, name)) return [];
          return [{ path: file.path, line, text: `${name} is a setting of no program` }];
        },
      ),
    );
}

/** HYBRIDGE_SOURCE_TLS has the prefixes HYBRIDGE_SOURCE and HYBRIDGE_SOURCE_TLS: tables are built of them. */
function prefixesOf(name: string): string[] {
  const parts = name.split("_");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 2).join("_"));
}

/** Every `config.ts` of an app or of deploy: each export that is a table of settings. */
async function readPrograms(repository: Repository): Promise<Program[]> {
  const paths = repository.files
    .map(({ path }) => path)
    .filter((path) => /^(apps|deploy)\/.*\/config\.ts$/.test(path));
  const programs: Program[] = [];
  for (const path of paths) {
    const exports = (await import(pathToFileURL(join(repository.root, path)).href)) as Record<
      string,
      unknown
    >;
    const tables = Object.values(exports).filter(isSettings);
    if (tables.length === 0) continue;
    const [, name = path] = /^(?:apps|deploy)\/(.*)\/config\.ts$/.exec(path) ?? [];
    const settings = Object.assign({}, ...tables) as Settings;
    programs.push({ name: name.replace("/src", "").replaceAll("/", " "), settings });
  }
  return programs;
}

function isSettings(value: unknown): value is Settings {
  if (typeof value !== "object" || value === null) return false;
  const entries = Object.entries(value);
  return (
    entries.length > 0 &&
    entries.every(([name, each]) => {
      return (
        name.startsWith("HYBRIDGE_") && typeof each === "object" && each !== null && "doc" in each
      );
    })
  );
}

function render(programs: readonly Program[]): string {
  const users = new Map<string, { setting: Settings[string]; programs: string[] }>();
  for (const { name, settings } of programs) {
    for (const [key, setting] of Object.entries(settings)) {
      const sameText = `${key} ${rowOf(key, setting)}`;
      const known = users.get(sameText) ?? { setting, programs: [] };
      users.set(sameText, { setting, programs: [...known.programs, name] });
    }
  }
  const isShared = (key: string, setting: Settings[string]) =>
    (users.get(`${key} ${rowOf(key, setting)}`)?.programs.length ?? 0) > 2;
  const shared = [...users]
    .filter(([, user]) => user.programs.length > 2)
    .map(([text, user]) => rowOf(text.split(" ")[0] ?? "", user.setting, user.programs));
  const sections = programs.map(({ name, settings }) => {
    const own = Object.entries(settings).filter(([key, setting]) => !isShared(key, setting));
    return section(
      name,
      own.map(([key, setting]) => rowOf(key, setting)),
    );
  });
  return [INTRODUCTION, section("Shared by several programs", shared), ...sections, END].join("\n");
}

const INTRODUCTION = `# Settings

Generated from the programs; \`npm test\` compares. All settings are environment variables. A program
refuses unknown ones that begin with \`HYBRIDGE_\`, and tells all problems at once.

<!-- prettier-ignore-start -->
`;
const END = "<!-- prettier-ignore-end -->\n";

function section(name: string, rows: readonly string[]): string {
  if (rows.length === 0) return `## ${name}\n\nNone of its own.\n`;
  return `## ${name}\n\n| Setting | Default | Meaning |\n| --- | --- | --- |\n${rows.join("\n")}\n`;
}

function rowOf(key: string, setting: Settings[string], programs: readonly string[] = []): string {
  const fallback = setting.schema.safeParse(undefined);
  const value = fallback.success ? shown(fallback.data, setting.secret === true) : "(required)";
  const where = programs.length > 0 ? ` (${programs.join(", ")})` : "";
  return `| \`${key}\` | ${value} | ${escape(describeSetting(key, setting) + where)} |`;
}

function shown(value: unknown, secret: boolean): string {
  if (secret) return "(secret)";
  if (value === undefined || value === "" || (Array.isArray(value) && value.length === 0))
    return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  // A default may be made of where it runs; the page is the same everywhere.
  return `\`${text.replaceAll(process.cwd(), ".").replaceAll(homedir(), "~").replaceAll(tmpdir(), "<tmp>")}\``;
}

function escape(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}
