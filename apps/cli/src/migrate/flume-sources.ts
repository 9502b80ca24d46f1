import { apply, wiring, type Component, type Rule } from "./flume-component.ts";
import type { MigrationBuilder } from "./migration.ts";
import type { Entry } from "./properties.ts";

type Translate = (builder: MigrationBuilder, source: Component) => void;

const kinds: readonly (readonly [RegExp, Translate])[] = [
  [/TwitterSource$/, translateTwitter],
  [/^(spooldir|.*SpoolDirectorySource)$/i, translateFolder],
  [/^(TAILDIR|.*TaildirSource)$/i, translateTaildir],
  [/^(exec|.*ExecSource)$/i, translateExec],
  [/^(http|.*HTTPSource)$/i, translateHttp],
];

/** Translates a source of Flume: most of them are a feed. */
export function translateSource(builder: MigrationBuilder, source: Component): void {
  wiring(builder, source);
  const kind = kinds.find(([pattern]) => pattern.test(source.type));
  if (kind) kind[1](builder, source);
  else if (source.typeEntry) {
    builder.drop(
      source.typeEntry,
      "there is no such feed: post to the feed push, or write into the topic directly",
    );
  }
}

function feed(
  builder: MigrationBuilder,
  entry: Entry | undefined,
  name: string,
  why: string,
): void {
  builder.set("ingest", "HYBRIDGE_FEEDS", name, why, ...(entry ? [entry] : []));
}

function settingOf(builder: MigrationBuilder, name: string, why: string): Rule {
  return (entry) => builder.set("ingest", name, entry.value, why, entry);
}

function without(builder: MigrationBuilder, why: string): Rule {
  return (entry) => builder.drop(entry, why);
}

function follow(builder: MigrationBuilder): void {
  const why = "go on with what is added, also when files are rotated, as tail -F";
  builder.set("ingest", "HYBRIDGE_REPLAY_NEXT", "follow", why);
  builder.set("ingest", "HYBRIDGE_REPLAY_RATE", "0", "as fast as it goes");
}

function translateFolder(builder: MigrationBuilder, source: Component): void {
  feed(builder, source.typeEntry, "replay", "files of a folder, with the posts that they hold");
  const kept = "files are neither renamed nor deleted: how far each was read is in the spool";
  apply(source, {
    spoolDir: settingOf(
      builder,
      "HYBRIDGE_REPLAY_FILES",
      "a folder: all files in it, and those that come",
    ),
    fileSuffix: without(builder, kept),
    deletePolicy: without(builder, kept),
    trackerDir: without(builder, kept),
    batchSize: without(builder, "batches adapt by themselves"),
    deserializer: without(builder, "the content decides how a file is read"),
  });
  follow(builder);
}

function translateExec(builder: MigrationBuilder, { typeEntry, properties }: Component): void {
  const command = properties.get("command");
  const file = /\btail\s+(?:-\S+\s+(?:\d+\s+)?)*(\S+)\s*$/.exec(command?.value ?? "")?.[1];
  if (command && file !== undefined) {
    feed(builder, typeEntry, "replay", "a file that is added to");
    builder.set("ingest", "HYBRIDGE_REPLAY_FILES", file, "the file that tail followed", command);
    follow(builder);
  } else if (typeEntry) {
    const why = "no command is run: pipe its output into ingest, with - in HYBRIDGE_REPLAY_FILES";
    builder.drop(typeEntry, why);
  }
}

function translateHttp(builder: MigrationBuilder, source: Component): void {
  feed(builder, source.typeEntry, "push", "POST /posts, a post a line, with a token");
  apply(source, {
    bind: settingOf(builder, "HYBRIDGE_PUSH_HOST", "address to listen on"),
    port: settingOf(builder, "HYBRIDGE_PUSH_PORT", "port to listen on"),
    handler: without(builder, "a body is a post a line"),
  });
  builder.note("HYBRIDGE_PUSH_TOKEN_FILE: a file with the token that those who post have to show");
}

function translateTwitter(builder: MigrationBuilder, source: Component): void {
  const why = "the filtered stream of X's API v2; the v1.1 stream that TwitterSource used is gone";
  feed(builder, source.typeEntry, "x", why);
  const secretFile = (name: string, file: string, what: string): Rule => {
    return (entry) =>
      builder.set("ingest", name, file, `a file that holds ${what}, and nothing else`, entry);
  };
  const user: Rule = (entry) =>
    builder.drop(
      entry,
      "the filtered stream takes the app's own token; that of a user is not needed",
    );
  apply(source, {
    consumerKey: secretFile("HYBRIDGE_X_CONSUMER_KEY_FILE", "x-consumer-key", "the app's key"),
    consumerSecret: secretFile(
      "HYBRIDGE_X_CONSUMER_SECRET_FILE",
      "x-consumer-secret",
      "its secret",
    ),
    accessToken: user,
    accessTokenSecret: user,
    keywords: (entry) =>
      builder.set(
        "ingest",
        "HYBRIDGE_X_KEYWORDS",
        entry.value,
        "a post that has any of them is taken; they become rules at X",
        entry,
      ),
    maxBatchSize: (entry) =>
      builder.drop(entry, "a record is one post; Flume's was an Avro file of up to so many"),
    maxBatchDurationMillis: (entry) => {
      const ms = String(Math.min(5_000, Number(entry.value) || 20));
      builder.set(
        "ingest",
        "HYBRIDGE_LINGER_MS",
        ms,
        "how long a post waits for others; 20 is enough",
        entry,
      );
    },
  });
  if (!source.properties.has("keywords")) {
    builder.note(
      "TwitterSource without keywords took a sample of all posts, which X gives nobody for free: give HYBRIDGE_X_KEYWORDS, HYBRIDGE_X_USERS or HYBRIDGE_X_RULES, or take HYBRIDGE_FEEDS=bluesky, which needs no key",
    );
  }
  builder.note("X counts and bills posts that are read: HYBRIDGE_X_READS_MAX bounds them a month");
}

function translateTaildir(builder: MigrationBuilder, source: Component): void {
  feed(builder, source.typeEntry, "replay", "files that are added to");
  const groups = [...source.properties].filter(([name]) => /^filegroups\..+/.test(name));
  const paths = groups.map(([, { value }]) => value.replace(/\/[^/]*[*[(\\+][^/]*$/, ""));
  if (groups.length > 0) {
    const why = "files to follow; a pattern for names of files becomes its folder";
    const from = groups.map(([, entry]) => entry);
    builder.set("ingest", "HYBRIDGE_REPLAY_FILES", paths.join(","), why, ...from);
  }
  follow(builder);
  const kept: Rule = (entry) => builder.drop(entry, "the spool keeps how far each file was read");
  apply(source, {
    filegroups: (entry) => builder.drop(entry, "it names the groups below"),
    positionFile: kept,
    batchSize: (entry) => builder.drop(entry, "batches adapt by themselves"),
  });
}
