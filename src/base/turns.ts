/** Runs what is given one after the other, in the order it was given; a failure is its caller's alone. */
export type Turns = <Value>(work: () => Promise<Value>) => Promise<Value>;

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work, work);
    last = mine;
    return mine;
  };
}
