import { readFileSync } from "node:fs";
import { type Acl, minimalAcls } from "@hybridge/kafka";
import type { CloudSecurity } from "@hybridge/local";
import kafkajs from "kafkajs";
import { type CloudAddresses, serviceNames } from "./plan.ts";

// A CommonJS module: what it exports is not known by name before it runs.
const {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} = kafkajs;

/**
 * Gives each service exactly the rights that docs/kafka-acls.md lists, on both clusters. The
 * brokers keep them; granting them again changes nothing.
 */
export async function grantServices(
  cloud: Pick<CloudAddresses, "source" | "target">,
  security: CloudSecurity,
  topic: string,
): Promise<void> {
  for (const cluster of ["source", "target"] as const) {
    const entries = serviceNames.flatMap((service) =>
      minimalAcls(service, { topics: [topic] })
        .filter((acl) => acl.cluster === cluster)
        .map((acl) => entryOf(acl, service)),
    );
    await createAcls(cloud[cluster], security, entries);
  }
}

type AclEntry = ReturnType<typeof entryOf>;

async function createAcls(
  bootstrap: string,
  security: CloudSecurity,
  acl: AclEntry[],
): Promise<void> {
  const kafka = new Kafka({
    clientId: "hybridge-grants",
    brokers: [bootstrap],
    ssl: { ca: [readFileSync(security.caFile)] },
    sasl: { mechanism: "plain", username: "admin", password: security.password("admin") },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createAcls({ acl });
  } finally {
    await admin.disconnect();
  }
}

const RESOURCES = {
  Topic: AclResourceTypes.TOPIC,
  Group: AclResourceTypes.GROUP,
  TransactionalId: AclResourceTypes.TRANSACTIONAL_ID,
  Cluster: AclResourceTypes.CLUSTER,
} as const;

const OPERATIONS = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Create: AclOperationTypes.CREATE,
  Alter: AclOperationTypes.ALTER,
  Describe: AclOperationTypes.DESCRIBE,
  DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
  ClusterAction: AclOperationTypes.CLUSTER_ACTION,
} as const;

function entryOf(acl: Acl, user: string) {
  return {
    resourceType: RESOURCES[acl.resource],
    resourceName: acl.name,
    resourcePatternType:
      acl.pattern === "literal" ? ResourcePatternTypes.LITERAL : ResourcePatternTypes.PREFIXED,
    principal: `User:${user}`,
    host: "*",
    operation: OPERATIONS[acl.operation],
    permissionType: AclPermissionTypes.ALLOW,
  };
}
