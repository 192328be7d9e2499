import type pg from 'pg';
import { isConnectionLost } from './explain.ts';

type SharedClient = pg.Client & AsyncDisposable;

/**
 * The most short queries at a time; others wait. The rest of PostgreSQL's connections is left for
 * stages.
 */
const SHARED_CONNECTIONS_MAX = 3;

/**
 * A few connections that short queries share. Each is lent to one query at a time; the oldest query
 * comes first.
 */
export class SharedConnections {
  readonly #connect: () => Promise<SharedClient>;
  readonly #idle: SharedClient[] = [];
  readonly #waiting: ((client: SharedClient | null) => void)[] = [];
  #open = 0;
  #isClosed = false;

  constructor(connect: () => Promise<SharedClient>) {
    this.#connect = connect;
  }

  /** Runs `work` on a connection that no other query uses meanwhile. */
  async lend<Value>(work: (client: SharedClient) => Promise<Value>): Promise<Value> {
    const client = await this.#take();
    try {
      const value = await work(client);
      this.#giveBack(client);
      return value;
    } catch (error) {
      if (isConnectionLost(error)) this.#drop(client);
      else this.#giveBack(client);
      throw error;
    }
  }

  /** Ends the connections that are idle now, and each of the others when its query is done. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#idle.splice(0).map((client) => client[Symbol.asyncDispose]()));
  }

  async #take(): Promise<SharedClient> {
    const client = this.#idle.pop();
    if (client !== undefined) return client;
    if (this.#open >= SHARED_CONNECTIONS_MAX) {
      const given = await new Promise<SharedClient | null>((resolve) => this.#waiting.push(resolve));
      if (given !== null) return given;
    }
    this.#open++;
    try {
      const made = await this.#connect();
      made.on('end', () => this.#forget(made));
      return made;
    } catch (error) {
      this.#open--;
      this.#waiting.shift()?.(null);
      throw error;
    }
  }

  /** A connection that ends while it is idle must not be lent again. */
  #forget(client: SharedClient): void {
    const position = this.#idle.indexOf(client);
    if (position === -1) return;
    this.#idle.splice(position, 1);
    this.#open--;
  }

  #giveBack(client: SharedClient): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(client);
    // A query from before `close` still gets its answer. An open connection would keep the process
    // from ending.
    else if (this.#isClosed) this.#drop(client);
    else this.#idle.push(client);
  }

  #drop(client: SharedClient): void {
    this.#open--;
    void client[Symbol.asyncDispose]();
    this.#waiting.shift()?.(null);
  }
}
