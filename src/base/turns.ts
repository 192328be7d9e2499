/**
 * Runs pieces of work one after the other, in the order they were given. The failure of one reaches
 * its caller alone.
 */
export type Turns = <Value>(work: () => Promise<Value>) => Promise<Value>;

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work, work);
    last = mine;
    return mine;
  };
}
