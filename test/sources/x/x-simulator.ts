import type { MonotonicClock } from "@hybridge/core";
import { xProtocol } from "../protocol.ts";

/** A request as HTTP brings it. */
export interface XRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string;
  readonly body: unknown;
}

export interface XResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** What carries the stream to a client. */
export interface XListener {
  write(bytes: Buffer): void;
  /** The end of the answer, as HTTP knows it. */
  end(): void;
  /** The connection breaks. */
  reset(): void;
}

/** A connection as X sees it. */
export interface XConnection {
  /** The client, or the network, has gone; X may not notice for a while. */
  left(noticed: boolean): void;
}

export interface XSimulatorOptions {
  readonly clock: MonotonicClock;
  readonly after: (ms: number, then: () => void) => void;
  readonly token: string;
  readonly consumer?: { readonly key: string; readonly secret: string };
  readonly plan: "pay-per-use" | "enterprise";
}

interface Rule {
  readonly id: string;
  readonly value: string;
  readonly tag?: string;
}

interface Open {
  readonly listener: XListener;
  isGone: boolean;
  /** Nothing is sent any more, and nobody knows. */
  isStalled: boolean;
  lastSentMs: number;
}

/** What X answers instead of what it should. */
export type XTrouble = "none" | "unavailable" | "rate-limited";

const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };
const RULES = "/2/tweets/search/stream/rules";

/**
 * X's filtered stream without a network: rules, limits, heartbeats and connections as protocol.json
 * has them. Any rule matches any post: what is simulated is the protocol, not the search.
 */
export class XSimulator {
  trouble: XTrouble = "none";
  /** Limits that a client has passed. */
  readonly violations: string[] = [];
  readonly #options: XSimulatorOptions;
  readonly #rules = new Map<string, Rule>();
  readonly #requests = new Map<string, number[]>();
  readonly #open = new Set<Open>();
  readonly #recent: { readonly atMs: number; readonly line: Buffer }[] = [];
  #ruleIds = 1_700_000_000_000_000_000n;
  #limitedUntilMs = 0;

  constructor(options: XSimulatorOptions) {
    this.#options = options;
  }

