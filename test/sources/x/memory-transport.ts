import {
  answerError,
  refusedRules,
  XConnectionError,
  type XStream,
  type XTransport,
} from "@hybridge/ingest/x";
import type { XConnection, XRequest, XResponse, XSimulator } from "./x-simulator.ts";

/** How a client came to X, as those see it who judge it. */
export interface Attempt {
  readonly atMs: number;
  outcome: "network" | "http" | "rate-limit" | "connected";
  /** When the connection ended. */
  endedMs?: number;
}

/** A network between the feed and the simulated X: it can be down, lose connections, and cuts bytes anywhere. */
export class MemoryNetwork {
  isDown = false;
  readonly attempts: Attempt[] = [];
  /** The bytes that the client was given, connection by connection. */
  readonly delivered: Buffer[][] = [];
  readonly #links = new Set<Link>();
  readonly #random: () => number;
  readonly #now: () => number;

  constructor(random: () => number, now: () => number) {
    this.#random = random;
    this.#now = now;
  }

  /** All connections are lost, and X does not notice. @param silent whether the client does not either */
  cut(silent: boolean): void {
    for (const link of this.#links) {
      link.connection?.left(false);
      link.isDead = true;
      if (!silent) link.end(new XConnectionError("the network is gone"));
    }
    this.#links.clear();
  }

  transport(simulator: XSimulator, token: string): XTransport {
    const ask = (method: string, body: unknown, query: Record<string, string> = {}) => {
      if (this.isDown) throw new XConnectionError("the network is down");
      const answer = simulator.request(
        requestOf(token, method, "/2/tweets/search/stream/rules", query, body),
      );
      if (answer.status >= 400) throw answerError("the rules", answer);
      return Promise.resolve(answer.body);
    };
    return {
      async listRules() {
        const { data } = (await ask("GET", undefined)) as { data: { id: string; value: string }[] };
        return data;
      },
      async addRules(rules, { dryRun }) {
        const body = await ask("POST", { add: rules }, dryRun ? { dry_run: "true" } : {});
        const refused = refusedRules(body);
        if (refused) throw refused;
      },
      async deleteRules(ids) {
        await ask("POST", { delete: { ids } });
      },
      openStream: ({ backfillMinutes }, signal) =>
        this.#open(simulator, token, backfillMinutes, signal),
    };
  }

  async #open(
    simulator: XSimulator,
    token: string,
    minutes: number,
    signal: AbortSignal,
  ): Promise<XStream> {
    await Promise.resolve();
    const attempt: Attempt = { atMs: this.#now(), outcome: "network" };
    this.attempts.push(attempt);
    if (this.isDown) throw new XConnectionError("the network is down");
    const bytes: Buffer[] = [];
    const link = new Link(this.#random, bytes, () => {
      attempt.endedMs ??= this.#now();
      this.#links.delete(link);
    });
    const query = minutes > 0 ? { backfill_minutes: String(minutes) } : {};
    const request = requestOf(token, "GET", "/2/tweets/search/stream", query, undefined);
    const answer = simulator.connect(request, link);
    if (isRefusal(answer)) {
      attempt.outcome = answer.status === 429 ? "rate-limit" : "http";
      throw answerError("the stream", answer);
    }
    attempt.outcome = "connected";
    link.connection = answer;
    this.#links.add(link);
    this.delivered.push(bytes);
    signal.addEventListener("abort", () => link.close(), { once: true });
    return { chunks: link.chunks(signal), close: () => link.close() };
  }
}

/** One connection: what X writes on it comes out in pieces cut at any byte. */
class Link {
  connection: XConnection | undefined;
  /** The network has lost it. */
  isDead = false;
  readonly #random: () => number;
  readonly #delivered: Buffer[];
  readonly #onEnd: () => void;
  #pieces: Buffer[] = [];
  #ended: { readonly error?: Error } | undefined;
  #wake: () => void = () => undefined;

  constructor(random: () => number, delivered: Buffer[], onEnd: () => void) {
    this.#random = random;
    this.#delivered = delivered;
    this.#onEnd = onEnd;
  }

  write(bytes: Buffer): void {
    if (this.isDead) return;
    const at = Math.floor(this.#random() * (bytes.length + 1));
    this.#pieces.push(
      ...[bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0),
    );
    this.#wake();
  }

  end(error?: Error): void {
    this.#ended ??= error ? { error } : {};
    this.#onEnd();
    this.#wake();
  }

  reset(): void {
    this.end(new XConnectionError("the connection was reset"));
  }

  close(): void {
    // X notices a client that goes, unless the network has lost it before.
    if (!this.#ended && !this.isDead) this.connection?.left(true);
    this.end();
  }

  async *chunks(signal: AbortSignal): AsyncGenerator<Buffer> {
    for (;;) {
      signal.throwIfAborted();
      const piece = this.#pieces.shift();
      if (piece) {
        this.#delivered.push(piece);
        yield piece;
      } else if (this.#ended) {
        if (this.#ended.error) throw this.#ended.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

function requestOf(
  token: string,
  method: string,
  path: string,
  query: Record<string, string>,
  body: unknown,
): XRequest {
  return {
    method,
    path,
    query: new URLSearchParams(query),
    authorization: `Bearer ${token}`,
    body,
  };
}

function isRefusal(answer: XResponse | XConnection): answer is XResponse {
  return "status" in answer;
}
