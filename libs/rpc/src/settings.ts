import { ConfigError, setting, type Config, type Settings } from "@hybridge/core";

/** The settings that every process with a gRPC port shares. */
export const rpcSettings = {
  HYBRIDGE_RPC_HOST: {
    schema: setting.text("127.0.0.1"),
    doc: "address that the gRPC server listens on",
  },
  HYBRIDGE_RPC_PORT: {
    schema: setting.port(0),
    doc: "port that the gRPC server listens on; 0 takes a free one, told by service.listening",
  },
  HYBRIDGE_RPC_TOKEN: {
    schema: setting.optional(),
    secret: true,
    doc: "callers must send it as `authorization: Bearer TOKEN` (health checks need none); it may do everything",
  },
  HYBRIDGE_RPC_TOKENS: {
    schema: setting.optional(),
    secret: true,
    doc: "further tokens, each with a name for the log and a scope: name:read:TOKEN or name:control:TOKEN, with commas or one a line; read may only look",
  },
  HYBRIDGE_RPC_TLS_CERT_FILE: {
    schema: setting.optional(),
    doc: "PEM file with the server's certificate chain; together with ..._KEY_FILE it turns TLS on",
  },
  HYBRIDGE_RPC_TLS_KEY_FILE: {
    schema: setting.optional(),
    doc: "PEM file with the server's private key",
  },
  HYBRIDGE_RPC_TLS_CA_FILE: {
    schema: setting.optional(),
    doc: "PEM file with certificate authorities; when set, callers must show a certificate of theirs",
  },
} as const satisfies Settings;

export type RpcConfig = Config<typeof rpcSettings>;

/** True when the server is to use TLS. @throws ConfigError for an authority without a certificate */
export function hasTls(config: RpcConfig): boolean {
  const { HYBRIDGE_RPC_TLS_CERT_FILE: cert, HYBRIDGE_RPC_TLS_CA_FILE: ca } = config;
  if (ca !== undefined && cert === undefined) {
    throw new ConfigError("HYBRIDGE_RPC_TLS_CA_FILE needs HYBRIDGE_RPC_TLS_CERT_FILE beside it");
  }
  return cert !== undefined || config.HYBRIDGE_RPC_TLS_KEY_FILE !== undefined;
}
