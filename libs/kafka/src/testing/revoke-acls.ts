import type { ClusterOptions } from "../api.ts";
import { withCluster } from "../cluster.ts";
import { creationOf, type Grant } from "../grant-acls.ts";
import type { Api } from "../wire/connection.ts";
import { brokerError } from "../wire/protocol-errors.ts";
import { ProtocolWriter } from "../wire/writer.ts";

const deleteAclsApi: Api = { name: "DeleteAcls", key: 31, version: 3 };
const ALLOW = 3;

/** Takes one right away (DeleteAcls v3). */
export async function revokeAcl(
  options: ClusterOptions,
  grant: Grant,
  signal: AbortSignal,
): Promise<void> {
  const right = creationOf(grant);
  await withCluster(options, signal, async (cluster) => {
    const connection = await cluster.any(signal);
    const body = new ProtocolWriter()
      .array([right], (item) => {
        item.i8(right.resourceType).compactString(right.resourceName).i8(right.patternType);
        item.compactString(right.principal).compactString("*");
        item.i8(right.operation).i8(ALLOW).noTags();
      })
      .noTags();
    const reader = await connection.request(deleteAclsApi, body, { signal });
    reader.i32(); // throttle
    const [error] = reader.array((item) => {
      const code = item.i16();
      item.compactNullableString(); // message
      const matching = item.array((acl) => {
        acl.i16(); // error
        acl.compactNullableString(); // message
        acl.i8(); // resource
        acl.compactString();
        acl.i8(); // pattern
        acl.compactString();
        acl.compactString(); // host
        acl.i16(); // operation, permission
        acl.tags();
      });
      item.tags();
      return code === 0 && matching.length !== 1 ? NOT_FOUND : code;
    });
    if (error !== 0) throw brokerError("revoke a right", error ?? NOT_FOUND);
  });
}

/** What the broker does not say by itself: that there was no such right. */
const NOT_FOUND = -1;
