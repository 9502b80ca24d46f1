import type { Cluster } from "@hybridge/kafka/raw";
import type { PositionLedger } from "../positions/ledger.ts";
import type { Route } from "../route.ts";

/** What the tail of the target is compared with, and between which offsets. */
export interface Tail {
  readonly source: Cluster;
  readonly target: Cluster;
  readonly route: Route;
  readonly ledger: PositionLedger;
  /** The first source offset that is not known to be in the target, and where the source ends. */
  readonly sourceFrom: bigint;
  readonly sourceEnd: bigint;
  /** The first offset that the source still holds. */
  readonly sourceStart: bigint;
  /** The target offset that follows what is known, and the first that the target still holds. */
  readonly targetFrom: bigint;
  readonly targetStart: bigint;
  /** Behind the fence: nothing of an earlier owner can come after it. */
  readonly targetEnd: bigint;
  /** The target's tail may begin with records of an earlier source topic. */
  readonly followsFormerTopic: boolean;
  /** True when records of the topic can vanish from the middle of the log. */
  readonly isCompacted: (side: "source" | "target") => Promise<boolean>;
}
