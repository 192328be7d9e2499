import type pg from 'pg';

/**
 * How often the connections are looked at. An answer that got lost on its way is noticed at the
 * third look: one sees the statement, and two see that nothing has moved since.
 */
const LOOK_MS = 5_000;
/** The question about the sessions takes milliseconds. It may get lost on its way, too. */
const ASK_MS_MAX = 10_000;
/** Looks without a byte in either direction after which the server has nothing more to send. */
const SILENT_LOOKS_MAX = 2;

/** A connection with the statements that it waits for. */
export interface WatchedClient {
  readonly client: pg.Client;
  /** The process of the server, as it says itself: a pooler in between gives another number. */
  readonly pid: number;
  readonly pending: PendingStatements;
}

/** The statements of a connection that are sent and not answered. */
export class PendingStatements {
  #open = 0;
  #moves = 0;

  get isEmpty(): boolean {
    return this.#open === 0;
  }

  /** Changes whenever a statement is sent or answered. */
  get moves(): number {
    return this.#moves;
  }

  sent(): void {
    this.#open++;
    this.#moves++;
  }

  answered(): void {
    this.#open--;
    this.#moves++;
  }
}

interface Silence {
  readonly mark: string;
  readonly looks: number;
}

/**
 * Finds the connections whose answer got lost while the connection stays open, as a middlebox on
 * the way can do. Without it a stage would wait for ever, since keep-alive finds nothing wrong. A
 * statement may take long and may wait for a lock. So the server decides: where its session waits
 * for us while we wait for it, or is not there any more, the connection is ended. Its stage then
 * begins again from what is durable.
 */
export class LostAnswers {
  readonly #connect: () => Promise<pg.Client>;
  readonly #watched = new Set<WatchedClient>();
  readonly #silent = new Map<WatchedClient, Silence>();
  readonly #look_ms: number;
  #timer: NodeJS.Timeout | null = null;
  #isAsking = false;

  /** @param connect opens a connection that is not watched itself. */
  constructor(connect: () => Promise<pg.Client>, look_ms = LOOK_MS) {
    this.#connect = connect;
    this.#look_ms = look_ms;
  }

  watch(watched: WatchedClient): void {
    this.#watched.add(watched);
    this.#timer ??= setInterval(() => void this.#look(), this.#look_ms).unref();
    watched.client.once('end', () => {
      this.#watched.delete(watched);
      this.#silent.delete(watched);
    });
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  async #look(): Promise<void> {
    if (this.#isAsking) return;
    const suspects = [...this.#watched].filter((watched) => this.#silentLooks(watched) >= SILENT_LOOKS_MAX);
    if (suspects.length === 0) return;
    this.#isAsking = true;
    try {
      const marks = new Map(suspects.map((suspect) => [suspect, markOf(suspect)]));
      const working = await this.#working(suspects.map(({ pid }) => pid));
      // An answer that came with that of the question was not lost.
      for (const [suspect, mark] of marks)
        if (!working.has(suspect.pid) && mark === markOf(suspect)) suspect.client.connection.stream.destroy(lost());
    } catch {
      // A server that cannot be asked says nothing about an answer. The next look asks again.
    } finally {
      this.#isAsking = false;
    }
  }

  /** How many looks in a row, after the first, saw the same statement without an answer. */
  #silentLooks(watched: WatchedClient): number {
    if (watched.pending.isEmpty) {
      this.#silent.delete(watched);
      return 0;
    }
    const mark = markOf(watched);
    const before = this.#silent.get(watched);
    const looks = before?.mark === mark ? before.looks + 1 : 0;
    this.#silent.set(watched, { mark, looks });
    return looks;
  }

  /** Those of the sessions that work on a statement, or wait for something other than us. */
  async #working(pids: readonly number[]): Promise<ReadonlySet<number>> {
    const client = await this.#connect();
    try {
      const question = {
        text: `SELECT pid FROM pg_stat_activity WHERE pid = ANY($1) AND wait_event_type IS DISTINCT FROM 'Client'`,
        values: [pids],
        query_timeout: ASK_MS_MAX,
      };
      const { rows } = await client.query<{ pid: number }>(question);
      return new Set(rows.map(({ pid }) => pid));
    } finally {
      await client.end().catch(() => {});
    }
  }
}

/** Two equal marks: no statement was sent or answered in between, and no byte came or went. */
function markOf({ client, pending }: WatchedClient): string {
  const { bytesRead = 0, bytesWritten = 0 } = client.connection.stream as { bytesRead?: number; bytesWritten?: number };
  return `${pending.moves}/${bytesRead}/${bytesWritten}`;
}

const lost = (): Error =>
  Object.assign(new Error('the server has answered a statement, and the answer did not arrive'), { code: 'ETIMEDOUT' });
