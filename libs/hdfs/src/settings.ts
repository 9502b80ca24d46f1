import { userInfo } from "node:os";
import {
  ConfigError,
  setting,
  tlsFiles,
  tlsFileSettings,
  type Config,
  type Emit,
  type Settings,
} from "@hybridge/core";
import { z } from "zod";
import type { WebHdfsOptions } from "./webhdfs.ts";

/** The settings with which a service reaches HDFS, and the folder that it has there. */
export const hdfsSettings = {
  HYBRIDGE_WEBHDFS_URL: {
    schema: z
      .string()
      .transform((list) => list.split(",").map((url) => url.trim()))
      .pipe(z.array(setting.url()))
      .transform((urls) => urls.join())
      .prefault("http://127.0.0.1:9870"),
    doc: "http or https address of the NameNode, without /webhdfs/v1; several with commas",
  },
  ...tlsFileSettings("HYBRIDGE_WEBHDFS", "the NameNodes and DataNodes"),
  HYBRIDGE_HDFS_DIR: {
    schema: z
      .string()
      .regex(/^(\/[^/]+)+$/, { error: "must be an absolute HDFS path without a slash at its end" })
      .prefault("/hybridge"),
    doc: "folder in HDFS: everything of the table, its log too, lies in its sub-folder tweets",
  },
  HYBRIDGE_HDFS_USER: {
    schema: setting.optional(),
    doc: "user that acts in HDFS (simple authentication); by default the process's own",
  },
  HYBRIDGE_HDFS_DELEGATION_TOKEN: {
    schema: setting.optional(),
    secret: true,
    doc: "delegation token for a cluster with Kerberos, as `hdfs fetchdt` writes it, instead of a user",
  },
} as const satisfies Settings;

/** @throws ConfigError when the settings contradict each other */
export function webHdfsOptions(config: Config<typeof hdfsSettings>, emit: Emit): WebHdfsOptions {
  const { HYBRIDGE_HDFS_USER: user, HYBRIDGE_HDFS_DELEGATION_TOKEN: token } = config;
  if (user !== undefined && token !== undefined) {
    throw new ConfigError(
      "HYBRIDGE_HDFS_USER and HYBRIDGE_HDFS_DELEGATION_TOKEN: only one of the two may be set, as the token names its user",
    );
  }
  return {
    url: config.HYBRIDGE_WEBHDFS_URL,
    user: user ?? userInfo().username,
    token,
    tls: tlsFiles(config, "HYBRIDGE_WEBHDFS", emit),
    emit,
  };
}
