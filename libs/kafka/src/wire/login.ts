import { isAbort } from "@hybridge/core";
import type { SaslOptions } from "../api.ts";
import { AuthenticationError, ConnectionLostError } from "../errors.ts";
import { prepareLogin, type SaslChannel } from "./sasl.ts";

/** What a login needs of its connection. */
export interface LoginPort extends SaslChannel {
  /** Ends the connection. */
  fail(error: Error): void;
}

/**
 * Credentials that were good once. When they are refused later, somebody is changing them, or the
 * broker does not know its users yet: that passes, and is no reason to stop.
 */
const accepted = new WeakSet<SaslOptions>();

function withHope(error: unknown): unknown {
  if (!(error instanceof AuthenticationError)) return error;
  const message = `${error.message}; these credentials were accepted before, so it is tried again`;
  return new AuthenticationError(message, { cause: error, retry: "backoff" });
}

interface Held {
  readonly send: () => void;
  readonly reject: (error: Error) => void;
}

/** The largest delay that a timer of Node takes; a greater one fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** A broker refuses a renewal that comes within a second of the last one (KIP-368). */
const RENEWAL_MS_MIN = 1_100;
const ANOTHER_TRY_MS = 1_000;

/**
 * The login of one connection, and its renewal before the broker ends it (KIP-368). From the
 * handshake to the end of the exchange a broker takes nothing else on the connection: a request
 * that comes meanwhile is held back and sent afterwards, in its order. What was sent before is
 * answered before.
 */
export class Login {
  readonly #sasl: SaslOptions;
  readonly #port: LoginPort;
  readonly #signal: AbortSignal;
  readonly #now: () => number;
  #renewAtMs = Infinity;
  #endsAtMs = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #isRenewing = false;
  #isHolding = false;
  #held: Held[] = [];
  #failure: Error | undefined;

  constructor(
    sasl: SaslOptions,
    port: LoginPort,
    signal: AbortSignal,
    now: () => number = () => performance.now(),
  ) {
    this.#sasl = sasl;
    this.#port = port;
    this.#signal = signal;
    this.#now = now;
  }

  /** Logs in on a fresh connection. @throws AuthenticationError, OAuthTokenError */
  async begin(): Promise<void> {
    const exchange = await prepareLogin(this.#sasl, this.#signal);
    const startedAtMs = this.#now();
    try {
      this.#plan(startedAtMs, await exchange(this.#port, this.#signal));
    } catch (error) {
      throw accepted.has(this.#sasl) ? withHope(error) : error;
    }
    accepted.add(this.#sasl);
  }

  /** Sends a request now, or after the renewal that is under way or due. */
  pass<T>(send: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (!this.#isRenewing && this.#now() >= this.#renewAtMs) void this.#renew();
    if (this.#failure) return Promise.reject(this.#failure);
    if (!this.#isHolding) return send();
    return new Promise<T>((resolve, reject) => {
      const onAbort = () => reject(signal?.reason as Error);
      signal?.addEventListener("abort", onAbort, { once: true });
      const end = () => signal?.removeEventListener("abort", onAbort);
      this.#held.push({
        send: () => {
          end();
          if (!signal?.aborted) resolve(send());
        },
        reject: (error) => {
          end();
          reject(error);
        },
      });
    });
  }

  /** The connection has ended. */
  end(error: Error): void {
    this.#failure ??= error;
    clearTimeout(this.#timer);
    for (const { reject } of this.#held.splice(0)) reject(error);
  }

  /** Brokers that never end a login say 0. */
  #plan(startedAtMs: number, lifetimeMs: number): void {
    if (lifetimeMs <= 0) {
      this.#renewAtMs = this.#endsAtMs = Infinity;
      return;
    }
    // Not all connections at once; and early, because what a busy broker reads after the end is lost
    // with the connection, even when it was sent before.
    const share = 0.6 + Math.random() / 5;
    this.#endsAtMs = startedAtMs + lifetimeMs;
    this.#renewAtMs = startedAtMs + Math.max(RENEWAL_MS_MIN, lifetimeMs * share);
    this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(0, this.#renewAtMs - this.#now()));
    this.#timer = setTimeout(() => {
      if (this.#now() < this.#renewAtMs) this.#wait();
      else void this.#renew();
    }, waitMs);
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    if (this.#isRenewing || this.#failure) return;
    this.#isRenewing = true;
    // The broker would end the connection at the first request that comes after the end, such as
    // one of a process that was suspended. A renewal it takes even then.
    if (this.#now() >= this.#endsAtMs) this.#isHolding = true;
    try {
      const exchange = await this.#prepare();
      if (exchange && !this.#failed()) {
        this.#isHolding = true;
        const startedAtMs = this.#now();
        this.#plan(startedAtMs, await exchange(this.#port, this.#signal));
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isRenewing = false;
      this.#isHolding = false;
    }
    // The order stays: each goes out in this turn, before anybody can ask anew.
    if (!this.#failed()) for (const { send } of this.#held.splice(0)) send();
  }

  /** A token that cannot be had at the moment is asked for again until the login ends. */
  async #prepare() {
    try {
      return await prepareLogin(this.#sasl, this.#signal);
    } catch (error) {
      if (isAbort(error, this.#signal) || this.#now() >= this.#endsAtMs) throw error;
      const leftMs = this.#endsAtMs - this.#now();
      this.#renewAtMs = this.#now() + Math.min(leftMs, Math.max(ANOTHER_TRY_MS, leftMs / 4));
      this.#wait();
      return undefined;
    }
  }

  #failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Another connection may do better, with the credentials as they are then. */
  #fail(cause: unknown): void {
    this.#port.fail(
      new ConnectionLostError(
        `renew the login at ${this.#port.address}: it did not succeed and the connection was ended; the next one logs in anew`,
        { cause },
      ),
    );
  }
}
