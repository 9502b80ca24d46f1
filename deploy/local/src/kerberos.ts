import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UnavailableError } from "@hybridge/core";
import {
  pidFileOf,
  runToEnd,
  startComponent,
  type Component,
  type ComponentOptions,
} from "./component.ts";
import { javaCommand, javaEnvironment, openedPackages } from "./java.ts";
import { reclaim } from "./launch.ts";
import { choosePorts, isFree } from "./ports.ts";

export interface KdcOptions extends ComponentOptions<"kdc"> {
  /** Principals of people and services beside those of HDFS. */
  readonly users: readonly string[];
}

/** A Kerberos KDC (Hadoop's MiniKdc), and what HDFS needs to ask it. */
export interface Kdc extends Component<{ readonly realm: string }> {
  /** For startHdfs, which also needs `tls`. */
  readonly hdfs: {
    readonly site: Readonly<Record<string, string>>;
    readonly jvm: readonly string[];
  };
  /** A delegation token of a Kerberized HDFS: `hdfs fetchdt` by a user's key. @returns its text */
  delegationToken(
    user: string,
    hdfs: { readonly dir: string; readonly fs: string },
    signal: AbortSignal,
  ): Promise<string>;
}

const REALM = "EXAMPLE.COM";
const STOP_MS = 5_000;

/** Starts a KDC with principals for HDFS on this machine, all of whose keys are in one file. */
export async function startKdc({ dir, users, signal, ...options }: KdcOptions): Promise<Kdc> {
  await reclaim(pidFileOf(dir, "kdc"), "kdc", STOP_MS);
  const ports = await choosePorts("kdc", dir, ["kdc"], options.ports);
  const work = join(dir, "work");
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const secretFile = join(dir, "cookie.secret");
  writeFileSync(secretFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  const properties = join(dir, "kdc.properties");
  writeFileSync(properties, `kdc.port=${ports.kdc}\nkdc.bind.address=localhost\ntransport=TCP\n`);
  const [keytab, krb5] = [join(dir, "keytab"), join(work, "krb5.conf")];
  const component = await startComponent(
    {
      name: "kdc",
      dir,
      addresses: { realm: REALM },
      ...javaCommand({
        name: "kdc",
        component: "hdfs",
        main: "org.apache.hadoop.minikdc.MiniKdc",
        args: [work, properties, keytab, "hdfs/localhost", "HTTP/localhost", ...users],
        heapMb: options.heapMb ?? 96,
        tmpDir: join(dir, "tmp"),
        options: [...KERBEROS_OPENED],
      }),
      env: javaEnvironment(),
      probe: async () => {
        // The keys are written last.
        const isUp = existsSync(keytab) && existsSync(krb5) && !(await isFree(ports.kdc));
        if (!isUp) throw new UnavailableError("the KDC is starting");
      },
      startMs: 180_000,
      stopMs: STOP_MS,
    },
    signal,
  );
  const jvm = [...KERBEROS_OPENED, `-Djava.security.krb5.conf=${krb5}`];
  return Object.assign(component, {
    hdfs: { site: kerberized(keytab, secretFile), jvm },
    delegationToken: (
      user: string,
      hdfs: { readonly dir: string; readonly fs: string },
      tokenSignal: AbortSignal,
    ) => fetchToken({ dir, keytab, jvm, user, hdfs }, tokenSignal),
  });
}

/** The tools of Kerberos in Hadoop reach into the JDK's. */
const KERBEROS_OPENED = ["--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED"];

function kerberized(keytab: string, secretFile: string): Record<string, string> {
  const service = `hdfs/localhost@${REALM}`;
  return {
    "hadoop.security.authentication": "kerberos",
    "hadoop.security.authorization": "true",
    "dfs.namenode.kerberos.principal": service,
    "dfs.namenode.keytab.file": keytab,
    "dfs.datanode.kerberos.principal": service,
    "dfs.datanode.keytab.file": keytab,
    // Without a type, WebHDFS would believe any name.
    "hadoop.http.authentication.type": "kerberos",
    "hadoop.http.authentication.kerberos.principal": `HTTP/localhost@${REALM}`,
    "hadoop.http.authentication.kerberos.keytab": keytab,
    "hadoop.http.authentication.signature.secret.file": secretFile,
    "dfs.web.authentication.kerberos.principal": `HTTP/localhost@${REALM}`,
    "dfs.web.authentication.kerberos.keytab": keytab,
    "dfs.block.access.token.enable": "true",
    // A DataNode without privileged ports wants SASL and https.
    "dfs.data.transfer.protection": "authentication",
  };
}

interface TokenRequest {
  readonly dir: string;
  readonly keytab: string;
  readonly jvm: readonly string[];
  readonly user: string;
  readonly hdfs: { readonly dir: string; readonly fs: string };
}

async function fetchToken(request: TokenRequest, signal: AbortSignal): Promise<string> {
  const { dir, keytab, jvm, user, hdfs } = request;
  const [name = ""] = user.split("/");
  const file = join(dir, `${name}.token`);
  rmSync(file, { force: true });
  const command = javaCommand({
    name: "fetchdt",
    component: "hdfs",
    before: [join(hdfs.dir, "conf")],
    main: "org.apache.hadoop.hdfs.tools.DelegationTokenFetcher",
    args: ["--renewer", name, file],
    heapMb: 128,
    tmpDir: join(dir, "tmp"),
    options: [...openedPackages, ...jvm],
  });
  const env = { ...javaEnvironment(), KRB5PRINCIPAL: `${user}@${REALM}`, KRB5KEYTAB: keytab };
  await runToEnd(
    { dir, name: "fetchdt", env, startMs: 180_000, stopMs: STOP_MS, ...command },
    signal,
  );
  return tokenIn(readFileSync(file));
}

/**
 * The text of the only token in a file of credentials: "HDTS", version, the number of tokens, an
 * alias with its length, the token, the number of secrets.
 * @see org.apache.hadoop.security.Credentials#writeTokenStorageToStream
 */
function tokenIn(file: Buffer): string {
  const aliasLength = file.readInt8(6);
  if (file.toString("latin1", 0, 4) !== "HDTS" || file[4] !== 0 || file[5] !== 1) {
    throw new UnavailableError("hdfs fetchdt wrote something else than one token");
  }
  return file.subarray(7 + aliasLength, file.length - 1).toString("base64url");
}
