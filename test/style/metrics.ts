import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { instruments, type Instrument } from "@hybridge/core";
import type { Problem, Repository } from "./repository.ts";

const PATH = "docs/metrics.md";

/** docs/metrics.md is the table of instruments, and every instrument is measured somewhere. */
export function checkMetrics(repository: Repository): Problem[] {
  const problems = Object.keys(instruments)
    .filter((name) => !isMeasured(repository, name))
    .map((name) => ({ path: "libs/core/src/instruments.ts", text: `${name} is never measured` }));
  if (textOf(join(repository.root, PATH)) === render()) return problems;
  const text =
    "is not the table of instruments: run `node --conditions=@hybridge/source test/style/main.ts --write`";
  return [...problems, { path: PATH, text }];
}

export function writeMetrics(repository: Repository): void {
  writeFileSync(join(repository.root, PATH), render());
}

function isMeasured({ typescript }: Repository, name: string): boolean {
  return typescript.some(({ isTest, path, text }) => {
    return !isTest && !path.endsWith("/instruments.ts") && text.includes(`"${name}"`);
  });
}

function render(): string {
  const rows = Object.entries<Instrument>(instruments).map(([name, { kind, help, labels }]) => {
    return `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`;
  });
  return `# Metrics

Each service serves \`/metrics\` in Prometheus' text format where \`HYBRIDGE_METRICS_PORT\` says, on
127.0.0.1 unless \`HYBRIDGE_METRICS_HOST\` says otherwise. With \`HYBRIDGE_OTLP_ENDPOINT\` the same
numbers leave as OTLP over gRPC every 15 seconds. They come from the events that are logged; lags and
states are looked at whenever somebody reads. Beside these there are those of the process
(\`process_*\`) and of its runtime (\`nodejs_*\`), as Prometheus' client for Node.js names them.

Histograms are of seconds. A label with more than 10,000 values loses the later ones.

<!-- prettier-ignore-start -->

| Name | Type | Labels | What it says |
| --- | --- | --- | --- |
${rows.join("\n")}

<!-- prettier-ignore-end -->
`;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
