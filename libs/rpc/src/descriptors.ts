import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fieldsOf } from "./error-details.ts";

/** The FileDescriptorProtos of all our services, encoded, byte for byte as buf wrote them. */
export function fileDescriptors(): Buffer[] {
  const set = readFileSync(fileURLToPath(import.meta.resolve("@hybridge/proto/descriptor")));
  return [...fieldsOf(set)].flatMap(({ bytes }) => (bytes ? [Buffer.from(bytes)] : []));
}

/** Field numbers of google/protobuf/descriptor.proto. */
const FILE = { package: 2, service: 6 } as const;
const SERVICE = { name: 1, method: 2 } as const;
const METHOD = { name: 1, options: 4 } as const;
const IDEMPOTENCY_LEVEL = 34;
const NO_SIDE_EFFECTS = 1;

/**
 * The paths (`/package.Service/Method`) of the methods whose contract says
 * `idempotency_level = NO_SIDE_EFFECTS`. Whatever says nothing may change something.
 */
export function methodsWithoutSideEffects(files: readonly Uint8Array[]): ReadonlySet<string> {
  const paths = files.flatMap((file) => {
    const prefix = text(file, FILE.package);
    return parts(file, FILE.service).flatMap((service) =>
      parts(service, SERVICE.method)
        .filter((method) => parts(method, METHOD.options).some(hasNoSideEffects))
        .map((method) => `/${prefix}.${text(service, SERVICE.name)}/${text(method, METHOD.name)}`),
    );
  });
  return new Set(paths);
}

function hasNoSideEffects(options: Uint8Array): boolean {
  return [...fieldsOf(options)].some(
    ({ field, varint }) => field === IDEMPOTENCY_LEVEL && varint === NO_SIDE_EFFECTS,
  );
}

function parts(message: Uint8Array, field: number): Uint8Array[] {
  return [...fieldsOf(message)].flatMap((part) =>
    part.field === field && part.bytes !== undefined ? [part.bytes] : [],
  );
}

function text(message: Uint8Array, field: number): string {
  return Buffer.from(parts(message, field)[0] ?? []).toString("utf8");
}
