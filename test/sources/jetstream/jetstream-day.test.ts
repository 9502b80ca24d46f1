import { test } from "node:test";
import { inWorker } from "../in-worker.ts";
import { SEEDS } from "./jetstream-day.ts";

const module = new URL("jetstream-day.ts", import.meta.url);

test(`${SEEDS} seeds of 24 hours: every event is kept once, and nothing else`, () =>
  inWorker(module, "days"));

test("a cursor older than 36 hours: reading goes on where the log begins, and the loss is told", () =>
  inWorker(module, "tooOld"));
