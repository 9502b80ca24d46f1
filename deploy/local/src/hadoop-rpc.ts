// As much of Hadoop's RPC as `hdfs haadmin` and `hdfs crypto` need, without another JVM.
// @see RpcHeader.proto, IpcConnectionContext.proto, HAServiceProtocol.proto of Hadoop 3
import { randomBytes } from "node:crypto";
import { UnavailableError } from "@hybridge/core";
import { hadoopUser } from "./hadoop-conf.ts";
import { exchange } from "./probes.ts";

const CONTEXT_CALL = -3;

/** Tells the NameNode with this RPC port which one it is now. */
export async function transitionTo(
  state: "Active" | "Standby",
  port: number,
  signal: AbortSignal,
): Promise<void> {
  const protocol = "org.apache.hadoop.ha.HAServiceProtocol";
  // Asked for by a user, which is 0.
  const request = [text(1, number(1, 0))];
  await call({ port, protocol, method: `transitionTo${state}`, request }, signal);
}

/** Makes an empty folder an encryption zone: `hdfs crypto -createZone`. */
export async function createEncryptionZone(
  { port, path, key }: { readonly port: number; readonly path: string; readonly key: string },
  signal: AbortSignal,
): Promise<void> {
  const protocol = "org.apache.hadoop.hdfs.protocol.ClientProtocol";
  const request = [text(1, path), text(2, key)];
  await call({ port, protocol, method: "createEncryptionZone", request }, signal);
}

interface Call {
  readonly port: number;
  readonly protocol: string;
  readonly method: string;
  /** The fields of its message. */
  readonly request: readonly Buffer[];
}

async function call({ port, protocol, method, request }: Call, signal: AbortSignal): Promise<void> {
  // "hrpc", version 9, no service class, no SASL.
  const hello = Buffer.from([...Buffer.from("hrpc"), 9, 0, 0]);
  const user = text(1, hadoopUser());
  const context = frame(header(CONTEXT_CALL), [text(2, user), text(3, protocol)]);
  const asked = frame(header(0), [text(1, method), text(2, protocol), number(3, 1)], request);
  const all = Buffer.concat([hello, context, asked]);
  const length = (data: Buffer) => (data.length >= 4 ? 4 + data.readInt32BE(0) : undefined);
  const [answer = Buffer.alloc(0)] = await exchange({ port }, [all], signal, length);
  // Length, length of the header, call (two bytes), status (two bytes): 0 is success. The header of
  // an error is longer, and has something else here.
  if (answer[8] === 0) return;
  const words = answer.toString("latin1").replaceAll(/[^\x20-\x7e]+/g, " ");
  throw new UnavailableError(`the NameNode refuses ${method}: ${words.slice(0, 300)}`);
}

/** Messages of protocol buffers, each a list of fields with its length before it, and the length of all. */
function frame(...messages: (readonly Buffer[])[]): Buffer {
  const body = Buffer.concat(
    messages.flatMap((fields) => {
      const message = Buffer.concat(fields);
      return [varint(message.length), message];
    }),
  );
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** RpcRequestHeaderProto: protocol buffers, one packet, the call, who calls. */
function header(call: number): Buffer[] {
  // sint32 is zigzag.
  const zigzag = call < 0 ? -2 * call - 1 : 2 * call;
  return [number(1, 2), number(2, 0), number(3, zigzag), text(4, randomBytes(16))];
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

function text(field: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}
