import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type ConnectionOptions } from "node:tls";
import { ConfigError, type Emit } from "@hybridge/core";

/** The settings of one cluster that name PEM files, with what they name. */
export interface TlsFiles {
  readonly ca?: NamedFile | undefined;
  readonly cert?: NamedFile | undefined;
  readonly key?: NamedFile | undefined;
}

export interface NamedFile {
  readonly setting: string;
  readonly path: string;
}

/**
 * TLS options from files that are looked at before each connection and read again when one of them
 * changed, so that a certificate is renewed without a restart. Files that cannot be used, such as
 * half-written ones, are told once per change, and the former ones go on counting.
 *
 * @throws ConfigError when they cannot be used now
 */
export function tlsFromFiles(files: TlsFiles, emit?: Emit): () => ConnectionOptions {
  let known = versionOf(files);
  let options = read(files);
  return () => {
    const version = versionOf(files);
    if (version === known) return options;
    known = version;
    try {
      options = read(files);
    } catch (error) {
      emit?.({
        name: "kafka.certificates_unusable",
        level: "warn",
        message: "changed certificate files cannot be used; the former ones go on counting",
        error,
      });
    }
    return options;
  };
}

function read({ ca, cert, key }: TlsFiles): ConnectionOptions {
  const options: ConnectionOptions = {
    ...(ca && { ca: contentOf(ca) }),
    ...(cert && { cert: contentOf(cert) }),
    ...(key && { key: contentOf(key) }),
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    const names = [ca, cert, key].flatMap((file) =>
      file ? [`${file.setting} (${file.path})`] : [],
    );
    throw new ConfigError(
      `${names.join(", ")}: they are not PEM files that belong together; check that the key is the certificate's, and that they are whole`,
      { cause },
    );
  }
  return options;
}

function contentOf({ setting, path }: NamedFile): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new ConfigError(`${setting}: ${path} cannot be read`, { cause });
  }
}

/** What changes when a file is written, or replaced by a link as Kubernetes does. */
function versionOf({ ca, cert, key }: TlsFiles): string {
  return [ca, cert, key]
    .map((file) => {
      const stat = file && statSync(file.path, { bigint: true, throwIfNoEntry: false });
      return stat ? `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}` : "none";
    })
    .join("/");
}
