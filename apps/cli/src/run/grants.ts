import { grantAcls, minimalAcls } from "@hybridge/kafka";
import { type RunCloud, serviceNames } from "./plan.ts";
import { adminCluster } from "./secured.ts";

/**
 * Gives each service exactly the rights that docs/kafka-acls.md lists, on both clusters of a
 * secured cloud; one that is not secured needs none. The brokers keep them.
 */
export async function grantServices(
  { addresses, security }: RunCloud,
  topic: string,
  signal: AbortSignal,
): Promise<void> {
  if (security === undefined) return;
  for (const cluster of ["source", "target"] as const) {
    const grants = serviceNames.flatMap((service) =>
      minimalAcls(service, { topics: [topic] })
        .filter((acl) => acl.cluster === cluster)
        .map((acl) => ({ principal: `User:${service}`, acl })),
    );
    await grantAcls(adminCluster(addresses[cluster], security), grants, signal);
  }
}
