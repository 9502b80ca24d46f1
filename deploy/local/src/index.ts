export { startKafka, type Kafka, type KafkaOptions } from "./kafka.ts";
export { startHdfs, type Hdfs, type HdfsAddresses, type HdfsOptions } from "./hdfs.ts";
export { startKdc, type Kdc, type KdcOptions } from "./kerberos.ts";
export { startKms, type Kms } from "./kms.ts";
export { startS3, type S3, type S3Options } from "./s3.ts";
export { startHive, type Hive, type HiveOptions } from "./hive.ts";
export { startPostgres, type PostgresServer } from "./redshift/engine/server.ts";
export { startRedshift, type Redshift, type RedshiftOptions } from "./redshift-endpoint.ts";
export { startLocalCloud, type LocalCloud, type LocalCloudOptions } from "./cloud.ts";
export { readAddresses, type CloudAddresses } from "./addresses.ts";
export {
  holderOf,
  startDetachedCloud,
  stopDetachedCloud,
  type DetachedOptions,
} from "./detached-cloud.ts";
export { cloudStatus, type ComponentStatus } from "./cloud-status.ts";
export { cacheDir, javaTool, localSettings } from "./config.ts";
export type { ComponentName } from "./cloud-layout.ts";
export type { Component } from "./component.ts";
export { isFree } from "./ports.ts";
export {
  openCertificateAuthority,
  type CertificateAuthority,
  type IssuedCertificate,
} from "./certificates.ts";
export {
  cloudUsers,
  openSecurity,
  securityOf,
  type CloudSecurity,
  type CloudUser,
} from "./security.ts";
