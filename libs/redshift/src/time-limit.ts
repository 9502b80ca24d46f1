/** Bounds the statements that follow in their session, in whole milliseconds; 0 would be no bound. */
export function setTimeoutSql(ms: number): string {
  return `SET statement_timeout TO ${Math.min(Math.max(Math.ceil(ms), 1), 2_147_483_647)}`;
}
