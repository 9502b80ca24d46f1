export { countParquetRows } from "./count-rows.ts";
export { ParquetError, StagingFullError } from "./errors.ts";
export { flushEncoder, type FlushEncoderOptions } from "./flush-encoder.ts";
