// Which server is spoken to, and who speaks: what both transports share.
import type { ConnectionOptions } from "node:tls";
import { UnavailableError, type HybridgeError } from "@hybridge/core";
import type { HiveAddress, HiveOptions } from "./api.ts";
import { HiveLoginError } from "./errors.ts";

export function addressText({ host, port }: HiveAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function addressesOf(options: HiveOptions): HiveAddress[] {
  return [{ host: options.host, port: options.port }, ...(options.others ?? [])];
}

/** Read anew at each log-in: the password may be in a file that changes. */
export function credentialsOf({ user, password }: HiveOptions): { user: string; password: string } {
  const text = typeof password === "object" ? password.value() : password;
  return { user: user ?? "hybridge", password: text ?? "anonymous" };
}

export function tlsOptions(tls: NonNullable<HiveOptions["tls"]>): ConnectionOptions {
  const { serverName, ...material } = typeof tls === "function" ? tls() : tls;
  return {
    ...material,
    rejectUnauthorized: true,
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

/** A certificate that is not trusted, or no TLS where TLS was asked for, is no passing trouble. */
export function setUpError(what: string, cause: unknown): HybridgeError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return /CERT|SELF_SIGNED|^UNABLE_TO_|^ERR_TLS|^ERR_SSL|^EPROTO/.test(code)
    ? new HiveLoginError(`${what}; check the certificates of both sides and the CA file`, { cause })
    : new UnavailableError(what, { cause });
}
