export {
  startFakeHive,
  type FakeAnswer,
  type FakeHive,
  type FakeHiveOptions,
} from "./fake-hive.ts";
export type { FakeColumn, FakeValue } from "./fake-rows.ts";
