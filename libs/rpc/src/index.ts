export {
  callServerStream,
  callUnary,
  createClient,
  type CallLimits,
  type ClientAccess,
} from "./client.ts";
export { InvalidRequestError, RpcCallError, RpcListenError } from "./errors.ts";
export { serverStream, unary, type Call } from "./handlers.ts";
export { startRpcServer, type RpcServer, type RpcServerOptions } from "./server.ts";
export { rpcSettings, type RpcConfig } from "./settings.ts";
