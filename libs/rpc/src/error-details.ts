import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** google.rpc.ErrorInfo (google/rpc/error_details.proto). */
export interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const TYPE_URL = "type.googleapis.com/google.rpc.ErrorInfo";

/** Field number and wire type, as protobuf writes them before a value. */
const tag = (field: number, wireType: 0 | 2) => (field << 3) | wireType;

/**
 * Encodes google.rpc.Status with one ErrorInfo: the value of the trailer `grpc-status-details-bin`
 * (AIP-193). By hand, because three fixed messages are less than vendored protocols.
 */
export function encodeStatusDetails(code: number, message: string, info: ErrorInfo): Buffer {
  const detail = new BinaryWriter();
  detail.uint32(tag(1, 2)).string(info.reason).uint32(tag(2, 2)).string(info.domain);
  for (const [key, value] of Object.entries(info.metadata)) {
    detail.uint32(tag(3, 2)).fork();
    detail.uint32(tag(1, 2)).string(key).uint32(tag(2, 2)).string(value).join();
  }
  const status = new BinaryWriter();
  status.uint32(tag(1, 0)).int32(code).uint32(tag(2, 2)).string(message);
  status.uint32(tag(3, 2)).fork();
  status.uint32(tag(1, 2)).string(TYPE_URL).uint32(tag(2, 2)).bytes(detail.finish()).join();
  return Buffer.from(status.finish());
}

/** The first ErrorInfo of an encoded google.rpc.Status; undefined when there is none. */
export function decodeErrorInfo(status: Uint8Array): ErrorInfo | undefined {
  try {
    for (const any of fieldsOf(status)) {
      if (any.field !== 3 || any.bytes === undefined) continue;
      const parts = [...fieldsOf(any.bytes)];
      const url = textOf(parts.find((part) => part.field === 1)?.bytes);
      const value = parts.find((part) => part.field === 2)?.bytes;
      if (url === TYPE_URL && value) return readErrorInfo(value);
    }
  } catch {
    // Details are a courtesy: damaged ones must not hide the status that they belong to.
  }
  return undefined;
}

function readErrorInfo(bytes: Uint8Array): ErrorInfo {
  let reason = "";
  let domain = "";
  const metadata: Record<string, string> = {};
  for (const part of fieldsOf(bytes)) {
    if (part.field === 1) reason = textOf(part.bytes);
    if (part.field === 2) domain = textOf(part.bytes);
    if (part.field === 3 && part.bytes) {
      const entry = [...fieldsOf(part.bytes)];
      const key = textOf(entry.find((item) => item.field === 1)?.bytes);
      metadata[key] = textOf(entry.find((item) => item.field === 2)?.bytes);
    }
  }
  return { reason, domain, metadata };
}

/** A field of an encoded message, with its bytes or its number, where it has one of the two. */
export interface Field {
  readonly field: number;
  readonly bytes?: Uint8Array;
  readonly varint?: number;
}

/** The length-delimited fields and the numbers of an encoded message, in order. */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === WireType.LengthDelimited) yield { field, bytes: reader.bytes() };
    else if (wireType === WireType.Varint) yield { field, varint: Number(reader.uint64()) };
    else reader.skip(wireType);
  }
}

function textOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "" : Buffer.from(bytes).toString("utf8");
}
