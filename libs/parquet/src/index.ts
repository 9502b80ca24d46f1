export { countParquetRows } from "./count-rows.ts";
export { ParquetError, StagingFullError } from "./errors.ts";
export { parquetEncoder, type ParquetEncoder, type ParquetOptions } from "./parquet-encoder.ts";
export { flushEncoder, type FlushEncoderOptions } from "./flush-encoder.ts";
