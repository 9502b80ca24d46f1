import { cloudUsers, type CloudSecurity } from "./security.ts";

/** A session lasts this long; then clients log in again on the same connection (KIP-368). */
const REAUTHENTICATE_MS = 5_000;

/**
 * The settings of a broker that lets in nobody without TLS and a login, and to nothing without an
 * ACL. `admin` is the broker itself, and who grants the rights; all others log in by SCRAM.
 */
export function securedBroker(
  security: CloudSecurity,
  ports: { readonly broker: number; readonly controller: number },
): Record<string, string> {
  const password = security.password("admin");
  const plain =
    "org.apache.kafka.common.security.plain.PlainLoginModule required " +
    `username="admin" password="${password}" user_admin="${password}";`;
  return {
    listeners: `SASL_SSL://127.0.0.1:${ports.broker},CONTROLLER://127.0.0.1:${ports.controller}`,
    "advertised.listeners": `SASL_SSL://127.0.0.1:${ports.broker}`,
    "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SASL_SSL",
    "inter.broker.listener.name": "SASL_SSL",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "listener.name.sasl_ssl.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
    "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config":
      "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    "listener.name.sasl_ssl.plain.sasl.jaas.config": plain,
    "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.controller.plain.sasl.jaas.config": plain,
    "connections.max.reauth.ms": String(REAUTHENTICATE_MS),
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": security.certificate.pairFile,
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": security.caFile,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "false",
    "super.users": "User:admin",
  };
}

/** Arguments of `kafka-storage format` that make the users of the services. */
export function scramArguments(security: CloudSecurity): string[] {
  return cloudUsers
    .filter((user) => user !== "admin")
    .flatMap((user) => [
      "--add-scram",
      `SCRAM-SHA-512=[name=${user},password=${security.password(user)}]`,
    ]);
}
