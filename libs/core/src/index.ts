export { Backoff, type BackoffOptions } from "./backoff.ts";
export { systemClock, type Clock, type MonotonicClock } from "./clock.ts";
export {
  describeSetting,
  describeSettings,
  readConfig,
  setting,
  settingNames,
  type Config,
  type Settings,
} from "./config.ts";
export {
  causes,
  ConfigError,
  describeError,
  HybridgeError,
  invariant,
  InvariantError,
  isAbort,
  retryOf,
  UnavailableError,
  type ErrorKind,
  type Retry,
} from "./errors.ts";
export type { Emit, HybridgeEvent } from "./events.ts";
export { failpoint } from "./failpoint.ts";
export {
  instruments,
  type CounterName,
  type Instrument,
  type InstrumentName,
  type Measurement,
} from "./instruments.ts";
export { Notifier } from "./notifier.ts";
export { exitCode, runProgram } from "./program.ts";
export { RateMeter } from "./rate.ts";
export { Secret } from "./secret.ts";
export { Semaphore } from "./semaphore.ts";
export { retry, type RetryOptions } from "./retry.ts";
export { serviceEnvironment, serviceFlags } from "./service-process.ts";
export { tlsFiles, tlsFileSettings, type TlsMaterial } from "./tls-files.ts";
