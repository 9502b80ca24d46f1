/** Longer than this nobody should have to wonder. */
const SILENCE_MS = 8_000;

/** Lines for whoever waits: what is done, and now and then what is being done. */
export class Progress implements Disposable {
  readonly #out: NodeJS.WritableStream;
  readonly #timer: NodeJS.Timeout;
  #doing = "";
  #detail = "";
  #sinceMs = performance.now();
  #spokeMs = performance.now();

  constructor(out: NodeJS.WritableStream) {
    this.#out = out;
    this.#timer = setInterval(() => this.#remind(), SILENCE_MS / 4);
    this.#timer.unref();
  }

  say(text: string): void {
    this.#spokeMs = performance.now();
    this.#out.write(`${text}\n`);
  }

  /** Says it only when it takes long. */
  doing(what: string, detail = ""): void {
    if (this.#doing !== what) this.#sinceMs = performance.now();
    this.#doing = what;
    this.#detail = detail;
  }

  /** It is done; another thing begins. */
  done(): void {
    this.#doing = "";
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #remind(): void {
    const now = performance.now();
    if (this.#doing === "" || now - this.#spokeMs < SILENCE_MS * 0.9) return;
    this.say(
      `    ... ${this.#doing}${this.#detail} (${Math.round((now - this.#sinceMs) / 1000)} s)`,
    );
  }
}
