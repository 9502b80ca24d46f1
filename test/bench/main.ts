// npm run bench -- SUBJECT [options]: measures, beside a peer where there is one.
const subjects: Readonly<Record<string, () => Promise<{ main(args: string[]): Promise<number> }>>> =
  {
    freshness: () => import("./freshness/main.ts"),
    ingest: () => import("./ingest/main.ts"),
    landing: () => import("./landing/main.ts"),
    mirror: () => import("./mirror/main.ts"),
  };

const [subject = "", ...args] = process.argv.slice(2);
const load = subjects[subject];
if (!load) {
  process.stderr.write(`bench: name what to measure: ${Object.keys(subjects).join(", ")}\n`);
  process.exit(2);
}
process.exit(await (await load()).main(args));
