import type { MigrationBuilder } from "./migration.ts";
import type { Entry } from "./properties.ts";

/** One component of a Flume agent: its type and its properties, by their names within it. */
export interface Component {
  readonly name: string;
  readonly type: string;
  readonly typeEntry: Entry | undefined;
  readonly properties: ReadonlyMap<string, Entry>;
}

/** What a property of a component becomes; undefined when it is not known. */
export type Rule = (entry: Entry, component: Component) => void;

/** Applies the rule of each property; what has none stays for the builder to name. */
export function apply(
  component: Component,
  rules: Readonly<Record<string, Rule>>,
  otherwise?: (name: string, entry: Entry) => boolean,
): void {
  for (const [name, entry] of component.properties) {
    if (/^(channels?|interceptors.*|selector.*)$/.test(name)) continue;
    const rule = rules[name];
    if (rule) rule(entry, component);
    else otherwise?.(name, entry);
  }
}

export function wiring(builder: MigrationBuilder, { properties }: Component): void {
  for (const name of ["channel", "channels"]) {
    const entry = properties.get(name);
    if (entry) builder.drop(entry, "the spool stands between every feed and Kafka");
  }
}
