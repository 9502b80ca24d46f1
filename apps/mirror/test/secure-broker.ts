import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir, isFree, startKafka, type Kafka } from "@hybridge/local";

const run = promisify(execFile);

/** A broker whose second listener wants TLS and a login; the first is for the tests' own use. */
export interface SecureBroker extends AsyncDisposable {
  readonly kafka: Kafka;
  readonly secure: string;
  /** PEM of the authority that signed the broker's certificate. */
  readonly caFile: string;
}

export interface Login {
  readonly mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-512";
  readonly username: string;
  readonly password: string;
}

/** Starts one in a folder of its own and makes its user. */
export async function startSecureBroker(dir: string, login: Login): Promise<SecureBroker> {
  mkdirSync(dir, { recursive: true });
  const { store, caFile } = await makeCertificate(dir, login.password);
  const [broker, controller, tls] = await freePorts();
  const listener = `listener.name.secure`;
  const mechanism = login.mechanism.toLowerCase();
  const kafka = await startKafka({
    dir: join(dir, "kafka"),
    ports: { broker, controller },
    settings: {
      listeners: `PLAINTEXT://127.0.0.1:${broker},SECURE://127.0.0.1:${tls},CONTROLLER://127.0.0.1:${controller}`,
      "advertised.listeners": `PLAINTEXT://127.0.0.1:${broker},SECURE://localhost:${tls}`,
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
      "ssl.keystore.location": store,
      "ssl.keystore.password": login.password,
      "ssl.keystore.type": "PKCS12",
      [`${listener}.sasl.enabled.mechanisms`]: login.mechanism,
      [`${listener}.${mechanism}.sasl.jaas.config`]:
        "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    },
  });
  await run("java", [
    ...["-Xmx128m", "-cp", join(cacheDir(), "components/kafka/*"), "kafka.admin.ConfigCommand"],
    ...["--bootstrap-server", kafka.addresses.bootstrap, "--alter", "--add-config"],
    `${login.mechanism}=[password=${login.password}]`,
    ...["--entity-type", "users", "--entity-name", login.username],
  ]);
  return {
    kafka,
    secure: `localhost:${tls}`,
    caFile,
    [Symbol.asyncDispose]: () => kafka.stop(),
  };
}

async function makeCertificate(
  dir: string,
  password: string,
): Promise<{ store: string; caFile: string }> {
  const [store, caFile] = [join(dir, "broker.p12"), join(dir, "ca.pem")];
  const key = ["-alias", "broker", "-keystore", store, "-storetype", "PKCS12"];
  const secret = ["-storepass", password];
  await run("keytool", [
    ...["-genkeypair", "-keyalg", "EC", "-dname", "CN=localhost", ...key, ...secret],
    ...["-ext", "SAN=dns:localhost,ip:127.0.0.1", "-validity", "2"],
  ]);
  await run("keytool", ["-exportcert", "-rfc", "-file", caFile, ...key, ...secret]);
  return { store, caFile };
}

/** Below the range of outgoing connections, so that none of them can take one meanwhile. */
async function freePorts(): Promise<[number, number, number]> {
  const next = async (): Promise<number> => {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    return (await isFree(port)) ? port : await next();
  };
  return [await next(), await next(), await next()];
}
