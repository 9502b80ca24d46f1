import { InvariantError } from "@hybridge/core";
import type { Redshift, RedshiftOptions } from "./api.ts";

export function openRedshift(options: RedshiftOptions): Redshift {
  throw new InvariantError(`not yet: ${options.region}`);
}
