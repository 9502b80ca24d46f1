import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "@hybridge/core";
import { redshiftCommand, renderCheck } from "../src/redshift.ts";

const command = () => redshiftCommand(new AbortController().signal, () => undefined).exitOverride();

test("a check that failed tells what came back and what to do; one that was skipped, why", () => {
  const failed = { name: "a", outcome: "failed", reason: "b", remedy: "c" } as const;
  assert.equal(renderCheck(failed), "FAILED  a\n        came back: b\n        to do: c\n");
  const skipped = { name: "a", outcome: "skipped", reason: '"x" failed', remedy: "" } as const;
  assert.equal(renderCheck(skipped), '-       a (not tried: "x" failed)\n');
  const passed = { name: "a", outcome: "passed", reason: "", remedy: "" } as const;
  assert.equal(renderCheck(passed), "ok      a\n");
});

test("combinations that the Data API refuses are refused before anything is asked", async () => {
  const args = ["check", "--bucket", "abc", "--workgroup", "w", "--db-user", "u"];
  await assert.rejects(command().parseAsync(args, { from: "user" }), ConfigError);
});

test("the help teaches: options, credentials, examples, exit codes", () => {
  const [check] = command().commands;
  let text = "";
  check?.configureOutput({ writeOut: (part) => (text += part) });
  check?.outputHelp();
  for (const word of ["--workgroup", "--iam-role", "AWS_PROFILE", "Examples", "Exit code"]) {
    assert.ok(text.includes(word), word);
  }
});
