// Generates TypeScript from the .proto files into gen/ and descriptors, for gRPC reflection, into
// dist/descriptor.binpb. Neither is committed.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const bin = join(here, "..", "node_modules", ".bin");
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
const buf = (...args) => execFileSync(join(bin, "buf"), args, { cwd: here, env, stdio: "inherit" });

rmSync(join(here, "gen"), { recursive: true, force: true });
mkdirSync(join(here, "dist"), { recursive: true });
buf("generate");
buf("build", "-o", "dist/descriptor.binpb", "--as-file-descriptor-set");
