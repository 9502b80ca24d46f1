import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";

/** What the user asked of `npm start`. */
export interface RunOptions {
  readonly once: boolean;
  readonly posts: number | undefined;
  readonly rate: number | undefined;
  readonly fresh: boolean;
  readonly secure: boolean;
  readonly seed: number;
  readonly dir: string | undefined;
  /** Live sources instead of files and the generator: feeds of ingest, or both of them simulated. */
  readonly live: string | undefined;
  /** Words that live posts must have, with commas. */
  readonly keywords: string | undefined;
  /** Files to replay instead of the real posts that come with the set-up. */
  readonly replay: readonly string[];
}

/** `hybridge run`: what `npm start` does after the set-up. */
export function runCommand(action: (options: RunOptions) => Promise<void>): Command {
  return new Command("run")
    .summary("run the whole hybrid cloud on this machine")
    .description(
      "Starts the local hybrid cloud (two Kafkas, HDFS, Hive, S3, a Redshift endpoint) and the five " +
        "services, streams posts through them, shows every stage live, and answers two sample " +
        "queries and a reconciliation. Ctrl-C stops everything; the data stays for the next start.",
    )
    .option("--once", "end when --posts posts are in all places; own data, made anew", false)
    .option(
      "--posts <n>",
      "how many posts to ingest, at least 1 (default: without end; 5000 with --once)",
      positive,
    )
    .option(
      "--rate <n>",
      "posts per second, 0 for as fast as it goes (default: 200; 0 with --once)",
      whole,
    )
    .option(
      "--secure",
      "TLS, logins and ACLs everywhere, with an authority and passwords made for it; own data",
      false,
    )
    .option("--fresh", "delete the data of earlier starts first", false)
    .option("--seed <n>", "seed of the generated posts", whole, 1)
    .option(
      "--dir <path>",
      "where data and logs are kept (default: .hybridge/run or .hybridge/once, with -secure behind)",
    )
    .option(
      "--replay <file>",
      "posts to begin with instead of the 100 real ones: .json, or one post a line; repeatable",
      (file: string, files: string[]) => [...files, resolve(file)],
      [],
    )
    .option(
      "--live [sources]",
      "live posts instead: bluesky (needs no key), x (HYBRIDGE_X_BEARER_TOKEN), both with a comma, or simulated",
      liveSources,
    )
    .option("--keywords <list>", "words that live posts must have, with commas")
    .addHelpText(
      "after",
      `
Examples:
  npm start                               the live system, until Ctrl-C
  npm start -- --fresh --rate 1000        the same from nothing, faster
  npm start -- --once --posts 5000        5,000 posts through everything; the last line is JSON
  npm start -- --live                     what people write on Bluesky now; --keywords kafka,cats
  npm start -- --live=simulated           X and Bluesky without a network, their troubles included
  npm start -- --secure                   the same over TLS with logins and exactly the ACLs needed

Exit codes: 0 all is well (with --once: all places agree), 1 a failure or a disagreement,
2 wrong settings or something missing on this machine.`,
    )
    .action((options: Omit<RunOptions, "live"> & { readonly live?: string | true }) => {
      return action({ ...options, live: options.live === true ? "bluesky" : options.live });
    });
}

const LIVE = ["bluesky", "x"];

function liveSources(text: string): string {
  const wanted = text.split(",").map((part) => part.trim());
  if (text === "simulated" || wanted.every((each) => LIVE.includes(each))) return wanted.join(",");
  throw new InvalidArgumentError("must be bluesky, x, both with a comma, or simulated.");
}

function positive(text: string): number {
  const number = whole(text);
  if (number === 0) throw new InvalidArgumentError("must be at least 1.");
  return number;
}

function whole(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError("must be a whole number.");
  return Number(text);
}
