import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PortInUseError } from "../src/errors.ts";
import { choosePorts, freePort, isFree, rememberedPorts } from "../src/ports.ts";

async function occupiedPort(wanted = 0): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(wanted, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
}

function folder(): { dir: string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-ports-"));
  return {
    dir,
    [Symbol.dispose]: () => {
      rmSync(dir, { recursive: true });
    },
  };
}

test("free ports are free, distinct and below the range of outgoing connections", async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));
  assert.equal(new Set(ports).size, 50);
  for (const port of ports) {
    assert.ok(port >= 20_000 && port < 32_000, String(port));
    assert.ok(await isFree(port));
  }
});

test("a given port that is taken is refused with its name and the component's", async () => {
  await using taken = await occupiedPort();
  using work = folder();
  await assert.rejects(
    choosePorts("kafka", work.dir, ["broker"], { broker: taken.port }),
    (error) =>
      error instanceof PortInUseError &&
      error.message.includes(`kafka: port ${taken.port}`) &&
      error.message.includes('"broker"'),
  );
});

test("ports are remembered in the folder, and changed only where they are taken", async () => {
  using work = folder();
  const first = await choosePorts("kafka", work.dir, ["broker", "controller"]);
  assert.deepEqual(await choosePorts("kafka", work.dir, ["broker", "controller"]), first);
  assert.deepEqual(rememberedPorts(work.dir), first);

  await using scope = new AsyncDisposableStack();
  scope.use(await occupiedPort(first.broker));
  const moved = await choosePorts("kafka", work.dir, ["broker", "controller"]);
  assert.equal(moved.controller, first.controller);
  assert.notEqual(moved.broker, first.broker);
});
