import { test } from "node:test";
import { inWorker } from "../in-worker.ts";
import { SEEDS } from "./x-day.ts";

const module = new URL("x-day.ts", import.meta.url);

test(`${SEEDS} seeds of 24 hours: every post that came is kept once, no limit is passed`, () =>
  inWorker(module, "days"));

test("a stream that X accepts and drops at once costs no more connections than X allows", () =>
  inWorker(module, "dropped"));
