import type { Acl, AclOperation, AclResource } from "./acls.ts";
import type { ClusterOptions } from "./api.ts";
import { withCluster } from "./cluster.ts";
import { createAclsApi, readCreateAcls, writeCreateAcls } from "./wire/acls.ts";
import { brokerError } from "./wire/protocol-errors.ts";

/** A right and who gets it, as `User:NAME`. */
export interface Grant {
  readonly principal: string;
  readonly acl: Pick<Acl, "resource" | "name" | "pattern" | "operation">;
}

/** Adds rights to a cluster; those that it has already change nothing. */
export async function grantAcls(
  options: ClusterOptions,
  grants: readonly Grant[],
  signal: AbortSignal,
): Promise<void> {
  await withCluster(options, signal, async (cluster) => {
    const connection = await cluster.any(signal);
    const body = writeCreateAcls(grants.map(creationOf));
    const answers = readCreateAcls(await connection.request(createAclsApi, body, { signal }));
    for (const [index, { error, message }] of answers.entries()) {
      if (error === 0) continue;
      const { acl, principal } = grants[index] ?? {};
      throw brokerError(
        `allow ${principal ?? "?"} ${acl?.operation ?? "?"} on ${acl?.resource ?? "?"} ${acl?.name ?? "?"}`,
        error,
        message,
        { operation: "Alter", name: "kafka-cluster" },
      );
    }
  });
}

const RESOURCES: Readonly<Record<AclResource, number>> = {
  Topic: 2,
  Group: 3,
  Cluster: 4,
  TransactionalId: 5,
};

const OPERATIONS: Readonly<Record<AclOperation, number>> = {
  Read: 3,
  Write: 4,
  Create: 5,
  Alter: 7,
  Describe: 8,
  ClusterAction: 9,
  DescribeConfigs: 10,
};

const PATTERNS = { literal: 3, prefixed: 4 } as const;

export function creationOf({ principal, acl }: Grant) {
  return {
    resourceType: RESOURCES[acl.resource],
    resourceName: acl.name,
    patternType: PATTERNS[acl.pattern],
    principal,
    operation: OPERATIONS[acl.operation],
  };
}
