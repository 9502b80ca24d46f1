// Generates TypeScript from the .proto files into gen/ and descriptors, for gRPC reflection, into
// dist/descriptor.binpb. Neither is committed.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const bin = join(here, "..", "node_modules", ".bin");
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
const buf = (...args) => execFileSync(join(bin, "buf"), args, { cwd: here, env, stdio: "inherit" });

rmSync(join(here, "gen"), { recursive: true, force: true });
mkdirSync(join(here, "dist"), { recursive: true });
buf("generate");

// Health is served too, so reflection must know it. Sets are joined by joining their bytes: a field
// that repeats goes on (protobuf.dev, "Last One Wins" and its exception).
const health = dirname(createRequire(import.meta.url).resolve("grpc-health-check/package.json"));
const sets = { ours: ".", health: join(health, "proto") };
const parts = Object.entries(sets).map(([name, input]) => {
  const file = join("dist", `${name}.binpb`);
  buf("build", input, "-o", file, "--as-file-descriptor-set");
  return readFileSync(join(here, file));
});
writeFileSync(join(here, "dist/descriptor.binpb"), Buffer.concat(parts));
