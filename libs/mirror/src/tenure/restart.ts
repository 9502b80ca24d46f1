/** What is in flight has to be made anew, from other cuts or another topic; not a failure. */
export class RestartRequired extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = "RestartRequired";
  }
}
