// The process that holds a detached cloud: `hybridge local up` starts it and `down` stops it.
import { parseArgs } from "node:util";
import { runProgram } from "@hybridge/core";
import { startLocalCloud } from "./cloud.ts";
import { claimCloud } from "./detached-cloud.ts";

await runProgram("local cloud", async (signal) => {
  const { values } = parseArgs({
    options: {
      dir: { type: "string", default: "." },
      "free-ports": { type: "boolean" },
      secure: { type: "boolean", default: false },
    },
  });
  await using scope = new AsyncDisposableStack();
  scope.use(claimCloud(values.dir));
  const cloud = await startLocalCloud({
    dir: values.dir,
    fixedPorts: values["free-ports"] !== true,
    secure: values.secure,
    onEvent: (line) => process.stdout.write(`${new Date().toISOString()} ${line}\n`),
    signal,
  });
  scope.use(cloud);
  await new Promise((resolve) => {
    // Only signals shall end it: keep the loop alive.
    const timer = setInterval(() => undefined, 3_600_000);
    signal.addEventListener("abort", () => {
      clearInterval(timer);
      resolve(undefined);
    });
  });
  return undefined;
});
