/**
 * Ends a path that only a bug can reach.
 * @throws Error, always for a defect of this program and never for its input.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
