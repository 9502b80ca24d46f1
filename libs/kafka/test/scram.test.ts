import assert from "node:assert/strict";
import { test } from "node:test";
import { finishScram, startScram } from "../src/wire/sasl.ts";

test("SCRAM-SHA-256 gives the proof of RFC 7677", async () => {
  const sasl = { mechanism: "SCRAM-SHA-256", username: "user", password: "pencil" } as const;
  const client = startScram(sasl, "rOprNGfwEbeRWgbNEkqO");
  assert.equal(client.first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const challenge =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
  const { final, server } = await finishScram(sasl, client, challenge);
  assert.equal(
    final,
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  );
  assert.equal(server.toString("base64"), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

test("a challenge with another nonce or endless work is refused", async () => {
  const sasl = { mechanism: "SCRAM-SHA-512", username: "a=b,c", password: "x" } as const;
  const client = startScram(sasl, "mine");
  assert.equal(client.bare, "n=a=3Db=2Cc,r=mine");
  for (const challenge of ["r=other,s=AAAA,i=4096", "r=mine1,s=AAAA,i=2000000000", "nonsense"]) {
    await assert.rejects(finishScram(sasl, client, challenge), /not a SCRAM challenge/);
  }
});
