// As much of Hadoop's RPC as makes a NameNode active or standby: what `hdfs haadmin` does, without
// another JVM. @see RpcHeader.proto, IpcConnectionContext.proto, HAServiceProtocol.proto of Hadoop 3
import { randomBytes } from "node:crypto";
import { UnavailableError } from "@hybridge/core";
import { hadoopUser } from "./hadoop-conf.ts";
import { exchange } from "./probes.ts";

const PROTOCOL = "org.apache.hadoop.ha.HAServiceProtocol";
const CONTEXT_CALL = -3;

/** Tells the NameNode with this RPC port which one it is now. */
export async function transitionTo(
  state: "Active" | "Standby",
  port: number,
  signal: AbortSignal,
): Promise<void> {
  // "hrpc", version 9, no service class, no SASL.
  const hello = Buffer.from([...Buffer.from("hrpc"), 9, 0, 0]);
  const user = text(1, hadoopUser());
  const context = frame(header(CONTEXT_CALL), [text(2, user), text(3, PROTOCOL)]);
  // The request by a user is 0, which stands for itself.
  const request = frame(
    header(0),
    [text(1, `transitionTo${state}`), text(2, PROTOCOL), number(3, 1)],
    [text(1, number(1, 0))],
  );
  const all = Buffer.concat([hello, context, request]);
  const length = (data: Buffer) => (data.length >= 4 ? 4 + data.readInt32BE(0) : undefined);
  const [answer = Buffer.alloc(0)] = await exchange({ port }, [all], signal, length);
  const answered = answer.toString("latin1");
  // A header that names an exception: anything but success.
  if (/Exception/.test(answered)) {
    const words = answered.replaceAll(/[^\x20-\x7e]+/g, " ").slice(0, 300);
    throw new UnavailableError(`the NameNode does not become ${state}: ${words}`);
  }
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
