/**
 * The id of a state: `<instance>.<epoch>.<definition offset>.<results offset>`. Two states of one
 * id have the same content, in every dashboard process. An election that is made anew has another
 * instance, so no cache and no page takes its states for those of the one before.
 */
export interface StateId {
  /** 32 hex digits, drawn when the election was made. */
  readonly instance: string;
  /** The counter's epoch; 0 before its first state. */
  readonly epoch: number;
  /** One past the last record of topic `definition` that the state follows. */
  readonly definition_offset: number;
  /** One past the last record of `results-by-location` that the state includes; 0 before any. */
  readonly results_offset: number;
}

export const formatStateId = ({ instance, epoch, definition_offset, results_offset }: StateId): string =>
  `${instance}.${epoch}.${definition_offset}.${results_offset}`;

const FORM = /^([0-9a-f]{32})\.(\d{1,15})\.(\d{1,15})\.(\d{1,15})$/;

/** @returns null for any text that is not an id. */
export function parseStateId(text: string): StateId | null {
  const [, instance, epoch, definition, results] = FORM.exec(text) ?? [];
  if (instance === undefined) return null;
  return {
    instance,
    epoch: Number(epoch),
    definition_offset: Number(definition),
    results_offset: Number(results),
  };
}

/**
 * Whether the state of one id came before that of the other. States of two elections, and texts
 * that are not ids, have no order: neither is older.
 */
export function isOlderState(id: string, than: string): boolean {
  const [left, right] = [parseStateId(id), parseStateId(than)];
  if (left === null || right === null || left.instance !== right.instance) return false;
  if (left.epoch !== right.epoch) return left.epoch < right.epoch;
  if (left.definition_offset === right.definition_offset) return left.results_offset < right.results_offset;
  // A state that follows more of one topic and less of the other is neither older nor newer.
  return left.definition_offset < right.definition_offset && left.results_offset <= right.results_offset;
}
