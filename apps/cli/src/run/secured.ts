import { readFileSync } from "node:fs";
import { readConfig } from "@hybridge/core";
import { type ClusterOptions, clusterOptions, clusterSettings } from "@hybridge/kafka";
import type { CloudSecurity, CloudUser } from "@hybridge/local";
import type { ClientAccess } from "@hybridge/rpc";

type Cluster = "HYBRIDGE_SOURCE" | "HYBRIDGE_TARGET";

/** The settings with which a user reaches a cluster; without security, its address alone. */
export function kafkaEnvironment(
  cluster: Cluster,
  bootstrap: string,
  user: CloudUser,
  security: CloudSecurity | undefined,
): Record<string, string> {
  const address = { [`${cluster}_BOOTSTRAP`]: bootstrap };
  if (security === undefined) return address;
  return {
    ...address,
    [`${cluster}_TLS`]: "true",
    [`${cluster}_TLS_CA_FILE`]: security.caFile,
    [`${cluster}_SASL_MECHANISM`]: user === "admin" ? "PLAIN" : "SCRAM-SHA-512",
    [`${cluster}_SASL_USERNAME`]: user,
    [`${cluster}_SASL_PASSWORD_FILE`]: security.passwordFile(user),
  };
}

/** The settings with which a user reaches HiveServer2; without security, its address alone. */
export function hiveEnvironment(
  address: string,
  user: CloudUser,
  security: CloudSecurity | undefined,
): Record<string, string> {
  if (security === undefined) return { HYBRIDGE_HIVE: address };
  return {
    HYBRIDGE_HIVE: address,
    HYBRIDGE_HIVE_TLS: "true",
    HYBRIDGE_HIVE_TLS_CA_FILE: security.caFile,
    HYBRIDGE_HIVE_USER: user,
    HYBRIDGE_HIVE_PASSWORD_FILE: security.passwordFile(user),
  };
}

/** WebHDFS: https, the standby NameNode first. */
export function hdfsEnvironment(
  url: string,
  security: CloudSecurity | undefined,
): Record<string, string> {
  if (security === undefined) return { HYBRIDGE_WEBHDFS_URL: url };
  return { HYBRIDGE_WEBHDFS_URL: url, HYBRIDGE_WEBHDFS_TLS_CA_FILE: security.caFile };
}

/** How the command line itself reaches a cluster, to count what it holds. */
export function adminCluster(
  bootstrap: string,
  security: CloudSecurity | undefined,
): ClusterOptions {
  const cluster = "HYBRIDGE_SOURCE";
  const settings = clusterSettings(cluster, "the cluster");
  const config = readConfig(settings, kafkaEnvironment(cluster, bootstrap, "admin", security));
  return clusterOptions(config, cluster, "hybridge-cli");
}

/** The settings of the gRPC server of a service. */
export function rpcEnvironment(security: CloudSecurity | undefined): Record<string, string> {
  if (security === undefined) return {};
  return {
    HYBRIDGE_RPC_TLS_CERT_FILE: security.certificate.certFile,
    HYBRIDGE_RPC_TLS_KEY_FILE: security.certificate.keyFile,
    HYBRIDGE_RPC_TOKENS_FILE: security.rpcTokensFile,
  };
}

/** What the command line shows to the services. */
export function rpcAccess(security: CloudSecurity | undefined): ClientAccess {
  if (security === undefined) return {};
  return {
    token: readFileSync(security.rpcTokenFile, "utf8"),
    ca: readFileSync(security.caFile, "utf8"),
  };
}
