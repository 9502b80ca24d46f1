// npm run fault -- SUBJECT [options]: breaks things on purpose and lets an oracle judge.
const subjects: Readonly<Record<string, () => Promise<{ main(args: string[]): Promise<number> }>>> =
  {
    landing: () => import("./landing/main.ts"),
    mirror: () => import("./mirror/main.ts"),
  };

const [subject = "", ...args] = process.argv.slice(2);
const load = subjects[subject];
if (!load) {
  process.stderr.write(`fault: name what to break: ${Object.keys(subjects).join(", ")}\n`);
  process.exit(2);
}
process.exit(await (await load()).main(args));
