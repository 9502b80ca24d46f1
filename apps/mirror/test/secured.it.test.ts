import { after } from "node:test";
import { startSecuredPair } from "./secured/pair.ts";
import { testProcesses } from "./secured/processes.ts";
import { testReauthentication } from "./secured/reauthentication.ts";
import { testRights } from "./secured/rights.ts";

// Two brokers for all of them: to start a pair takes as long as the tests.
const pair = await startSecuredPair("mirror-secured-it");
after(() => pair[Symbol.asyncDispose]());

testRights(pair);
testReauthentication(pair);
testProcesses(pair);
