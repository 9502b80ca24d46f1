import type { Entry } from "./properties.ts";

/** A setting of ours, with where it comes from. */
export interface Translated {
  readonly program: Program;
  readonly name: string;
  readonly value: string;
  /** What it does, and what is different. */
  readonly why: string;
  readonly from: readonly Entry[];
}

export type Program = "ingest" | "mirror" | "warehouse-internal";

/** Something that has no setting here, and why. */
export interface Dropped {
  readonly from: Entry;
  readonly why: string;
}

/** What became of some files: every entry of them is in one of the lists. */
export interface Migration {
  readonly title: string;
  readonly settings: readonly Translated[];
  readonly dropped: readonly Dropped[];
  /** What a person has to know or do besides. */
  readonly notes: readonly string[];
}

const LISTS = new Set(["HYBRIDGE_FEEDS", "HYBRIDGE_REPLAY_FILES"]);

/** Collects a migration. */
export class MigrationBuilder {
  readonly #settings: Translated[] = [];
  readonly #dropped: Dropped[] = [];
  readonly #notes: string[] = [];

  /** Lists grow. Of other settings the first value stays; another one for it is named as dropped. */
  set(program: Program, name: string, value: string, why: string, ...from: Entry[]): void {
    const known = this.#settings.find((each) => each.program === program && each.name === name);
    if (!known) {
      this.#settings.push({ program, name, value, why, from });
      return;
    }
    if (LISTS.has(name) && !known.value.split(",").includes(value)) {
      const index = this.#settings.indexOf(known);
      const both = { value: `${known.value},${value}`, from: [...known.from, ...from] };
      this.#settings[index] = { ...known, ...both };
      return;
    }
    if (known.value === value) {
      for (const entry of from) this.drop(entry, `${name} says that already`);
      return;
    }
    for (const entry of from) this.drop(entry, `${name} is ${known.value} by another line already`);
  }

  drop(from: Entry, why: string): void {
    this.#dropped.push({ from, why });
  }

  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }

  /** Entries that nothing was said of are named, too. */
  finish(title: string, entries: readonly Entry[]): Migration {
    const told = new Set([
      ...this.#settings.flatMap(({ from }) => from),
      ...this.#dropped.map(({ from }) => from),
    ]);
    for (const entry of entries) {
      if (!told.has(entry)) this.drop(entry, "this command does not know it");
    }
    return {
      title,
      settings: this.#settings,
      dropped: this.#dropped.toSorted((one, other) => one.from.line - other.from.line),
      notes: this.#notes,
    };
  }
}

/** As text that a shell or a service manager can read as environment, every line explained. */
export function migrationText({ title, settings, dropped, notes }: Migration): string {
  const lines = [`# ${title}`];
  for (const program of new Set(settings.map((each) => each.program))) {
    lines.push("", `# --- ${program} ---`);
    for (const { name, value, why, from, ...each } of settings) {
      if (each.program !== program) continue;
      lines.push(...from.map((entry) => `# ${placeOf(entry)}`), `#   ${why}`);
      lines.push(`${name}=${quoted(value)}`);
    }
  }
  if (dropped.length > 0) lines.push("", "# --- without a counterpart ---");
  for (const { from, why } of dropped) lines.push(`# ${placeOf(from)}`, `#   ${why}`);
  if (notes.length > 0) lines.push("", "# --- to do ---", ...notes.map((note) => `# - ${note}`));
  return lines.join("\n");
}

export function migrationJson({ title, settings, dropped, notes }: Migration): string {
  return JSON.stringify({
    title,
    settings: settings.map(({ program, name, value, why, from }) => {
      return {
        program,
        name,
        value,
        why,
        from: from.map(({ file, line, key }) => ({ file, line, key })),
      };
    }),
    dropped: dropped.map(({ from, why }) => ({
      file: from.file,
      line: from.line,
      key: from.key,
      why,
    })),
    notes,
  });
}

const SECRET = /secret|password|token$|accessToken|consumerKey|jaas/i;

function placeOf({ file, line, key, value }: Entry): string {
  return `${file}:${line} ${key} = ${SECRET.test(key) ? "(not shown)" : value.replace(/\s+/g, " ")}`;
}

function quoted(value: string): string {
  return /^[\w@%+=:,./-]*$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}
