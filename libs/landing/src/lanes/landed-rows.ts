/** Rows that were committed by this process, and how many of them queries can see. */
export class LandedRows {
  #unseen: { readonly commit: number; readonly rows: number }[] = [];
  #seen = 0n;

  committed(commit: number, rows: number): void {
    this.#unseen.push({ commit, rows });
  }

  /** The catalog shows everything up to a commit. */
  visible(commit: number): void {
    const isSeen = (each: { readonly commit: number }) => each.commit <= commit;
    for (const { rows } of this.#unseen.filter(isSeen)) this.#seen += BigInt(rows);
    this.#unseen = this.#unseen.filter((each) => !isSeen(each));
  }

  get seen(): bigint {
    return this.#seen;
  }

  /** The newest commit of this process that queries may not see yet. */
  get newestUnseen(): number | undefined {
    return this.#unseen.at(-1)?.commit;
  }
}
