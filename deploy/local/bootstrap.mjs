// @ts-check
// The first program that runs on a fresh machine: `npm start`, `npm test` and `npm run setup` call
// it. It needs Node.js 20 and nothing else. It looks what is missing on the machine and says so,
// then fetches what is missing in the tree, and hands over to the real program on the pinned Node.
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchComponents, staleComponents } from "./setup/components.mjs";
import { machineProblems } from "./setup/machine.mjs";
import {
  generateProtocols,
  installPackages,
  packagesAreStale,
  pinnedNode,
  protocolsAreStale,
} from "./setup/packages.mjs";
import { fetchPosts, postsAreStale } from "./setup/posts.mjs";
import { runChild } from "./setup/run-child.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const cache = resolve(root, process.env["HYBRIDGE_CACHE_DIR"] || ".hybridge/cache");

const HELP = `Usage: node deploy/local/bootstrap.mjs <command> [arguments]

  start [arguments]   set up what is missing, then run the hybrid cloud (--help shows its options)
  test [arguments]    set up what is missing, then run the tests
  setup [--verify]    set up what is missing; --verify compares the hash of every file again

Setting: HYBRIDGE_CACHE_DIR, the folder of the Java components and posts (.hybridge/cache).
`;

const programs = {
  start: ["apps/cli/src/main.ts", "run"],
  test: ["test/run.ts"],
};

/** @param {string} command @param {string[]} args @returns {Promise<number>} */
async function main(command, args) {
  if (command === "setup") {
    if (args.includes("--help")) return help();
    await setUp({ whole: true, thorough: args.includes("--verify") });
    process.stderr.write("everything is in place\n");
    return 0;
  }
  if (command !== "start" && command !== "test") return help(command === "--help" ? 0 : 2);
  // For a text of help no component is needed.
  await setUp({ whole: !args.includes("--help"), thorough: false });
  const [program = "", ...first] = programs[command];
  return runChild(
    pinnedNode(root),
    ["--conditions=@hybridge/source", join(root, program), ...first, ...args],
    { cwd: root },
  );
}

/** @param {{ whole: boolean, thorough: boolean }} wanted */
async function setUp({ whole, thorough }) {
  const packages = packagesAreStale(root);
  const components = whole ? staleComponents(cache, thorough) : [];
  const posts = whole && postsAreStale(cache, thorough);
  const problems = machineProblems(
    [
      ...(whole ? /** @type {const} */ (["java"]) : []),
      ...(components.length > 0 && !thorough ? /** @type {const} */ (["maven"]) : []),
      ...(packages || posts ? /** @type {const} */ (["npm"]) : []),
    ],
    process.env,
  );
  if (problems.length > 0) throw new Error(problems.join("\n"));
  if (packages) await installPackages(root);
  if (protocolsAreStale(root)) generateProtocols(root);
  if (components.length > 0) {
    await fetchComponents(cache, components, () => machineProblems(["maven"], process.env)[0]);
  }
  if (posts) await fetchPosts(cache);
}

function help(code = 0) {
  (code === 0 ? process.stdout : process.stderr).write(HELP);
  return code;
}

const [command = "", ...args] = process.argv.slice(2);
try {
  process.exitCode = await main(command, args);
} catch (error) {
  process.stderr.write(`hybridge: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
