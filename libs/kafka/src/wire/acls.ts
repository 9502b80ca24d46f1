import type { Api } from "./connection.ts";
import type { ProtocolReader } from "./reader.ts";
import type { TopicAnswer } from "./topics.ts";
import { ProtocolWriter } from "./writer.ts";

export const createAclsApi: Api = { name: "CreateAcls", key: 30, version: 3 };

/** A right as the protocol carries it. Codes: org.apache.kafka.common.acl and .resource. */
export interface AclCreation {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly patternType: number;
  readonly principal: string;
  readonly operation: number;
}

const ALLOW = 3;

/** CreateAcls v3: allows, from any host. */
export function writeCreateAcls(creations: readonly AclCreation[]): ProtocolWriter {
  return new ProtocolWriter()
    .array(creations, (item, creation) => {
      item.i8(creation.resourceType).compactString(creation.resourceName);
      item.i8(creation.patternType).compactString(creation.principal).compactString("*");
      item.i8(creation.operation).i8(ALLOW).noTags();
    })
    .noTags();
}

export function readCreateAcls(reader: ProtocolReader): TopicAnswer[] {
  reader.i32(); // throttle
  return reader.array((item) => {
    const error = item.i16();
    const message = item.compactNullableString();
    item.tags();
    return { error, message };
  });
}
