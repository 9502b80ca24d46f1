import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UnavailableError } from "@hybridge/core";
import { pidFileOf, startComponent, type Component, type ComponentOptions } from "./component.ts";
import { hadoopUser, writeSite } from "./hadoop-conf.ts";
import { javaCommand, javaEnvironment, openedPackages } from "./java.ts";
import { reclaim } from "./launch.ts";
import { choosePorts } from "./ports.ts";
import { httpCall, probeHttp } from "./probes.ts";

/** Hadoop's key server: what HDFS gets the keys of its encryption zones from. */
export interface Kms extends Component<{ readonly provider: string }> {
  /** Properties with which HDFS uses it. */
  readonly site: Readonly<Record<string, string>>;
  makeKey(name: string, signal: AbortSignal): Promise<void>;
}

const STOP_MS = 5_000;

/** Starts a KMS whose keys are in a file of `dir`; everybody may use them. */
export async function startKms({
  dir,
  signal,
  ...options
}: ComponentOptions<"http">): Promise<Kms> {
  await reclaim(pidFileOf(dir, "kms"), "kms", STOP_MS);
  const ports = await choosePorts("kms", dir, ["http"], options.ports);
  const conf = join(dir, "conf");
  mkdirSync(conf, { recursive: true });
  const user = hadoopUser();
  // It reads this one too, and does not start without it.
  writeSite(conf, "core-site.xml", {});
  writeSite(conf, "kms-site.xml", {
    "hadoop.kms.http.host": "127.0.0.1",
    "hadoop.kms.http.port": String(ports.http),
    "hadoop.kms.key.provider.uri": `jceks://file@${join(dir, "keys.jceks")}`,
    "hadoop.http.temp.dir": join(dir, "tmp"),
    [`hadoop.kms.proxyuser.${user}.users`]: "*",
    [`hadoop.kms.proxyuser.${user}.hosts`]: "*",
  });
  const acls = ["MANAGEMENT", "READ", "GENERATE_EEK", "DECRYPT_EEK"];
  writeSite(
    conf,
    "kms-acls.xml",
    Object.fromEntries(acls.map((name) => [`default.key.acl.${name}`, "*"])),
  );
  writeFileSync(join(conf, "kms-log4j.properties"), LOGGING);
  const url = `http://127.0.0.1:${ports.http}/kms/v1`;
  const as = `user.name=${encodeURIComponent(user)}`;
  const component = await startComponent(
    {
      name: "kms",
      dir,
      addresses: { provider: `kms://http@127.0.0.1:${ports.http}/kms` },
      ...javaCommand({
        name: "kms",
        component: "hdfs",
        before: [conf],
        main: "org.apache.hadoop.crypto.key.kms.server.KMSWebServer",
        heapMb: options.heapMb ?? 128,
        tmpDir: join(dir, "tmp"),
        options: [
          ...openedPackages,
          `-Dkms.config.dir=${conf}`,
          `-Dlog4j.configuration=file:${join(conf, "kms-log4j.properties")}`,
        ],
      }),
      env: javaEnvironment(),
      probe: async (probeSignal) => {
        await probeHttp(`${url}/keys/names?${as}`, probeSignal);
      },
      startMs: 180_000,
      stopMs: STOP_MS,
    },
    signal,
  );
  return Object.assign(component, {
    site: { "hadoop.security.key.provider.path": component.addresses.provider },
    async makeKey(name: string, keySignal: AbortSignal) {
      const key = JSON.stringify({ name, cipher: "AES/CTR/NoPadding", length: 128 });
      const { status, body } = await httpCall("POST", `${url}/keys?${as}`, keySignal, {
        json: key,
      });
      if (status !== 201) throw new UnavailableError(`the KMS makes no key: ${status} ${body}`);
    },
  });
}

const LOGGING = `log4j.rootLogger=WARN, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %m (%c{1})%n
`;
