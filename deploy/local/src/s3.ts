import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { pidFileOf, startComponent, type Component, type ComponentOptions } from "./component.ts";
import { javaCommand, javaEnvironment } from "./java.ts";
import { reclaim } from "./launch.ts";
import { choosePorts } from "./ports.ts";
import { probeHttp } from "./probes.ts";
import { openS3Gate } from "./s3-gate.ts";
import { repairS3Store } from "./s3-store-repair.ts";

export interface S3Options extends ComponentOptions<"http" | "https"> {
  /** Buckets that exist from the start. */
  readonly buckets?: readonly string[];
}

/** `endpoint` is an http URL; use path-style addressing and any credentials. */
export type S3 = Component<{ readonly endpoint: string }>;

const STOP_MS = 8_000;

/**
 * Starts Adobe S3Mock, behind a gate that makes its conditional writes what S3's are. Killed at any
 * moment it comes back with every object that it has acknowledged.
 */
export async function startS3(options: S3Options): Promise<S3> {
  const { dir } = options;
  await reclaim(pidFileOf(dir, "s3"), "s3", STOP_MS);
  const names = ["http", "https", "mock"] as const;
  const ports = await choosePorts("s3", dir, names, options.ports);
  const endpoint = `http://127.0.0.1:${ports.http}`;
  const gate = await openS3Gate(ports.http, ports.mock);
  try {
    return behind(gate, await startMock(options, ports, endpoint));
  } catch (error) {
    await gate[Symbol.asyncDispose]();
    throw error;
  }
}

/** The component with the gate before it, which its end closes; its pid and exit are asked for anew. */
function behind(gate: AsyncDisposable, mock: S3): S3 {
  const stop = async () => {
    await mock.stop();
    await gate[Symbol.asyncDispose]();
  };
  const stopping = { stop, [Symbol.asyncDispose]: stop };
  return Object.create(mock, Object.getOwnPropertyDescriptors(stopping)) as S3;
}

function startMock(
  options: S3Options,
  ports: Record<"http" | "https" | "mock", number>,
  endpoint: string,
): Promise<S3> {
  const { dir } = options;
  const data = join(dir, "data");
  return startComponent(
    {
      name: "s3",
      dir,
      addresses: { endpoint },
      ...javaCommand({
        name: "s3",
        component: "s3",
        // The start class that the jar's manifest names.
        main: "org.springframework.boot.loader.launch.JarLauncher",
        args: [
          "--server.address=127.0.0.1",
          `--server.port=${ports.https}`,
          `--com.adobe.testing.s3mock.http-port=${ports.mock}`,
          "--logging.level.root=WARN",
          "--spring.main.banner-mode=off",
        ],
        heapMb: options.heapMb ?? 160,
        tmpDir: join(dir, "tmp"),
      }),
      env: {
        ...javaEnvironment(),
        COM_ADOBE_TESTING_S3MOCK_STORE_ROOT: data,
        COM_ADOBE_TESTING_S3MOCK_STORE_RETAIN_FILES_ON_EXIT: "true",
        COM_ADOBE_TESTING_S3MOCK_STORE_INITIAL_BUCKETS: (options.buckets ?? []).join(","),
      },
      prepare: () => {
        for (const line of repairS3Store(data)) appendFileSync(join(dir, "s3.log"), `${line}\n`);
      },
      probe: s3Probe(ports),
      startMs: 90_000,
      stopMs: STOP_MS,
    },
    options.signal,
  );
}

/** Healthy when the list of buckets is answered. */
export function s3Probe(ports: { http: number }) {
  return async (signal: AbortSignal): Promise<void> => {
    await probeHttp(`http://127.0.0.1:${ports.http}/`, signal);
  };
}
