import { createRequire } from "node:module";

interface Driver {
  readonly HiveClient: new (service: unknown, types: unknown) => Client;
  readonly HiveUtils: new (types: unknown) => {
    waitUntilReady(operation: unknown): Promise<void>;
    fetchAll(operation: unknown): Promise<void>;
    getResult(operation: unknown): { getValue(): Record<string, unknown>[] };
  };
  readonly connections: { readonly TcpConnection: new () => unknown };
  readonly auth: { readonly PlainTcpAuthentication: new (options: object) => unknown };
  readonly thrift: {
    readonly TCLIService: unknown;
    readonly TCLIService_types: { TProtocolVersion: Record<string, number> };
  };
}

interface Client {
  connect(address: object, connection: unknown, auth: unknown): Promise<Client>;
  openSession(request: object): Promise<{
    executeStatement(sql: string): Promise<{ close(): Promise<unknown> }>;
    close(): Promise<unknown>;
  }>;
  on(event: "error", listener: () => void): void;
  close(): void;
}

/** Runs a statement with the npm package hive-driver: a client that we did not write. */
export async function readWithHiveDriver(
  { host, port, user }: { host: string; port: number; user: string },
  sql: string,
): Promise<Record<string, unknown>[]> {
  const driver = createRequire(import.meta.url)("hive-driver") as Driver;
  const { TCLIService, TCLIService_types: types } = driver.thrift;
  const client = new driver.HiveClient(TCLIService, types);
  client.on("error", () => undefined);
  await client.connect(
    { host, port },
    new driver.connections.TcpConnection(),
    new driver.auth.PlainTcpAuthentication({ username: user, password: "any" }),
  );
  try {
    const session = await client.openSession({
      client_protocol: types.TProtocolVersion["HIVE_CLI_SERVICE_PROTOCOL_V10"],
    });
    const utils = new driver.HiveUtils(types);
    const operation = await session.executeStatement(sql);
    await utils.waitUntilReady(operation);
    await utils.fetchAll(operation);
    const rows = utils.getResult(operation).getValue();
    await operation.close();
    await session.close();
    return rows;
  } finally {
    client.close();
  }
}
