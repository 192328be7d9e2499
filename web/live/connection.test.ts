import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Connection, type ConnectionEvent, nextConnection } from './connection.ts';

const RULES: readonly (readonly [from: Connection, event: ConnectionEvent, to: Connection, rule: string])[] = [
  ['connecting', 'contact', 'live', 'The first contact makes the page live.'],
  ['connecting', 'break', 'connecting', 'A first try that fails is followed by another first try.'],
  ['connecting', 'silence', 'lost', 'A server that never answers is as lost as one that stopped.'],
  ['live', 'contact', 'live', 'A live connection stays live with every contact.'],
  ['live', 'break', 'reconnecting', 'A live connection that breaks is being mended.'],
  ['live', 'silence', 'live', 'An open stream may be silent: its break is an event of its own.'],
  ['reconnecting', 'contact', 'live', 'A connection is mended by the first contact.'],
  ['reconnecting', 'break', 'reconnecting', 'One more try that fails changes nothing.'],
  ['reconnecting', 'silence', 'lost', 'A connection that is not mended in time is lost.'],
  ['lost', 'contact', 'live', 'The page keeps trying: a lost connection comes back by itself.'],
  ['lost', 'break', 'lost', 'A try that fails does not make a lost connection look better.'],
  ['lost', 'silence', 'lost', 'A lost connection stays lost without a contact.'],
];

for (const [from, event, to, rule] of RULES)
  test(`${from}, ${event}: ${to}. ${rule}`, () => assert.equal(nextConnection(from, event), to));

test('each state has a rule for each event', () => {
  const known = new Set(RULES.map(([from, event]) => `${from} ${event}`));
  const states = new Set(RULES.map(([from]) => from));
  const events = new Set(RULES.map(([, event]) => event));
  assert.deepEqual([known.size, states.size, events.size], [12, 4, 3]);
});

/** The same table in three sentences. */
function expected(from: Connection, event: ConnectionEvent): Connection {
  // Any contact makes the page live.
  if (event === 'contact') return 'live';
  // A break is news only to a live connection.
  if (event === 'break') return from === 'live' ? 'reconnecting' : from;
  // Silence loses every connection that is not live.
  return from === 'live' ? 'live' : 'lost';
}

test('the table says what the sentences say', () => {
  for (const [from, event] of RULES) assert.equal(nextConnection(from, event), expected(from, event));
});
