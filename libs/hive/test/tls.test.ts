import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { HiveLoginError, openHive, type HiveOptions } from "../src/index.ts";
import { startFakeHive, type FakeHive } from "../src/testing/index.ts";

/** A certificate for localhost that nobody trusts, or undefined where openssl is not there. */
function selfSigned(): { key: string; cert: string } | undefined {
  const directory = mkdtempSync(join(tmpdir(), "hybridge-tls-"));
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  // prettier-ignore
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  try {
    execFileSync("openssl", args, { stdio: "ignore" });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } catch {
    return undefined;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function select(fake: FakeHive, tls: HiveOptions["tls"]): Promise<number> {
  const signal = AbortSignal.timeout(10_000);
  const options = { host: "127.0.0.1", port: fake.port };
  await using hive = openHive(tls ? { ...options, tls } : options);
  await using result = await hive.execute("SELECT 1", { signal });
  let rows = 0;
  for await (const { rowCount } of result.batches) rows += rowCount;
  return rows;
}

test("TLS is checked: the CA and the name must fit", async (context: TestContext) => {
  const tls = selfSigned();
  if (!tls) {
    context.skip("openssl is not there to make a certificate");
    return;
  }
  const answer = () => ({ columns: [{ name: "n", type: "int" as const }], rows: [[1]] });
  await using fake = await startFakeHive({ answer, tls });
  assert.equal(await select(fake, { ca: tls.cert, serverName: "localhost" }), 1);
  await assert.rejects(select(fake, {}), HiveLoginError);
  await assert.rejects(select(fake, { ca: tls.cert, serverName: "other" }), HiveLoginError);
});
