import assert from 'node:assert/strict';
import { isCompleteStatus, type Results } from '../../src/domain/results/results.ts';
import type { Started } from './tallyroom.ts';

/**
 * A result document without the fields that differ from run to run: its time, and the id of the
 * election.
 */
export function numbersOf(document: string | Results): unknown {
  const results: Results = typeof document === 'string' ? JSON.parse(document) : document;
  const { as_of: _, election, ...numbers } = results;
  return { ...numbers, status: election.status };
}

/** The address at which a command with a dashboard says that it listens. */
export async function addressOf(command: Started): Promise<string> {
  return (await command.says(/Results: (http\S+)/))[1]!;
}

export async function fetchResults(address: string): Promise<Results> {
  const response = await fetch(`${address}api/results`);
  assert.equal(response.status, 200);
  return (await response.json()) as Results;
}

/** Follows the event stream until the results satisfy the predicate. */
export async function resultsWhere(address: string, accepts: (results: Results) => boolean): Promise<Results> {
  const stop = new AbortController();
  const events = await fetch(`${address}api/events`, { signal: stop.signal });
  try {
    for await (const _ of events.body!) {
      const response = await fetch(`${address}api/results`);
      if (response.status === 503) continue;
      const results = (await response.json()) as Results;
      if (accepts(results)) return results;
    }
  } finally {
    stop.abort();
  }
  throw new Error('the event stream ended before the results were as wanted');
}

export const completeResults = (address: string): Promise<Results> =>
  resultsWhere(address, ({ election }) => isCompleteStatus(election.status));
