import type { MigrationBuilder, Program } from "./migration.ts";
import type { Entry } from "./properties.ts";

/** Where the settings of a Kafka client go: "HYBRIDGE_SOURCE" or "HYBRIDGE_TARGET". */
export interface ClientTarget {
  readonly builder: MigrationBuilder;
  readonly program: Program;
  readonly prefix: "HYBRIDGE_SOURCE" | "HYBRIDGE_TARGET";
}

const SASL = new Set(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]);

const dropped: readonly (readonly [RegExp, string])[] = [
  [
    /^(acks|request\.required\.acks)$/,
    "it is always all: a post counts when all in-sync replicas have it",
  ],
  [
    /^(enable\.idempotence|retries|delivery\.timeout\.ms|request\.timeout\.ms|retry\.backoff.*)$/,
    "writing is idempotent, and repeated until the broker has answered",
  ],
  [
    /^(max\.in\.flight.*)$/,
    "order is kept with any number; ingest has one batch a partition under way",
  ],
  [/^(key|value)\.(de)?serializer$/, "bytes are passed on as they are"],
  [
    /^(group\.id|auto\.offset\.reset|enable\.auto\.commit|auto\.commit.*)$/,
    "no consumer group keeps the place: the target log itself does",
  ],
  [
    /^(client\.id|metadata\.max\.age\.ms|connections\.max\.idle\.ms|(send|receive)\.buffer\.bytes|socket\..*|reconnect\.backoff.*)$/,
    "there is no need to set it",
  ],
  [
    /^(fetch\..*|max\.partition\.fetch\.bytes|max\.poll.*|session\.timeout\.ms|heartbeat\.interval\.ms|partition\.assignment\.strategy)$/,
    "reading adapts by itself; memory is bounded as a whole (HYBRIDGE_BUFFER_MIB of the mirror)",
  ],
  [
    /^(buffer\.memory|max\.block\.ms|max\.request\.size|queue\..*)$/,
    "memory is bounded as a whole (HYBRIDGE_IN_FLIGHT_BYTES_MAX of ingest, HYBRIDGE_BUFFER_MIB of the mirror)",
  ],
  [
    /^(interceptor\.classes|partitioner\..*|metric.*|transactional\.id)$/,
    "it is code or bookkeeping of the Java client",
  ],
  [
    /^ssl\.(endpoint\.identification.*|enabled\.protocols|protocol|cipher\.suites|.*algorithm.*|provider|secure.*)$/,
    "host names are always checked, with Node's protocols and ciphers",
  ],
  [/^ssl\.(key|keystore|truststore)\.(password|type)$/, "PEM files need none"],
  [
    /^sasl\.(kerberos.*|login.*|client.*)$/,
    "Kerberos towards Kafka is not supported: use SCRAM, OAUTHBEARER, AWS_MSK_IAM or TLS certificates",
  ],
];

/**
 * Translates one property of a Kafka client.
 *
 * @param name the property without the prefixes of its file
 * @returns whether it is one
 */
export function translateClient(target: ClientTarget, name: string, entry: Entry): boolean {
  const { builder, program, prefix } = target;
  const { value } = entry;
  const set = (suffix: string, text: string, why: string) =>
    builder.set(program, `${prefix}_${suffix}`, text, why, entry);
  switch (name) {
    case "bootstrap.servers":
    case "metadata.broker.list":
      set("BOOTSTRAP", value.replace(/\s+/g, ""), "addresses of the cluster");
      return true;
    case "security.protocol":
      if (/SSL/.test(value)) set("TLS", "true", `${value} means TLS`);
      else builder.drop(entry, `${value} means no TLS, which is the default`);
      return true;
    case "sasl.mechanism":
      if (SASL.has(value)) set("SASL_MECHANISM", value, "how to log in");
      else builder.drop(entry, `${value} is not supported: ${[...SASL].join(", ")} are`);
      return true;
    case "sasl.jaas.config":
      translateJaas(target, entry);
      return true;
    case "ssl.truststore.location":
      set("TLS_CA_FILE", pem(value), `the authorities as PEM: ${toPem(value)}`);
      return true;
    case "ssl.keystore.location":
      set("TLS_CERT_FILE", pem(value), `the certificate as PEM: ${toPem(value)}`);
      set(
        "TLS_KEY_FILE",
        value.replace(/\.\w+$/, ".key"),
        "and its private key: openssl pkcs12 -nodes -nocerts",
      );
      return true;
    case "client.rack":
      set("CLIENT_RACK", value, "reads go to a replica there");
      return true;
  }
  const known = dropped.find(([pattern]) => pattern.test(name));
  if (known) builder.drop(entry, known[1]);
  return known !== undefined;
}

/** The user stands in the text; the password is not repeated. */
function translateJaas({ builder, program, prefix }: ClientTarget, entry: Entry): void {
  const user = /username\s*=\s*"([^"]*)"/.exec(entry.value)?.[1];
  if (user === undefined) {
    builder.drop(entry, "only user and password are understood of it");
    return;
  }
  builder.set(program, `${prefix}_SASL_USERNAME`, user, "the user of the JAAS line", entry);
  const why = "a file with the password of the JAAS line, and nothing else in it";
  builder.set(program, `${prefix}_SASL_PASSWORD_FILE`, "kafka-password", why, entry);
}

function pem(path: string): string {
  return path.replace(/\.\w+$/, ".pem");
}

function toPem(path: string): string {
  return `keytool -list -rfc -keystore ${path} > ${pem(path)}`;
}
