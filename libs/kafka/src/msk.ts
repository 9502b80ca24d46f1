import { ConfigError } from "@hybridge/core";
import { OAuthTokenError, type Token } from "./oauth.ts";

/**
 * A token for MSK's IAM authentication: a request to kafka-cluster:Connect, signed with the
 * credentials that the AWS SDK finds. The signer brings the AWS SDK, so it is loaded here and not
 * before, and may be left out of an image that has no use for it.
 *
 * @throws ConfigError when the signer is not installed; OAuthTokenError when there are no credentials
 */
export async function signForMsk(region: string): Promise<Token> {
  const signer = await import("aws-msk-iam-sasl-signer-js").catch((cause: unknown) => {
    throw new ConfigError(
      "log in with AWS_MSK_IAM: the package aws-msk-iam-sasl-signer-js is not installed here; install it beside this service",
      { cause },
    );
  });
  try {
    const { token, expiryTime } = await signer.generateAuthToken({ region });
    return { text: token, endsAtMs: expiryTime };
  } catch (cause) {
    throw new OAuthTokenError(
      `sign a token for MSK in ${region}: AWS gave no credentials; check the role or the keys of this process`,
      { cause, retry: "backoff" },
    );
  }
}
