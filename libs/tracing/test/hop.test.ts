import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { SpanLine } from "../src/index.ts";

const program = fileURLToPath(new URL("fixtures/process.ts", import.meta.url));

function start(file: string, ...args: string[]) {
  const flags = ["--conditions=@hybridge/source", "--import", "@hybridge/tracing/preload"];
  const child = spawn(process.execPath, [...flags, program, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env["PATH"], HYBRIDGE_TRACE_FILE: file, HYBRIDGE_TRACE_RATIO: "1" },
  });
  const ended = once(child, "exit");
  const line = Promise.race([
    once(createInterface(child.stdout), "line").then(([text]) => String(text)),
    ended.then(([code]) => Promise.reject(new Error(`${args[0]} ended early with ${code}`))),
  ]);
  // Awaited or not, an early end is told by whoever waits first.
  line.catch(() => undefined);
  return { child, line, ended };
}

test(
  "the server's span is a child of the client's span, across processes",
  { timeout: 20_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hybridge-hop-"));
    t.after(() => {
      rmSync(folder, { recursive: true });
    });
    const file = join(folder, "spans.ndjson");
    const server = start(file, "serve");
    t.after(() => server.child.kill("SIGKILL"));
    const client = start(file, "call", await server.line);
    t.after(() => client.child.kill("SIGKILL"));
    const seenByServer = await client.line;
    await client.ended;
    server.child.stdin.end();
    await server.ended;

    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    const spans = lines.map((line) => JSON.parse(line) as SpanLine);
    const find = (service: string, kind: string) => {
      const span = spans.find((each) => each.service === service && each.kind === kind);
      assert.ok(span, `no ${kind} span of ${service} among ${lines.join("\n")}`);
      return span;
    };
    const question = spans.find(({ name }) => name === "question");
    const clientSpan = find("call", "CLIENT");
    const serverSpan = find("serve", "SERVER");
    const work = find("serve", "INTERNAL");
    assert.equal(clientSpan.parentSpanId, question?.spanId);
    assert.equal(serverSpan.parentSpanId, clientSpan.spanId);
    assert.equal(work.parentSpanId, serverSpan.spanId);
    assert.equal(serverSpan.traceId, clientSpan.traceId);
    assert.equal(seenByServer, `00-${work.traceId}-${work.spanId}-01`);
  },
);
