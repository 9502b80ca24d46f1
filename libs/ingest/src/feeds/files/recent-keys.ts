/** Remembers at least the last `count` keys, at most twice as many. */
export interface RecentKeys {
  /** Whether the key is among them; from now on it is. */
  seen(key: string): boolean;
}

/** Two generations of a set: when the younger is full it becomes the older, which is forgotten. */
export function rememberKeys(count: number): RecentKeys {
  let younger = new Set<string>();
  let older = new Set<string>();
  return {
    seen(key) {
      if (younger.has(key) || older.has(key)) return true;
      if (younger.size >= count) {
        older = younger;
        younger = new Set();
      }
      younger.add(key);
      return false;
    },
  };
}
