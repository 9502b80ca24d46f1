import pc from "picocolors";
import { formatCount, renderTable } from "../table.ts";
import type { Stage } from "./stages.ts";

/** Where a run shows what it does: repainted in place on a terminal, plain lines elsewhere. */
export interface LiveView {
  /** A line that stays. */
  say(line: string): void;
  /** The current stages; on a terminal they replace the previous ones. */
  show(stages: readonly Stage[], footer: string): void;
  /** Leaves the last picture where it is. */
  end(): void;
}

/** The stages as a table. */
export function stageTable(stages: readonly Stage[]): string {
  return renderTable(
    ["stage", "state", "records", "per second", "lag", "behind", "dead letters"],
    stages.map((stage) => [
      stage.name,
      stage.reason === "" ? stage.state : `${stage.state}: ${stage.reason}`,
      stage.records,
      stage.rate === undefined ? "" : formatCount(Math.round(stage.rate)),
      stage.lag === undefined ? "?" : formatCount(stage.lag),
      stage.lagMs === 0n ? "" : `${(Number(stage.lagMs) / 1000).toFixed(1)} s`,
      stage.deadLetters,
    ]),
    48,
  );
}

/** A view on `stream`: in place when it is a terminal, else a line every `everyMs`. */
export function openView(stream: NodeJS.WriteStream, everyMs = 5_000): LiveView {
  return stream.isTTY ? terminalView(stream) : lineView(stream, everyMs);
}

function terminalView(stream: NodeJS.WriteStream): LiveView {
  let painted = 0;
  const erase = () => {
    if (painted > 0) stream.write(`\u001b[${painted}A\u001b[0J`);
    painted = 0;
  };
  return {
    say(line) {
      erase();
      stream.write(`${line}\n`);
    },
    show(stages, footer) {
      const lines = [...stageTable(stages).split("\n"), "", pc.dim(footer)];
      // A line that wraps would break the count of lines to erase.
      const fitted = lines.map((line) => line.slice(0, Math.max(20, stream.columns - 1)));
      erase();
      stream.write(`${fitted.map(colour).join("\n")}\n`);
      painted = fitted.length;
    },
    end: () => {
      painted = 0;
    },
  };
}

function colour(line: string): string {
  return line
    .replace(/\b(RUNNING|DONE)\b/, (state) => pc.green(state))
    .replace(/\b(DEGRADED|STARTING)\b/, (state) => pc.yellow(state))
    .replace(/\bDOWN\b/, (state) => pc.red(state));
}

function lineView(stream: NodeJS.WriteStream, everyMs: number): LiveView {
  let last = -Infinity;
  return {
    say: (line) => stream.write(`${line}\n`),
    show(stages, footer) {
      if (performance.now() - last < everyMs) return;
      last = performance.now();
      const parts = stages.map((stage) => {
        const lag = stage.lag === undefined ? "?" : formatCount(stage.lag);
        return `${stage.name} ${formatCount(stage.records)} (lag ${lag}, ${stage.state})`;
      });
      stream.write(`${parts.join(" | ")}${footer === "" ? "" : ` | ${footer}`}\n`);
    },
    end: () => undefined,
  };
}
