import { UnavailableError } from "@hybridge/core";
import type { HiveOptions, HiveTimeouts } from "./api.ts";
import { connect, type Connection } from "./connection.ts";
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

  async function start(signal: AbortSignal): Promise<Session> {
    const connection = await connect(options, timeouts.connectMs, signal);
    open.add(connection);
    connection.onEnd(() => open.delete(connection));
    const abort = () => connection.destroy();
    signal.addEventListener("abort", abort, { once: true });
    try {
      const handle = await openSession(connection, options, timeouts.answerMs);
      return { connection, handle, reused: false };
    } catch (error) {
      connection.destroy();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Ends a session in the background: nobody has to wait for it. */
  function end(session: Session): void {
    const { connection, handle } = session;
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
      if (!clean) session.connection.destroy();
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
