// kafkajs alone: sends the lines of a file, as fast as it goes, with acks=all; prints the seconds from the
// first send to the last acknowledgement. node kafkajs-producer.ts BOOTSTRAP TOPIC FILE
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { CompressionTypes, Kafka, logLevel, type Message } from "kafkajs";

/** As many posts as our batches have, and as many batches under way as there are partitions. */
const MESSAGES = 350;
const IN_FLIGHT = 6;

const [bootstrap = "", topic = "", file = ""] = process.argv.slice(2);
const kafka = new Kafka({ brokers: [bootstrap], clientId: "bench", logLevel: logLevel.NOTHING });
const producer = kafka.producer({ allowAutoTopicCreation: false });
await producer.connect();
const began = performance.now();
const underWay = new Set<Promise<unknown>>();

async function send(messages: Message[]): Promise<void> {
  while (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
  const batch = { topic, messages, acks: -1, compression: CompressionTypes.None };
  const sent: Promise<unknown> = producer.send(batch).finally(() => underWay.delete(sent));
  underWay.add(sent);
}

let messages: Message[] = [];
for await (const line of createInterface(createReadStream(file, { highWaterMark: 1 << 20 }))) {
  const key = /"id(?:_str)?":"(\d+)"/.exec(line)?.[1] ?? null;
  messages.push({ key, value: line });
  if (messages.length === MESSAGES) {
    await send(messages);
    messages = [];
  }
}
if (messages.length > 0) await send(messages);
await Promise.all(underWay);
process.stdout.write(`${(performance.now() - began) / 1000}\n`);
// Who started this looks at /proc while the process is still there.
await new Promise((resolve) => process.stdin.once("data", resolve));
await producer.disconnect();
process.exit(0);
