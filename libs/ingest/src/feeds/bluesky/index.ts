export { openBlueskyFeed, type BlueskyFeedOptions } from "./bluesky-feed.ts";
export { HandleError, JetstreamConnectionError, JetstreamRefusedError } from "./errors.ts";
export type { JetstreamConnection, JetstreamTransport } from "./jetstream-transport.ts";
export { openWebSocketTransport } from "./websocket-transport.ts";
