import { join } from "node:path";
import { pidFileOf, startComponent, type Component, type ComponentOptions } from "./component.ts";
import { componentEnvironment, repositoryRoot } from "./config.ts";
import { reclaim } from "./launch.ts";
import { choosePorts } from "./ports.ts";
import { probeHttp } from "./probes.ts";

export interface RedshiftOptions extends ComponentOptions<"http"> {
  /** The object store that COPY reads; without it COPY fails. */
  readonly s3Endpoint?: string;
}

/** `endpoint` is an http URL that speaks the Redshift Data API. */
export type Redshift = Component<{ readonly endpoint: string }>;

const STOP_MS = 6_000;

/** Starts the local stand-in for the Redshift Data API (see redshift/main.ts). */
export async function startRedshift(options: RedshiftOptions): Promise<Redshift> {
  const { dir } = options;
  await reclaim(pidFileOf(dir, "redshift"), "redshift", STOP_MS);
  const ports = await choosePorts("redshift", dir, ["http"], options.ports);
  const args = ["--conditions=@hybridge/source"];
  if (options.heapMb !== undefined) args.push(`--max-old-space-size=${options.heapMb}`);
  return startComponent(
    {
      name: "redshift",
      dir,
      addresses: { endpoint: `http://127.0.0.1:${ports.http}` },
      command: process.execPath,
      args: [...args, join(repositoryRoot, "deploy/local/src/redshift/main.ts")],
      env: {
        ...componentEnvironment(),
        HYBRIDGE_REDSHIFT_PORT: String(ports.http),
        HYBRIDGE_REDSHIFT_DIR: join(dir, "data"),
        ...(options.s3Endpoint === undefined ? {} : { HYBRIDGE_S3_ENDPOINT: options.s3Endpoint }),
      },
      probe: redshiftProbe(ports),
      startMs: 60_000,
      stopMs: STOP_MS,
    },
    options.signal,
  );
}

/** Healthy when the endpoint says so. */
export function redshiftProbe(ports: { http: number }) {
  return async (signal: AbortSignal): Promise<void> => {
    await probeHttp(`http://127.0.0.1:${ports.http}/health`, signal);
  };
}
