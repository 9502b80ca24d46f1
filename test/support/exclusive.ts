/** Runs bodies one after the other, in the order of the calls, whatever becomes of them. */
export function oneAtATime(): <T>(body: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return async (body) => {
    const mine = last.then(body);
    last = mine.catch(() => undefined);
    return await mine;
  };
}
