// A member of a group as a process of its own, which a test stops and wakes: each event is a line.
import { openMembership, type GroupProtocol } from "../../src/groups.ts";

const [bootstrap = "", group = "", topic = "", protocol = "auto", sessionMs = "6000"] =
  process.argv.slice(2);
const tell = (what: string) => process.stdout.write(`${what}\n`);

openMembership({
  cluster: { bootstrap, clientId: "member-process" },
  group,
  topics: [topic],
  protocol: protocol as GroupProtocol,
  sessionTimeoutMs: Number(sessionMs),
  heartbeatIntervalMs: 500,
  signal: new AbortController().signal,
  emit: () => undefined,
  listener: {
    assigned: (places) => tell(`assigned ${places.length}`),
    revoked: (places) => {
      tell(`revoked ${places.length}`);
      return Promise.resolve();
    },
    lost: (places) => tell(`lost ${places.length}`),
  },
});
