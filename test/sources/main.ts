// The simulated sources as a program: prints one line of JSON with their addresses, and runs until it
// is stopped or whoever started it is gone.
//
//   node --conditions=@hybridge/source test/sources/main.ts [--posts N] [--rate N] [--seed N]
import { parseArgs } from "node:util";
import { exitCode, runProgram } from "@hybridge/core";
import { openWorld, SIMULATED_TOKEN } from "./simulated-world.ts";

await runProgram("sources", async (signal) => {
  const { values } = parseArgs({
    options: {
      posts: { type: "string", default: "0" },
      rate: { type: "string", default: "200" },
      seed: { type: "string", default: "1" },
    },
  });
  await using world = await openWorld({
    records: Number(values.posts),
    rate: Number(values.rate),
    seed: Number(values.seed),
  });
  const addresses = {
    x: world.x.url,
    token: SIMULATED_TOKEN,
    bluesky: world.bluesky.map(({ url }) => url),
  };
  process.stdout.write(`${JSON.stringify(addresses)}\n`);
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return exitCode.ok;
});
