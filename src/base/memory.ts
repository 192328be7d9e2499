/**
 * Gives memory that is not used back to the machine. V8 keeps the pages of a crowd that has left,
 * 400 MB after 10,000 viewers, until a collection of the last resort. That takes 50 to 160 ms, so
 * it is for rare moments. Does nothing where Node was started without `--expose-gc`.
 */
export function giveMemoryBack(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
