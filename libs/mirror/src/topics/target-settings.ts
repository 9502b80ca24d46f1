import type { ConfigEntry } from "@hybridge/kafka/raw";

/** A setting of a target topic that keeps it from being what the source is. */
export interface TargetConcern {
  readonly setting: string;
  readonly value: string;
  readonly effect: string;
  readonly remedy: string;
  /** Records would not be the same in it: nothing is mirrored until it is changed. */
  readonly isRefused: boolean;
}

type Settings = ReadonlyMap<string, string>;

/** By name, those that have a value. */
export function settingsOf(entries: readonly ConfigEntry[]): Settings {
  return new Map(entries.flatMap(({ name, value }) => (value === null ? [] : [[name, value]])));
}

const YEAR_MS = 365n * 86_400_000n;
/** What is no limit for records that anybody keeps. */
const LONG_MS = 100n * YEAR_MS;

const TIME_LIMITS = [
  ["message.timestamp.before.max.ms", "older"],
  ["message.timestamp.after.max.ms", "more in the future"],
] as const;

/** What of a target topic that exists already is not as a mirror needs it. */
export function concernsOf(source: Settings, target: Settings): readonly TargetConcern[] {
  return [
    ...timeType(target),
    ...timeLimits(source, target),
    ...cleaning(source, target),
    ...size(source, target),
    ...packing(target),
  ];
}

function* timeType(target: Settings): Generator<TargetConcern> {
  const setting = "message.timestamp.type";
  const value = target.get(setting);
  if (value !== "LogAppendTime") return;
  yield {
    ...{ setting, value, isRefused: true },
    effect: "the target would put its own time in the place of each record's",
    remedy: `set ${setting}=CreateTime on the topic`,
  };
}

function* timeLimits(source: Settings, target: Settings): Generator<TargetConcern> {
  for (const [setting, word] of TIME_LIMITS) {
    const value = target.get(setting);
    if (value === undefined || BigInt(value) >= LONG_MS) continue;
    // What the source took is no further in the future when it comes to the target; it is older.
    const isFuture = setting === "message.timestamp.after.max.ms";
    const taken = isFuture ? source.get(setting) : undefined;
    if (taken !== undefined && BigInt(taken) <= BigInt(value)) continue;
    yield {
      ...{ setting, value, isRefused: false },
      effect: `records that are ${word} than ${value} ms go to the dead letters`,
      remedy: `set ${setting}=9223372036854775807 on the topic`,
    };
  }
}

function* cleaning(source: Settings, target: Settings): Generator<TargetConcern> {
  const setting = "cleanup.policy";
  const value = target.get(setting);
  const isCompacted = (settings: Settings) => settings.get(setting)?.includes("compact") === true;
  if (value === undefined || !isCompacted(target) || isCompacted(source)) return;
  yield {
    ...{ setting, value, isRefused: false },
    effect:
      "records without a key go to the dead letters, and of those with one only the newest is kept; the source keeps all",
    remedy: `set ${setting} as the source has it`,
  };
}

function* size(source: Settings, target: Settings): Generator<TargetConcern> {
  const setting = "max.message.bytes";
  const [from, to] = [source.get(setting), target.get(setting)];
  if (from === undefined || to === undefined || Number(to) >= Number(from)) return;
  yield {
    ...{ setting, value: to, isRefused: false },
    effect: `the source takes batches of ${from} bytes: larger ones are packed anew, and records that are too large go to the dead letters`,
    remedy: `set ${setting}=${from} on the topic`,
  };
}

function* packing(target: Settings): Generator<TargetConcern> {
  const setting = "compression.type";
  const value = target.get(setting);
  if (value === undefined || value === "producer") return;
  yield {
    ...{ setting, value, isRefused: false },
    effect: "the target's brokers pack every batch anew",
    remedy: `set ${setting}=producer on the topic`,
  };
}

/**
 * The settings but for the one that a cluster says it does not know; undefined when it does not say
 * so. What a broker of another version has never heard of is left out, and told.
 */
export function withoutUnknown(
  config: Readonly<Record<string, string>>,
  message: string,
): { readonly config: Readonly<Record<string, string>>; readonly left: string } | undefined {
  if (!/unknown/i.test(message)) return undefined;
  // The longest first: one name may stand within another.
  const names = Object.keys(config).sort((a, b) => b.length - a.length);
  const left = names.find((name) => message.includes(name));
  if (left === undefined) return undefined;
  const rest = Object.entries(config).filter(([name]) => name !== left);
  return { config: Object.fromEntries(rest), left };
}
