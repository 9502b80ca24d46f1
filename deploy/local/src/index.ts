export { startKafka, type Kafka, type KafkaOptions } from "./kafka.ts";
