/** A set of numbers that grows upwards, as the ends of its runs: void commits are few, or come in rows. */
export class AscendingNumbers {
  readonly #runs: [from: number, to: number][];
  count: number;

  constructor(runs: readonly (readonly [from: number, to: number])[] = []) {
    this.#runs = runs.map(([from, to]) => [from, to]);
    this.count = runs.reduce((sum, [from, to]) => sum + to - from + 1, 0);
  }

  /** Runs from first to last number, both inclusive. */
  get runs(): readonly (readonly [from: number, to: number])[] {
    return this.#runs;
  }

  /** Greater than all that are in it. */
  push(number: number): void {
    const last = this.#runs.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else this.#runs.push([number, number]);
    this.count += 1;
  }

  has(number: number): boolean {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle]?.[1] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    const run = this.#runs[low];
    return run !== undefined && run[0] <= number;
  }
}
