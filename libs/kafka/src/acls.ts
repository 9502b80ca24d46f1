import { POSITIONS_TOPIC } from "./positions-topic.ts";

/** The services that speak to Kafka. */
export type KafkaService =
  "ingest" | "mirror" | "warehouse-internal" | "warehouse-external" | "query-gateway";

export type AclResource = "Topic" | "Group" | "TransactionalId" | "Cluster";

/** As `kafka-acls --operation` spells them. Read, Write and Alter imply Describe. */
export type AclOperation =
  "Read" | "Write" | "Create" | "Alter" | "Describe" | "DescribeConfigs" | "ClusterAction";

/** One right, as an authorizer of Kafka keeps it: allow, from any host. */
export interface Acl {
  readonly cluster: "source" | "target";
  readonly resource: AclResource;
  readonly name: string;
  readonly pattern: "literal" | "prefixed";
  readonly operation: AclOperation;
  /** What the service cannot do without it. */
  readonly why: string;
}

/** The names that the rights are about; the defaults are those of the settings. */
export interface AclNames {
  /** HYBRIDGE_TOPIC; for the mirror, each topic that HYBRIDGE_TOPICS matches. */
  readonly topics?: readonly string[];
  /** HYBRIDGE_TARGET_PREFIX */
  readonly prefix?: string;
  /** HYBRIDGE_MIRROR_ID */
  readonly mirrorId?: string;
  /** HYBRIDGE_DEAD_LETTER_TOPIC */
  readonly deadLetterTopic?: string;
}

/**
 * All rights that a service needs, and no more: with these it works, and without any one of them it
 * does not. docs/kafka-acls.md shows them, and the secured local cloud grants exactly these.
 */
export function minimalAcls(service: KafkaService, names: AclNames = {}): readonly Acl[] {
  const { topics = ["hybrid"] } = names;
  switch (service) {
    case "ingest":
      return topics.flatMap(ingestAcls);
    case "mirror":
      return mirrorAcls(topics, names);
    case "warehouse-internal":
      return warehouseAcls("source", topics, "hybridge-warehouse-internal");
    case "warehouse-external":
      return warehouseAcls("target", topics, "hybridge-warehouse-external");
    case "query-gateway":
      return [
        ...topics.map((topic) =>
          acl("source", topic, "Read", "know the partitions and ends, and count what they hold"),
        ),
        acl("target", POSITIONS_TOPIC, "Read", "know which target offsets a source offset has"),
      ];
  }
}

/** The arguments of `kafka-acls` that grant a right, without those that say how to reach a broker. */
export function aclArguments(
  {
    resource,
    name,
    pattern,
    operation,
  }: Pick<Acl, "resource" | "name" | "operation"> & {
    readonly pattern?: Acl["pattern"];
  },
  principal: string,
): readonly string[] {
  return [
    ...["--add", "--allow-principal", principal, "--operation", operation],
    ...(resource === "Cluster" ? ["--cluster"] : [flags[resource], name]),
    ...(pattern === "prefixed" ? ["--resource-pattern-type", "prefixed"] : []),
  ];
}

const flags = {
  Topic: "--topic",
  Group: "--group",
  TransactionalId: "--transactional-id",
} as const;

function ingestAcls(topic: string): Acl[] {
  return [
    acl("source", topic, "Create", "make the topic when it is missing"),
    acl("source", topic, "Read", "find out which posts the topic has"),
    acl("source", topic, "Write", "append posts"),
    {
      // Each spool has an id of its own behind this.
      ...acl(
        "source",
        `hybridge-ingest-${topic}-`,
        "Write",
        "fence an earlier ingest",
        "TransactionalId",
      ),
      pattern: "prefixed",
    },
  ];
}

function mirrorAcls(topics: readonly string[], names: AclNames): Acl[] {
  const { prefix = "", mirrorId = "hybridge-mirror" } = names;
  const { deadLetterTopic = "hybridge-dead-letters" } = names;
  const targets = topics.map((topic) => `${prefix}${topic}`);
  return [
    ...topics.flatMap((topic) => [
      acl("source", topic, "Read", "read what is mirrored"),
      acl("source", topic, "DescribeConfigs", "make the target topic with the same settings"),
    ]),
    ...targets.flatMap((topic) => [
      acl("target", topic, "Create", "make the topic when it is missing"),
      acl("target", topic, "Alter", "give it more partitions when the source has more"),
      acl("target", topic, "DescribeConfigs", "know how large its batches may be"),
      acl("target", topic, "Read", "find out which records it has"),
      acl("target", topic, "Write", "append records"),
    ]),
    {
      ...acl("target", `${mirrorId}/`, "Write", "fence an earlier mirror", "TransactionalId"),
      pattern: "prefixed",
    },
    acl("target", POSITIONS_TOPIC, "Create", "make the topic when it is missing"),
    acl("target", POSITIONS_TOPIC, "Read", "know the positions of earlier runs"),
    acl("target", POSITIONS_TOPIC, "Write", "write positions down"),
    acl("target", deadLetterTopic, "Create", "make the topic with the first dead letter"),
    acl("target", deadLetterTopic, "Write", "put records aside that the target cannot take"),
  ];
}

function warehouseAcls(cluster: Acl["cluster"], topics: readonly string[], group: string): Acl[] {
  return [
    ...topics.map((topic) => acl(cluster, topic, "Read", "read the posts")),
    acl(
      cluster,
      group,
      "Read",
      "share the partitions with its like, and tell tools that show lag how far it is",
      "Group",
    ),
  ];
}

function acl(
  cluster: Acl["cluster"],
  name: string,
  operation: AclOperation,
  why: string,
  resource: AclResource = "Topic",
): Acl {
  return { cluster, resource, name, pattern: "literal", operation, why };
}
