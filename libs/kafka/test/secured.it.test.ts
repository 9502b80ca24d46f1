import { after } from "node:test";
import { startSecuredBroker } from "./secured/broker.ts";
import { testCredentials } from "./secured/credentials.ts";
import { testMechanisms } from "./secured/mechanisms.ts";
import { testRights } from "./secured/rights.ts";

// One broker for all of them: to start it takes as long as most of the tests.
const broker = await startSecuredBroker();
after(() => broker[Symbol.asyncDispose]());

testMechanisms(broker);
testRights(broker);
testCredentials(broker);
