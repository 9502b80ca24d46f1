export {
  HdfsFullError,
  HdfsProtocolError,
  HdfsRefusedError,
  HdfsTokenError,
  HdfsUnavailableError,
  HdfsVerificationError,
} from "./errors.ts";
export { hdfsTableStore } from "./table-store.ts";
export { openWebHdfs, type FileStatus, type WebHdfs, type WebHdfsOptions } from "./webhdfs.ts";
export { hdfsSettings, webHdfsOptions } from "./settings.ts";
