import { once } from "node:events";
import {
  Agent,
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";

/** Requests under way to S3Mock; more wait. */
const SOCKETS_MAX = 256;

/**
 * Stands before S3Mock and lets one conditional write of a name through at a time. S3 decides such a
 * write at one point in time; S3Mock looks first and writes later, so that of two at once both win,
 * which the landing log could not live with. Everything else passes as it is.
 */
export async function openS3Gate(port: number, mockPort: number): Promise<AsyncDisposable> {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  const writes = new Map<string, Promise<void>>();
  const server = createServer((incoming, answer) => {
    const pass = () => forward(agent, mockPort, incoming, answer);
    const isConditional = incoming.method === "PUT" && "if-none-match" in incoming.headers;
    if (!isConditional) void pass();
    else void inTurn(writes, incoming.url ?? "", pass);
  });
  server.keepAliveTimeout = 60_000;
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return { [Symbol.asyncDispose]: () => close(server, agent) };
}

async function close(server: Server, agent: Agent): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  agent.destroy();
  await closed;
}

/** Work on one name follows upon the other; names that nobody waits for are forgotten. */
async function inTurn(
  turns: Map<string, Promise<void>>,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const turn = (turns.get(name) ?? Promise.resolve()).then(work);
  turns.set(name, turn);
  await turn;
  if (turns.get(name) === turn) turns.delete(name);
}

/** Settles when the answer is through or either side has gone. Never rejects. */
function forward(
  agent: Agent,
  port: number,
  incoming: IncomingMessage,
  answer: ServerResponse,
): Promise<void> {
  return new Promise((resolve) => {
    // This server has answered "100 Continue" itself.
    const headers = { ...incoming.headers };
    delete headers["expect"];
    const outgoing = request(
      { host: "127.0.0.1", port, agent, method: incoming.method, path: incoming.url, headers },
      (response) => {
        answer.writeHead(response.statusCode ?? 502, response.rawHeaders);
        response.pipe(answer);
        response.once("error", () => answer.destroy());
      },
    );
    // S3Mock is away: so is, for the caller, the server that it asked.
    outgoing.once("error", () => incoming.socket.destroy());
    answer.once("close", () => {
      outgoing.destroy();
      resolve();
    });
    incoming.once("error", () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
}
