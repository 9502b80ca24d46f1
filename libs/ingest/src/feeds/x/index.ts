export { XConnectionError } from "./errors.ts";
export type { ReadsOfMonth, ReadsStore } from "./read-budget.ts";
export { readsFile } from "./reads-file.ts";
export { compileRules, xPlans, type XFilter, type XPlan } from "./rules.ts";
export { openTwitterTransport, type XCredentials } from "./twitter-transport.ts";
export { answerError, refusedRules } from "./x-answers.ts";
export { openXFeed, type XFeedOptions } from "./x-feed.ts";
export type { XStream, XTransport } from "./x-transport.ts";
