import { ServerCredentials } from "@grpc/grpc-js";
import { tlsFiles, type Emit, type TlsMaterial } from "@hybridge/core";
import { hasTls, type RpcConfig } from "./settings.ts";

/** A certificate that was renewed is shown within this time. */
const LOOK_EVERY_MS = 1_000;

/** What a server listens with; disposing it ends the watch over its files. */
export interface ListeningCredentials extends Disposable {
  readonly credentials: ServerCredentials;
}

/**
 * TLS by the files of the settings, or none. New connections see what the files hold after a
 * change; those that are open stay.
 *
 * @param emit told when changed files cannot be used
 * @throws ConfigError when the files cannot be used at the start, or one of a pair is missing
 */
export function serverCredentials(config: RpcConfig, emit: Emit): ListeningCredentials {
  if (!hasTls(config)) {
    return { credentials: ServerCredentials.createInsecure(), [Symbol.dispose]: () => undefined };
  }
  const read = tlsFiles(config, "HYBRIDGE_RPC", emit);
  const credentials = new FileCredentials(read());
  const timer = setInterval(() => credentials.use(read()), LOOK_EVERY_MS);
  timer.unref();
  return { credentials, [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * The library has credentials that watch files themselves, but those show nothing at all, and drop
 * every new connection, while a certificate and its key do not belong together.
 */
class FileCredentials extends ServerCredentials {
  #material: TlsMaterial;

  constructor(material: TlsMaterial) {
    super({ requestCert: material.ca !== undefined }, material);
    this.#material = material;
  }

  use(material: TlsMaterial): void {
    if (material === this.#material) return;
    this.#material = material;
    this.updateSecureContextOptions(material);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
