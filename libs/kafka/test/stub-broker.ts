import { createServer, type AddressInfo, type Socket } from "node:net";
import { buildBatch } from "../src/wire/batch.ts";
import { encodeRecords } from "../src/wire/record.ts";
import type { ProducerIdentity } from "../src/wire/transaction.ts";
import { ProtocolReader } from "../src/wire/reader.ts";
import { ProtocolWriter } from "../src/wire/writer.ts";

/** Answers one request; undefined leaves it without an answer. */
type Handler = (request: ProtocolReader, socket: Socket) => ProtocolWriter | Buffer[] | undefined;

/** A server that speaks as much of Kafka's protocol as a test gives it handlers for. */
export interface StubBroker extends AsyncDisposable {
  readonly port: number;
  /** Connections that were opened so far. */
  readonly connections: number;
  /** By API key; a request of a key without a handler ends its connection. */
  readonly handlers: Map<number, Handler>;
}

const API_VERSIONS = 18;
const NEWEST = 99;

export async function startStubBroker(
  handlers: Iterable<readonly [number, Handler]> = [],
): Promise<StubBroker> {
  const all = new Map<number, Handler>(handlers);
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
    let received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const end = 4 + received.readInt32BE(0);
        handle(all, received.subarray(4, end), socket);
        received = received.subarray(end);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    handlers: all,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function handle(all: ReadonlyMap<number, Handler>, frame: Buffer, socket: Socket): void {
  const request = new ProtocolReader(frame);
  const key = request.i16();
  request.i16(); // version
  const correlationId = request.i32();
  request.plainString(); // client id
  request.tags();
  if (key === API_VERSIONS && all.size > 0) {
    const body = new ProtocolWriter().i16(0).array([...all.keys()], (item, each) => {
      item.i16(each).i16(0).i16(NEWEST).noTags();
    });
    answer(socket, correlationId, body.i32(0).noTags(), false);
    return;
  }
  const body = all.get(key)?.(request, socket);
  if (!all.has(key)) socket.destroy();
  else if (body !== undefined) answer(socket, correlationId, body, true);
}

function answer(
  socket: Socket,
  correlationId: number,
  body: ProtocolWriter | Buffer[],
  isFlexible: boolean,
): void {
  const bytes = Buffer.concat(Array.isArray(body) ? body : body.chunks());
  const head = Buffer.alloc(isFlexible ? 9 : 8);
  head.writeInt32BE(head.length - 4 + bytes.length, 0);
  head.writeInt32BE(correlationId, 4);
  socket.write(Buffer.concat([head, bytes]));
}

interface BrokerAt {
  readonly nodeId: number;
  readonly port: number;
}

/** A metadata answer that lists these brokers and no topic. */
export function metadataOf(brokers: readonly BrokerAt[]): ProtocolWriter {
  return startOf(brokers)
    .array([], () => undefined)
    .noTags();
}

/** A metadata answer of one broker that leads the one partition of a topic. */
export function topicMetadataOf(
  broker: BrokerAt,
  { name, id }: { readonly name: string; readonly id: string },
): ProtocolWriter {
  return startOf([broker])
    .array([name], (topic) => {
      topic.i16(0).compactString(name).uuid(id).bool(false);
      topic.array([0], (item) => {
        item.i16(0).i32(0).i32(broker.nodeId).i32(0);
        for (let list = 0; list < 3; list++) item.array([], () => undefined);
        item.noTags();
      });
      topic.i32(0).noTags();
    })
    .noTags();
}

function startOf(brokers: readonly BrokerAt[]): ProtocolWriter {
  const body = new ProtocolWriter().i32(0).array(brokers, (item, { nodeId, port }) => {
    item.i32(nodeId).compactString("127.0.0.1").i32(port).compactString(null).noTags();
  });
  return body.compactString("cluster").i32(0);
}

/** The control batch that ends a transaction, at an offset. */
export function markerOf(producer: ProducerIdentity, offset: bigint): Buffer {
  const record = {
    key: Buffer.from([0, 0, 0, 0]),
    value: Buffer.alloc(6),
    headers: [],
    timestampMs: 1,
  };
  const bytes = buildBatch(encodeRecords([record], 1), {
    ...producer,
    ...{ baseSequence: -1, codec: 0, count: 1, baseTimestamp: 1n, maxTimestamp: 1n },
  });
  bytes.writeBigInt64BE(offset, 0);
  // Transactional and control.
  bytes.writeInt16BE(0x30, 21);
  return bytes;
}