  get rules(): readonly Rule[] {
    return [...this.#rules.values()];
  }

  /** Connections that X counts, those of clients that have gone unnoticed included. */
  get connections(): number {
    return this.#open.size;
  }

  /** Rules of another program on the same app. */
  addForeignRule(value: string, tag?: string): void {
    this.#add({ value, ...(tag === undefined ? {} : { tag }) });
  }

  /** Everything but the stream. */
  request(request: XRequest): XResponse {
    const { method, path } = request;
    if (method === "POST" && path === "/oauth2/token") return this.#token(request);
    if (path !== RULES) return { status: 404, headers: JSON_TYPE, body: { title: "Not Found" } };
    const [name, limit] =
      method === "GET"
        ? (["rules read", xProtocol.rulesReadsPerWindow] as const)
        : (["rules written", xProtocol.rulesWritesPerWindow] as const);
    const refused = this.#refusal(request, name, limit);
    if (refused) return refused;
    if (method === "GET") return ok({ data: this.rules, meta: { result_count: this.#rules.size } });
    return this.#changeRules(request);
  }

  /** The stream: a refusal, or a connection on which lines are written to the listener from now on. */
  connect(request: XRequest, listener: XListener): XResponse | XConnection {
    const refused = this.#refusal(request, "connects", xProtocol.connectsPerWindow);
    if (refused) return refused;
    const minutes = Number(request.query.get("backfill_minutes") ?? 0);
    if (minutes > 0 && this.#options.plan !== "enterprise") {
      return { status: 403, headers: JSON_TYPE, body: xProtocol.backfillRefused };
    }
    const connectionsMax = this.#options.plan === "enterprise" ? 2 : xProtocol.connectionsMax;
    if (this.#open.size >= connectionsMax) {
      return {
        status: 429,
        headers: this.#limitHeaders("connects", xProtocol.connectsPerWindow),
        body: xProtocol.tooManyConnections,
      };
    }
    const open: Open = {
      listener,
      isGone: false,
      isStalled: false,
      lastSentMs: this.#options.clock.monotonic(),
    };
    this.#open.add(open);
    const sinceMs = this.#options.clock.now() - minutes * 60_000;
    if (minutes > 0) {
      for (const { atMs, line } of this.#recent) if (atMs >= sinceMs) this.#send(open, line);
    }
    this.#beat(open);
    return {
      left: (noticed) => {
        open.isGone = true;
        if (noticed) this.#open.delete(open);
        else this.#options.after(xProtocol.heldConnectionMs, () => this.#open.delete(open));
      },
    };
  }

  /** A post that rules match goes to every connection. */
  publish(json: string): void {
    if (this.#rules.size === 0) return;
    const matching = this.rules.map(({ id, tag }) => ({ id, tag }));
    const message = `${json.slice(0, -1)},"matching_rules":${JSON.stringify(matching)}}`;
    const line = Buffer.from(`${message}\r\n`);
    const now = this.#options.clock.now();
    this.#recent.push({ atMs: now, line });
    const oldestMs = now - (xProtocol.backfillMinutesMax + 1) * 60_000;
    while ((this.#recent[0]?.atMs ?? now) < oldestMs) this.#recent.shift();
    for (const open of this.#open) this.#send(open, line);
  }

  /** X ends all connections in one of its ways. */
  disconnect(
    how: "end" | "reset" | "mid-line" | "message" | "bare-message" | "stall" | "repeat",
  ): void {
    for (const open of [...this.#open]) {
      if (open.isGone) continue;
      switch (how) {
        case "stall":
          open.isStalled = true;
          continue;
        case "repeat":
          // What was sent just before comes once more.
          for (const { line } of this.#recent.slice(-3)) this.#send(open, line);
          continue;
        case "bare-message":
          // Seen in the field: the message comes, and the connection stays, silent.
          this.#send(open, lineOf(xProtocol.bareOperationalDisconnect));
          open.isStalled = true;
          continue;
        case "message":
          this.#send(open, lineOf(xProtocol.operationalDisconnect));
          open.listener.end();
          break;
        case "mid-line": {
          const { line } = this.#recent.at(-1) ?? { line: Buffer.from('{"data":{"id":"1","te') };
          this.#send(open, line.subarray(0, Math.ceil(line.length / 2)));
          open.listener.reset();
          break;
        }
        case "end":
          open.listener.end();
          break;
        case "reset":
          open.listener.reset();
      }
      open.isGone = true;
      this.#open.delete(open);
    }
  }

  #send(open: Open, bytes: Buffer): void {
    if (open.isGone || open.isStalled) return;
    open.lastSentMs = this.#options.clock.monotonic();
    open.listener.write(bytes);
  }

  #beat(open: Open): void {
    const { clock, after } = this.#options;
    const dueMs = open.lastSentMs + xProtocol.heartbeatMs - clock.monotonic();
    after(Math.max(1, dueMs), () => {
      if (open.isGone || open.isStalled) return;
      if (clock.monotonic() - open.lastSentMs >= xProtocol.heartbeatMs) {
        this.#send(open, Buffer.from(xProtocol.heartbeat));
      }
      this.#beat(open);
    });
  }

  #token({ authorization }: XRequest): XResponse {
    const { consumer, token } = this.#options;
    const pair = consumer ? `${consumer.key}:${consumer.secret}` : "";
    const isRight = consumer && authorization === `Basic ${Buffer.from(pair).toString("base64")}`;
    if (!isRight) return { status: 403, headers: JSON_TYPE, body: xProtocol.unauthorized };
    return ok({ token_type: "bearer", access_token: token });
  }

  #refusal(request: XRequest, name: string, limit: number): XResponse | undefined {
    const { clock, token } = this.#options;
    const now = clock.monotonic();
    const times = (this.#requests.get(name) ?? []).filter((at) => at > now - xProtocol.windowMs);
    times.push(now);
    this.#requests.set(name, times);
    const headers = this.#limitHeaders(name, limit);
    if (times.length > limit) {
      this.violations.push(`${times.length} ${name} in 15 minutes, at ${now}`);
      return { status: 429, headers, body: xProtocol.tooManyRequests };
    }
    if (now < this.#limitedUntilMs) {
      this.violations.push(
        `asked for ${name} at ${now}, before the reset at ${this.#limitedUntilMs}`,
      );
    }
    if (this.trouble === "unavailable") {
      return { status: 503, headers: JSON_TYPE, body: xProtocol.unavailable };
    }
    if (this.trouble === "rate-limited") {
      this.trouble = "none";
      const resetMs = Math.ceil((clock.now() + 240_000) / 1_000) * 1_000;
      this.#limitedUntilMs = now + resetMs - clock.now();
      const reset = {
        ...headers,
        "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": String(resetMs / 1_000),
      };
      return { status: 429, headers: reset, body: xProtocol.tooManyRequests };
    }
    if (request.authorization === `Bearer ${token}`) return undefined;
    return { status: 401, headers: JSON_TYPE, body: xProtocol.unauthorized };
  }

  #limitHeaders(name: string, limit: number): Record<string, string> {
    const times = this.#requests.get(name) ?? [];
    const { clock } = this.#options;
    const resetMs = clock.now() + (times[0] ?? 0) + xProtocol.windowMs - clock.monotonic();
    return {
      ...JSON_TYPE,
      "x-rate-limit-limit": String(limit),
      "x-rate-limit-remaining": String(Math.max(0, limit - times.length)),
      "x-rate-limit-reset": String(Math.ceil(resetMs / 1_000)),
    };
  }

  #changeRules({ body, query }: XRequest): XResponse {
    const isDry = query.get("dry_run") === "true";
    const { add = [], delete: gone } = body as {
      add?: readonly { value: string; tag?: string }[];
      delete?: { readonly ids: readonly string[] };
    };
    if (gone) {
      const deleted = gone.ids.filter((id) =>
        isDry ? this.#rules.has(id) : this.#rules.delete(id),
      );
      return ok({
        meta: {
          summary: { deleted: deleted.length, not_deleted: gone.ids.length - deleted.length },
        },
      });
    }
    const errors = add.flatMap(({ value }) => {
      if (
        value.length > xProtocol.ruleLengthMax ||
        /^\s*lang:\S+\s*$/.test(value) ||
        value === ""
      ) {
        return [{ value, details: ["the rule is not valid"], ...xProtocol.invalidRule }];
      }
      const isKnown = this.rules.some((rule) => rule.value === value);
      return isKnown ? [{ value, ...xProtocol.duplicateRule }] : [];
    });
    const wrong = new Set(errors.map(({ value }) => value));
    const fresh = add.filter(({ value }) => !wrong.has(value));
    if (
      this.#rules.size + fresh.length > xProtocol.rulesMax &&
      this.#options.plan !== "enterprise"
    ) {
      return {
        status: 422,
        headers: JSON_TYPE,
        body: { title: "RulesCapExceeded", detail: "rule cap" },
      };
    }
    const data = fresh.map((rule) => (isDry ? { ...rule, id: "0" } : this.#add(rule)));
    const summary = { created: data.length, not_created: errors.length };
    return {
      status: 201,
      headers: JSON_TYPE,
      body: { data, meta: { summary }, ...(errors.length > 0 ? { errors } : {}) },
    };
  }

  #add(rule: Omit<Rule, "id">): Rule {
    const id = String((this.#ruleIds += 1n));
    const added = { ...rule, id };
    this.#rules.set(id, added);
    return added;
  }
}

function ok(body: unknown): XResponse {
  return { status: 200, headers: JSON_TYPE, body };
}

function lineOf(message: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(message)}\r\n`);
}
