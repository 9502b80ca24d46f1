/**
 * The compacted topic on the target cluster in which the mirror keeps which target offsets the
 * source offsets have (libs/mirror, docs/positions.md).
 */
export const POSITIONS_TOPIC = "__hybridge-positions";
