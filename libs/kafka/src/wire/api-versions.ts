import { UnsupportedBrokerError } from "../errors.ts";
import type { Api } from "./connection.ts";
import { brokerError, errorCode } from "./protocol-errors.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

const api: Api = { name: "ApiVersions", key: 18, version: 3 };

/** ApiVersions v3 (KIP-511). Its response has the older header, whatever the version. */
export function writeApiVersions(): ProtocolWriter {
  return new ProtocolWriter().compactString("hybridge").compactString("0.1.0").noTags();
}
writeApiVersions.api = api;

export function readApiVersions(
  reader: ProtocolReader,
  address: string,
): ReadonlyMap<number, VersionRange> {
  const error = reader.i16();
  if (error === errorCode.unsupportedVersion) {
    throw new UnsupportedBrokerError(
      `ask ${address} for its versions: the broker is older than Kafka 2.4; 3.1 or later is needed`,
    );
  }
  if (error !== 0) throw brokerError(`ask ${address} for its versions`, error);
  const versions = new Map<number, VersionRange>();
  reader.array((item) => {
    versions.set(item.i16(), { min: item.i16(), max: item.i16() });
    item.tags();
  });
  return versions;
}
