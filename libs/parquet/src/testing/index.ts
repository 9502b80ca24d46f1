export { rewriteParquet } from "./rewrite-parquet.ts";
