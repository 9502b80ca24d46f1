import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { aclArguments, minimalAcls, type KafkaService } from "../src/acls.ts";

const services: readonly KafkaService[] = [
  "ingest",
  "mirror",
  "warehouse-internal",
  "warehouse-external",
  "query-gateway",
];

test("docs/kafka-acls.md shows exactly the rights that are granted", () => {
  const page = readFileSync(new URL("../../../docs/kafka-acls.md", import.meta.url), "utf8");
  const shown = page.split("\n").filter((line) => /^\| (source|target) /.test(line));
  const wanted = services.flatMap((service) =>
    minimalAcls(service).map(
      ({ cluster, resource, name, pattern, operation, why }) =>
        `| ${cluster} | ${service} | ${resource} | \`${name}\` | ${pattern} | ${operation} | ${why} |`,
    ),
  );
  assert.deepEqual(shown, wanted, `the page should hold:\n${wanted.join("\n")}`);
});

test("names of topics, mirror and prefix go into the rights, and no right stands twice", () => {
  const names = { topics: ["a", "b"], prefix: "p.", mirrorId: "m", deadLetterTopic: "d" };
  const all = minimalAcls("mirror", names).map((acl) => aclArguments(acl, "User:x").join(" "));
  const add = "--add --allow-principal User:x --operation";
  assert.ok(all.includes(`${add} Write --topic p.b`));
  assert.ok(
    all.includes(`${add} Write --transactional-id m/ --resource-pattern-type prefixed`),
    all.join("\n"),
  );
  assert.equal(new Set(all).size, all.length);
});
