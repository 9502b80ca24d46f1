import { causes, retryOf, UnavailableError, type HybridgeEvent } from "@hybridge/core";
import type { HiveAddress, HiveOptions, HiveTimeouts } from "./api.ts";
import { connect, type Connection } from "./connection.ts";
import { HiveStatementError } from "./errors.ts";
import { addressesOf, addressText } from "./server.ts";
import { closeSession, openSession, type SessionHandle } from "./service.ts";

/** A session with a connection of its own, lent to one statement at a time. */
export interface Session {
  readonly connection: Connection;
  readonly handle: SessionHandle;
  /** True when an earlier statement has used it. */
  readonly reused: boolean;
}

export interface SessionPool extends AsyncDisposable {
  /** Waits for a free place when `sessionsMax` are lent. */
  acquire(signal: AbortSignal): Promise<Session>;
  /** Gives a session back; one that is not clean (cancelled, lost, in doubt) is ended. */
  release(session: Session, clean: boolean): void;
}

interface Idle {
  readonly session: Session;
  readonly timer: NodeJS.Timeout;
}

interface Places {
  /** Waits for a free one. */
  take(signal: AbortSignal): Promise<void>;
  giveBack(): void;
}

function limitPlaces(most: number): Places {
  const waiting: (() => void)[] = [];
  let taken = 0;

  function turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const wake = () => resolve(undefined);
    waiting.push(wake);
    signal.addEventListener("abort", wake, { once: true });
    return promise.finally(() => {
      signal.removeEventListener("abort", wake);
      const index = waiting.indexOf(wake);
      if (index >= 0) waiting.splice(index, 1);
    });
  }

  return {
    async take(signal) {
      while (taken >= most) {
        signal.throwIfAborted();
        await turn(signal);
      }
      taken += 1;
    },
    giveBack() {
      taken -= 1;
      waiting.shift()?.();
    },
  };
}

/** What "now", and conversions from and to seconds, mean; else it is the zone of the server's JVM. */
const TIME_ZONE = "hive.local.time.zone";

/** SQL-standard authorization lets a session change only the settings of its list. */
function isZoneRefused(error: unknown): boolean {
  return [...causes(error)].some(
    (cause) =>
      cause instanceof HiveStatementError && cause.message.includes(`Cannot modify ${TIME_ZONE}`),
  );
}

function zoneRefused(address: string, error: unknown): HybridgeEvent {
  return {
    name: "hive.zone_refused",
    level: "warn",
    message:
      `HiveServer2 at ${address} does not let sessions set ${TIME_ZONE}: functions of the current ` +
      "time work in the server's zone. Append it to hive.security.authorization.sqlstd.confwhitelist.append",
    fields: { address },
    error,
  };
}

/** Opens sessions on the server that answered last; when it is away, on the next one of the list. */
function sessionStarter(options: HiveOptions, timeouts: HiveTimeouts, open: Set<Connection>) {
  const addresses = addressesOf(options);
  /** Counts on when a server is away; the place in the list is its remainder. */
  let current = 0;
  let setsZone = options.settings?.[TIME_ZONE] === undefined;

  return async function start(signal: AbortSignal): Promise<Session> {
    const failures: unknown[] = [];
    while (failures.length < addresses.length) {
      const at = addresses[current % addresses.length] ?? options;
      try {
        return await startAt(at, signal);
      } catch (error) {
        signal.throwIfAborted();
        // Another server would refuse the same.
        if (retryOf(error) === "never") throw error;
        failures.push(error);
        if (addresses[current % addresses.length] === at) current += 1;
      }
    }
    if (failures.length === 1) throw failures[0];
    throw new UnavailableError(
      `no HiveServer2 of ${addresses.map(addressText).join()} opens a session`,
      { cause: failures.at(-1) },
    );
  };

  /** In UTC, where the server lets a session choose it. */
  async function openIn(connection: Connection): Promise<SessionHandle> {
    const { answerMs } = timeouts;
    if (!setsZone) return await openSession(connection, options, answerMs);
    const settings = { ...options.settings, [TIME_ZONE]: "UTC" };
    try {
      return await openSession(connection, { ...options, settings }, answerMs);
    } catch (error) {
      if (!isZoneRefused(error)) throw error;
      setsZone = false;
      options.emit?.(zoneRefused(addressText(connection.at), error));
      return await openSession(connection, options, answerMs);
    }
  }

  async function startAt(at: HiveAddress, signal: AbortSignal): Promise<Session> {
    const connection = await connect(options, at, timeouts.connectMs, signal);
    open.add(connection);
    connection.onEnd(() => open.delete(connection));
    const abort = () => connection.destroy();
    signal.addEventListener("abort", abort, { once: true });
    try {
      const handle = await openIn(connection);
      return { connection, handle, reused: false };
    } catch (error) {
      connection.destroy();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }
}

/**
 * Opening a session costs HiveServer2 several round trips to HDFS (its scratch folders), so that
 * sessions are kept for the next statement. A session carries state (settings, temporary tables),
 * so that it is lent to one statement at a time, and statements that change it are not for here.
 */
export function sessionPool(options: HiveOptions, timeouts: HiveTimeouts): SessionPool {
  const { sessionsMax = 8, sessionIdleMs = 60_000 } = options;
  const idle: Idle[] = [];
  const places = limitPlaces(sessionsMax);
  const closing = new Set<Promise<void>>();
  const open = new Set<Connection>();
  const start = sessionStarter(options, timeouts, open);
  let disposed = false;

  /** The session that was used last: the others can grow old and go. */
  function takeIdle(): Session | undefined {
    for (;;) {
      const last = idle.pop();
      if (!last) return undefined;
      clearTimeout(last.timer);
      if (last.session.connection.open) return { ...last.session, reused: true };
    }
  }

  /** Cuts the connection of a session in doubt. Where that does not end the session, it is closed. */
  async function cut({ connection, handle }: Session): Promise<void> {
    connection.destroy();
    if (connection.sessionsEndWithIt) return;
    const { cancelMs } = timeouts;
    const other = await connect(options, connection.at, cancelMs, AbortSignal.timeout(cancelMs));
    end({ connection: other, handle });
  }

  /** Ends a session in the background: nobody has to wait for it. */
  function end({ connection, handle }: Pick<Session, "connection" | "handle">): void {
    const ending = closeSession(connection, handle, timeouts.cancelMs)
      .catch(() => undefined) // HiveServer2 closes the session when its connection is gone.
      .finally(() => {
        connection.destroy();
        closing.delete(ending);
      });
    closing.add(ending);
  }

  function keep(session: Session): void {
    const timer = setTimeout(() => {
      const index = idle.findIndex((each) => each.timer === timer);
      if (index >= 0) idle.splice(index, 1);
      end(session);
    }, sessionIdleMs);
    timer.unref();
    idle.push({ session, timer });
  }

  return {
    async acquire(signal) {
      if (disposed) throw new UnavailableError("the sessions of Hive are closed");
      signal.throwIfAborted();
      await places.take(signal);
      try {
        return takeIdle() ?? (await start(signal));
      } catch (error) {
        places.giveBack();
        throw error;
      }
    },
    release(session, clean) {
      places.giveBack();
      if (!clean) void cut(session).catch(() => undefined);
      else if (disposed) end(session);
      else if (session.connection.open) keep(session);
    },
    async [Symbol.asyncDispose]() {
      disposed = true;
      for (const { session, timer } of idle.splice(0)) {
        clearTimeout(timer);
        end(session);
      }
      await Promise.all(closing);
      for (const connection of open) connection.destroy();
    },
  };
}
