import type { FileReference } from "@hybridge/landing";
import type { Redshift } from "../api.ts";
import { RedshiftSchemaError, RedshiftStatementError } from "../errors.ts";
import type { TableNames } from "../names.ts";
import { stagedColumn, TOPIC_ID } from "./column-types.ts";
import type { LoadManifests } from "./load-manifests.ts";
import { tryFilesSql, type StagedFiles } from "./load-sql.ts";
import type { PlannedLoad, WantedFiles } from "./plan-loads.ts";

/** What Redshift says of a role that may not read: then nothing is wrong with the files. */
const FORBIDDEN = /AccessDenied|,Status 403\b|InvalidAccessKeyId|not authorized|assume/i;

/** Makes files ready for one COPY: writes their manifest and finds the types of their columns. */
export async function stageFiles(
  { columns, files, isRewritten }: WantedFiles,
  to: number,
  manifests: LoadManifests,
  signal: AbortSignal,
): Promise<StagedFiles> {
  const typed = columns.map((name) => stagedColumn(name));
  const known = typed.filter((each) => each !== undefined);
  if (known.length < columns.length) {
    const unknown = columns.filter((_, index) => typed[index] === undefined);
    throw new RedshiftSchemaError(
      `files of the commits up to ${to} have columns that this version does not know: ` +
        `${unknown.join(", ")}. A newer version wrote them, and loads them: start that one`,
    );
  }
  return {
    columns: known,
    manifest: await manifests.write(to, files, signal),
    rows: files.reduce((total, { rows }) => total + rows, 0),
    earliestMs: Math.min(...files.map(({ path }) => hourOf(path))),
    // What was landed before the log has no topic id; the version of then may have loaded it.
    overlaps: isRewritten || !columns.includes(TOPIC_ID.name),
  };
}

/** What it takes to try files. */
export interface FileTrial {
  readonly redshift: Redshift;
  readonly names: TableNames;
  readonly iamRole: string;
  readonly manifests: LoadManifests;
}

/**
 * Which files of a planned load COPY does not take, or which have other rows than the log says; each
 * is tried alone.
 */
export async function refusedFiles(
  { wanted }: PlannedLoad,
  { redshift, names, iamRole, manifests }: FileTrial,
  signal: AbortSignal,
): Promise<FileReference[]> {
  const refused: FileReference[] = [];
  for (const { files, ...rest } of wanted) {
    for (const file of files) {
      const one = { ...rest, files: [file] };
      const staged = await stageFiles(one, file.commit, manifests, signal);
      try {
        await redshift.transaction(tryFilesSql(names, staged, iamRole), { signal });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refused.push({ commit: file.commit, path: file.path });
      }
    }
  }
  return refused;
}

function isRefusal(error: unknown): boolean {
  return error instanceof RedshiftStatementError && !FORBIDDEN.test(error.message);
}

/** The hour whose rows a file has, by the names of its folders; in ms since 1970. */
function hourOf(path: string): number {
  const [, dt, hr] = /(?:^|\/)dt=(\d{4}-\d\d-\d\d)\/hr=(\d\d)\//.exec(path) ?? [];
  // A file that lies elsewhere may have rows of any time.
  return dt === undefined || hr === undefined ? 0 : Date.parse(`${dt}T${hr}:00:00Z`);
}
