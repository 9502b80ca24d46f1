import { InvariantError, type Emit } from "@hybridge/core";
import type { BlobStore, Catalog } from "@hybridge/landing";
import type { Redshift } from "./api.ts";

export interface RedshiftCatalogOptions {
  readonly redshift: Redshift;
  /** Where the manifests of loads are written; the store that the landed files are in. */
  readonly blobs: BlobStore;
  /** ARN of the role that COPY reads S3 with; default: the one attached as default. */
  readonly iamRole?: string;
  /** Default: hybridge. */
  readonly schema?: string;
  /** Default: tweets. The ledger and the deletions are beside it. */
  readonly table?: string;
  readonly emit?: Emit;
}

/** Makes files in S3 visible as rows of the Redshift table of posts. */
export function redshiftCatalog(options: RedshiftCatalogOptions): Catalog {
  throw new InvariantError(`not yet: ${options.redshift.address}`);
}
