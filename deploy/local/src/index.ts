export { startKafka, type Kafka, type KafkaOptions } from "./kafka.ts";
export { startHdfs, type Hdfs, type HdfsAddresses, type HdfsOptions } from "./hdfs.ts";
export { startS3, type S3, type S3Options } from "./s3.ts";
export { startHive, type Hive, type HiveOptions } from "./hive.ts";
