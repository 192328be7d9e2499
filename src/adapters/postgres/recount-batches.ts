import { readSql } from '../../base/resources.ts';
import type { BatchEntries, BatchEntry } from '../../ports/recount.ts';
import { type Database, lockOrAbort } from './database.ts';

/**
 * Batches are read in pages of this size, so that the memory of `verify` does not grow with them.
 */
const BATCHES_PER_PAGE = 1_000;
/** A few numbers show the fault. */
const STRAYS_SHOWN_MAX = 5;

type Row = Omit<BatchEntry, 'votes'> & { readonly partition: number | null; readonly votes: number };

/**
 * The batches of an election through a cursor that outlives its transaction: PostgreSQL keeps the
 * rows on its disk, and no snapshot stays open.
 */
export async function openBatches(database: Database, electionNo: number, signal: AbortSignal): Promise<BatchEntries> {
  signal.throwIfAborted();
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await database.connect());
  await lockOrAbort(database, client, signal, () =>
    client.query(
      `DECLARE recount CURSOR WITH HOLD FOR ${readSql('postgres/recount-batches.sql').replaceAll('$1', String(electionNo))}`,
    ),
  );
  const connection = opening.move();
  let page: readonly Row[] = [];
  let at = 0;
  const peek = async (): Promise<Row | undefined> => {
    signal.throwIfAborted();
    if (at === page.length) {
      page = (await client.query<Row>(`FETCH ${BATCHES_PER_PAGE} FROM recount`)).rows;
      at = 0;
    }
    return page[at];
  };
  return {
    async *of(partition) {
      for (let row = await peek(); row !== undefined && row.partition !== null; row = await peek()) {
        if (row.partition > partition) return;
        at++;
        if (row.partition === partition) yield row;
      }
    },
    async strays() {
      const strays: number[] = [];
      for (let row = await peek(); row !== undefined && strays.length < STRAYS_SHOWN_MAX; row = await peek()) {
        at++;
        if (row.partition === null) strays.push(row.batch_no);
      }
      return strays;
    },
    [Symbol.asyncDispose]: () => connection.disposeAsync(),
  };
}
