/** Remembers at least the last `count` ids, at most twice as many. */
export interface RecentIds {
  /** Whether the id is among them; from now on it is. */
  seen(id: string): boolean;
}

/** Two generations of a set: when the younger is full it becomes the older, which is forgotten. */
export function rememberIds(count: number): RecentIds {
  let younger = new Set<string>();
  let older = new Set<string>();
  return {
    seen(id) {
      if (younger.has(id) || older.has(id)) return true;
      if (younger.size >= count) {
        older = younger;
        younger = new Set();
      }
      younger.add(id);
      return false;
    },
  };
}
