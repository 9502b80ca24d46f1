import { once } from "node:events";
import { isMainThread, Worker, workerData } from "node:worker_threads";

/**
 * Runs a function that a module exports in a thread of its own: node:test watches each promise of
 * its own thread, which costs a simulation of a day as much as the day. Rejects with what it throws.
 */
export async function inWorker(module: URL, name: string): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { module: module.href, name },
    execArgv: ["--conditions=@hybridge/source"],
  });
  await once(worker, "exit");
}

if (!isMainThread) {
  const { module, name } = workerData as { readonly module: string; readonly name: string };
  const exported = (await import(module)) as Readonly<Record<string, () => Promise<void>>>;
  const run = exported[name];
  if (!run) throw new Error(`${module} exports no ${name}`);
  await run();
}
