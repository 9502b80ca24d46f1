import { UnavailableError, type HybridgeError } from "@hybridge/core";
import { HiveProtocolError } from "./errors.ts";
import { isStruct, messageType, textOf, type Message, type Struct } from "./thrift.ts";

/** Above any page that is asked for, below what would endanger the process. */
export const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/** TApplicationException.INTERNAL_ERROR: the server's code threw something. */
const INTERNAL_ERROR = 6;

/** What an answer holds. @throws UnavailableError | HiveProtocolError when it holds an exception */
export function resultOf(message: Message, address: string): Struct {
  const result = message.body[0];
  if (message.type === messageType.exception) throw exceptionOf(message, address);
  if (isStruct(result)) return result;
  throw new HiveProtocolError(`${address} answers ${message.name} with nothing`);
}

function exceptionOf(message: Message, address: string): HybridgeError {
  const text = textOf(message.body[1]) ?? "no message";
  const what = `HiveServer2 at ${address} fails in ${message.name}: ${text}`;
  return message.body[2] === INTERNAL_ERROR
    ? new UnavailableError(what)
    : new HiveProtocolError(what);
}
