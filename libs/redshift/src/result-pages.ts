import { GetStatementResultCommand, type RedshiftDataClient } from "@aws-sdk/client-redshift-data";
import type { ColumnMetadata, Field } from "./columns.ts";

/** One page of a result, exact. */
export interface ResultPage {
  readonly columns: readonly ColumnMetadata[];
  readonly rows: readonly (readonly Field[])[];
  readonly nextToken: string | undefined;
}

/** The SDK reads int64 as a JavaScript number: more than 15 digits may be another number then. */
const LONG_INTEGER = /("longValue"\s*:\s*)(-?\d{16,})/g;

/**
 * Reads one page. The body is parsed here and not by the SDK: its schema-driven reader rounds
 * integers beyond 2^53 and makes an object of every value twice.
 */
export async function readResultPage(
  client: RedshiftDataClient,
  statementId: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<ResultPage> {
  const command = new GetStatementResultCommand({
    Id: statementId,
    ...(token === undefined ? {} : { NextToken: token }),
  });
  let text = "{}";
  command.middlewareStack.add(
    (next) => async (request) => {
      const result = await next(request);
      const response = result.response as { statusCode: number; body: unknown };
      // Errors are the SDK's to read.
      if (response.statusCode >= 300) return result;
      text = await textOf(response.body as AsyncIterable<Uint8Array>);
      response.body = Buffer.from("{}");
      return result;
    },
    // "low" is next to the wire: this sees the response before the SDK's reader does.
    { name: "hybridgeExactBody", step: "deserialize", priority: "low" },
  );
  await client.send(command, { abortSignal: signal });
  return parse(text);
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

/**
 * In JSON text the unescaped sequence `"longValue":` can only be a member's name, so that putting
 * quotes around its digits changes nothing else.
 */
function parse(text: string): ResultPage {
  const page = JSON.parse(text.replace(LONG_INTEGER, '$1"$2"')) as {
    readonly ColumnMetadata?: readonly ColumnMetadata[];
    readonly Records?: readonly (readonly Field[])[];
    readonly NextToken?: string;
  };
  const token = page.NextToken;
  return {
    columns: page.ColumnMetadata ?? [],
    rows: page.Records ?? [],
    nextToken: token === "" ? undefined : token,
  };
}
