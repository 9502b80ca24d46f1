import { Cluster } from "../cluster.ts";
import type { FixedMembership, MembershipStatus } from "./api.ts";
import { CoordinatorClient } from "./coordinator-client.ts";
import { HintCommitter } from "./hints.ts";

const NOBODY = { memberId: "", epoch: -1 } as const;

export const fixedMembership: FixedMembership = ({ partitions, listener, signal, ...options }) => {
  const cluster = new Cluster(options.cluster);
  const port = new CoordinatorClient(cluster, options.group);
  const hints = new HintCommitter(port, options.group, options.emit);
  let isEnded = false;
  const isOver = () => isEnded || signal.aborted;
  const owned = () => (isOver() ? [] : partitions);
  const owns = (topic: string, partition: number) =>
    owned().some((at) => at.partition === partition && at.topic === topic);
  setImmediate(() => {
    if (!isOver()) listener.assigned(partitions);
  });
  return {
    owns,
    status: (): MembershipStatus => ({
      state: isOver() ? "ended" : "stable",
      protocol: "fixed",
      memberId: undefined,
      epoch: -1,
      owned: owned(),
      problem: undefined,
    }),
    commit: async (offsets) => {
      const own = offsets.filter(({ topic, partition }) => owns(topic, partition));
      await hints.commit(own, () => (isOver() ? undefined : NOBODY));
    },
    [Symbol.asyncDispose]: async () => {
      isEnded = true;
      await cluster[Symbol.asyncDispose]();
    },
  };
};
