import assert from "node:assert/strict";
import {
  chmodSync,
  mkdtempSync,
  mkdirSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isStamped, verify } from "../setup/locked-files.mjs";
import { javaProblem, javaVersion, machineProblems, nodeProblem } from "../setup/machine.mjs";
import { readMember } from "../setup/posts.mjs";
import { barText } from "../setup/progress.mjs";

function folder(): { dir: string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-setup-"));
  return {
    dir,
    [Symbol.dispose]: () => {
      rmSync(dir, { recursive: true });
    },
  };
}

const locked = (text: string) => ({
  bytes: Buffer.byteLength(text),
  sha256: createHash("sha256").update(text).digest("hex"),
});

test("a whole folder is stamped, and the stamp holds until a file changes", async () => {
  using work = folder();
  const files = { "a.jar": locked("alpha"), "b.jar": locked("beta") };
  writeFileSync(join(work.dir, "a.jar"), "alpha");
  assert.deepEqual(await verify(work.dir, files), { missing: ["b.jar"], wrong: [] });
  assert.equal(isStamped(work.dir, files), false);

  writeFileSync(join(work.dir, "b.jar"), "beta");
  assert.deepEqual((await verify(work.dir, files)).missing, []);
  assert.equal(isStamped(work.dir, files), true);

  utimesSync(join(work.dir, "b.jar"), 1, 1);
  assert.equal(isStamped(work.dir, files), false);
});

test("a stamp does not hold for another lock", async () => {
  using work = folder();
  writeFileSync(join(work.dir, "a.jar"), "alpha");
  await verify(work.dir, { "a.jar": locked("alpha") });
  assert.equal(isStamped(work.dir, { "a.jar": locked("other") }), false);
});

test("damaged files and strangers are removed and named", async () => {
  using work = folder();
  const files = { "a.jar": locked("alpha"), "b.jar": locked("beta"), "c.jar": locked("gamma") };
  writeFileSync(join(work.dir, "a.jar"), "alphq");
  writeFileSync(join(work.dir, "b.jar"), "bet");
  writeFileSync(join(work.dir, "c.jar"), "gamma");
  writeFileSync(join(work.dir, "stranger.jar"), "?");
  const { missing, wrong } = await verify(work.dir, files);
  assert.deepEqual(missing, ["a.jar", "b.jar"]);
  assert.match(wrong[0]?.problem ?? "", /^has SHA-256 [0-9a-f]{64}, not /);
  assert.equal(wrong[1]?.problem, "has 3 bytes, not 4");
  assert.deepEqual(readdirSync(work.dir), ["c.jar"]);
});

test("the version of Java is read from what it prints", () => {
  assert.equal(javaVersion('openjdk version "17.0.15" 2025-04-15'), 17);
  assert.equal(javaVersion('java version "1.8.0_402"'), 8);
  assert.equal(javaVersion('openjdk version "25" 2025-09-16'), 25);
  assert.equal(javaVersion("Picked up something"), 0);
});

test("a machine without Java, Maven and npm gets one line each, with the remedy", () => {
  const problems = machineProblems(["java", "maven", "npm"], { PATH: "/nowhere" });
  assert.equal(problems.length, 3);
  assert.match(problems[0] ?? "", /java was not found.*openjdk-17-jre-headless/);
  assert.match(problems[1] ?? "", /Maven.*apt-get install maven/);
  assert.match(problems[2] ?? "", /npm was not found/);
});

test("JAVA_HOME is honoured, and named when it is wrong", () => {
  using work = folder();
  assert.match(javaProblem({ JAVA_HOME: work.dir }) ?? "", /JAVA_HOME is .*no bin\/java/);
  mkdirSync(join(work.dir, "bin"));
  const java = join(work.dir, "bin", "java");
  writeFileSync(java, `#!/bin/sh\necho 'openjdk version "11.0.2"' >&2\n`);
  chmodSync(java, 0o755);
  assert.match(javaProblem({ JAVA_HOME: work.dir }) ?? "", /is version 11, too old/);
  writeFileSync(java, `#!/bin/sh\necho 'openjdk version "21.0.2"' >&2\n`);
  assert.equal(javaProblem({ JAVA_HOME: work.dir, PATH: "/nowhere" }), undefined);
});

test("an old Node.js is refused", () => {
  assert.match(nodeProblem("18.20.1") ?? "", /18\.20\.1 is too old: 20\.19\.0/);
  assert.match(nodeProblem("20.18.3") ?? "", /too old/);
  assert.equal(nodeProblem("20.19.0"), undefined);
  assert.equal(nodeProblem("24.0.0"), undefined);
});

test("a file is found in a tar archive", () => {
  const entry = (name: string, text: string) => {
    const block = Buffer.alloc(512 + Math.ceil(text.length / 512) * 512);
    block.write(name, 0);
    block.write(text.length.toString(8).padStart(11, "0"), 124);
    block.write(text, 512);
    return block;
  };
  const tar = Buffer.concat([
    entry("package/a.json", "x".repeat(700)),
    entry("package/b.json", "[1]"),
    Buffer.alloc(1024),
  ]);
  assert.equal(readMember(tar, "package/b.json").toString(), "[1]");
  assert.throws(() => readMember(tar, "package/c.json"), /c\.json is not in the archive/);
});

test("the bar shows how much is done", () => {
  assert.equal(barText("fetch x", 0, 4, "files"), `fetch x [${".".repeat(24)}] 0/4 files`);
  assert.equal(
    barText("fetch x", 2, 4, "files"),
    `fetch x [${"#".repeat(12)}${".".repeat(12)}] 2/4 files`,
  );
  assert.equal(barText("fetch x", 9, 4, "files"), `fetch x [${"#".repeat(24)}] 4/4 files`);
});
