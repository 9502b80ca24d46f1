/** A partition of the source and where it goes. */
export interface Route {
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly partition: number;
}
