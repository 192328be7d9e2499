/** A voter's identity stays in table `voters`, and a voter's choice cannot be found from it. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type pg from 'pg';
import { TOPICS } from '../../src/ports/log.ts';
import { COUNCIL, councilRoll, numberOf } from '../support/council.ts';
import { addressOf, completeResults, resultsWhere } from '../support/results.ts';
import type { Ended } from '../support/tallyroom.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

/** All data that people other than the registrar may see, by place. */
type Seen = Map<string, string>;

const TABLES_WITH_VOTERS = /^voters$/;
const COLUMNS = [
  ...['registration_number', 'uuid', 'first_name', 'last_name', 'street', 'city', 'state', 'country'],
  ...['postcode', 'email', 'phone', 'cell', 'picture'],
] as const;

/** A row of the roll in which the value of every field is unique. */
const plantedRow = (ordinal: number, location: string): string =>
  [
    `PLANT-NO-${ordinal}`,
    location,
    ...COLUMNS.slice(1).map((column) => `plant-${column}-${ordinal}`),
    '1931-07-05',
  ].join(',');

const HEADER = `registration_number,location_id,${COLUMNS.slice(1)
  .map((column) => (column === 'street' ? 'address' : column))
  .join(',')},birth_date\n`;

async function seeApi(address: string, seen: Seen): Promise<void> {
  const { paths } = (await (await fetch(`${address}api/openapi.json`)).json()) as { paths: object };
  assert.ok(Object.keys(paths).length >= 7);
  for (const path of ['/', '/none', ...Object.keys(paths)].filter((each) => each !== '/api/events')) {
    const response = await fetch(new URL(path, address));
    seen.set(`headers of ${path}`, JSON.stringify([...response.headers]));
    seen.set(path, await response.text());
  }
}

/** Everything that the event stream sends until it is stopped. */
function listen(address: string, seen: Seen): () => Promise<void> {
  const stop = new AbortController();
  const heard = (async () => {
    let text = '';
    try {
      const response = await fetch(`${address}api/events`, { signal: stop.signal });
      for await (const chunk of response.body!) {
        text += Buffer.from(chunk).toString();
        seen.set('event stream', text);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
  })();
  return async () => {
    stop.abort();
    await heard;
  };
}

async function seeTables(database: pg.Client, seen: Seen): Promise<void> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`,
  );
  const tables = rows.map(({ name }) => name).filter((name) => !TABLES_WITH_VOTERS.test(name));
  assert.ok(tables.includes('participation_1') && tables.includes('rejections'));
  for (const table of tables) {
    const all = await database.query<{ text: string }>(`SELECT t::text AS text FROM ${table} t`);
    seen.set(`table ${table}`, all.rows.map(({ text }) => text).join('\n'));
  }
}

async function seeTopics(workspace: Workspace, seen: Seen): Promise<void> {
  for (const topic of TOPICS) seen.set(`topic ${topic}`, succeeded(await workspace.run(['topics', topic])));
  assert.ok(seen.get('topic voters')!.includes('voter_id') && seen.get('topic votes')!.includes('selections'));
}

/** PostgreSQL's own log, and all other files of the data directory that are not PostgreSQL's. */
function seeFiles(workspace: Workspace, seen: Seen): void {
  const files = globSync('**', { cwd: workspace.dataDir, exclude: ['postgres/cluster'], withFileTypes: true });
  for (const file of files)
    if (file.isFile()) seen.set(file.name, readFileSync(join(file.parentPath, file.name), 'utf8'));
  assert.ok(seen.has('server.log'));
}

function sawTerminal(seen: Seen, name: string, { stdout, stderr }: Ended): void {
  seen.set(`${name}: standard output`, stdout);
  seen.set(`${name}: standard error`, stderr);
}

function assertUnseen(needles: readonly string[], seen: Seen): void {
  assert.ok(needles.length > 0 && seen.size > 30);
  const found = [...seen].flatMap(([where, text]) => {
    const lower = text.toLowerCase();
    return needles.filter((needle) => lower.includes(needle.toLowerCase())).map((needle) => `${needle} in ${where}`);
  });
  assert.deepEqual(found.slice(0, 20), []);
}

describe('personal data', { concurrency: 2 }, () => {
  test('of a roll, and of faulty rows in it and in the votes, is only in table voters', async (context) => {
    const workspace = openWorkspace(context);
    const database = await workspace.connect();
    const seen: Seen = new Map();
    const election = workspace.file('council.json', JSON.stringify(COUNCIL));
    const roll = workspace.file(
      'roll.csv',
      `${HEADER}${[
        ...Array.from({ length: 30 }, (_, i) => plantedRow(i, i % 2 === 0 ? 'north' : 'south')),
        plantedRow(7, 'south'), // on the roll already
        plantedRow(31, 'west'), // no such place
        plantedRow(32, 'north').replace('1931-07-05', 'plant-birth-date'),
        `${plantedRow(33, 'north')},plant-more`,
        `"${plantedRow(34, 'north')}`,
      ].join('\n')}\n`,
    );
    const whole = ['register', '--election', election, '--debug'];
    const headless = workspace.file('headless.csv', `${plantedRow(1, 'north')}\n${plantedRow(2, 'north')}\n`);
    const latin1 = workspace.file('latin1.csv', Buffer.from(`${HEADER}${plantedRow(1, 'north')}é\n`, 'latin1'));
    for (const path of [headless, latin1]) {
      const refused = await workspace.run([...whole, '--roll', path]);
      assert.equal(refused.code, 2, refused.stderr);
      sawTerminal(seen, `register ${path}`, refused);
    }
    const registered = await workspace.run([...whole, '--roll', roll]);
    succeeded(registered);
    assert.match(registered.stderr, /30 voters are registered/);
    sawTerminal(seen, 'register', registered);

    const dashboard = workspace.start(['dashboard', '--port', '0', '--debug']);
    const stopListening = listen(await addressOf(dashboard), seen);
    const count = workspace.start(['count', '--debug']);
    const votes = [
      'registration_number,location_id,mayor,board',
      ...Array.from({ length: 10 }, (_, i) => `PLANT-NO-${2 * i},north,Ada,Cy`),
      'PLANT-NO-0,north,Bob,',
      'PLANT-NO-999,north,Bob,',
      'PLANT-NO-1,north,Bob,',
      'PLANT-NO-20,north,plant-candidate,',
      'PLANT-NO-22,north,Ada,Cy,plant-more',
    ];
    const cast = workspace.start(['vote', '--votes', '-', '--debug']);
    cast.child.stdin!.end(`${votes.join('\n')}\n`);
    const counted = await cast.ended;
    assert.match(counted.stderr, /10 votes cast, 5 refused/);
    sawTerminal(seen, 'vote', counted);
    sawTerminal(seen, 'vote that nobody cast', await workspace.run(['vote', '--rate', 'max', '--debug']));
    const address = await addressOf(dashboard);
    await resultsWhere(address, ({ totals }) => totals.ballots_cast === 10);
    await seeApi(address, seen);
    await stopListening();
    assert.ok(
      seen.get('event stream')!.includes('event: update') || seen.get('event stream')!.includes('event: resync'),
    );
    for (const [name, command] of Object.entries({ count, dashboard })) {
      command.child.kill('SIGINT');
      sawTerminal(seen, name, await command.ended);
    }
    for (const command of ['verify', 'doctor', 'topics']) sawTerminal(seen, command, await workspace.run([command]));
    await seeTopics(workspace, seen);
    await seeTables(database, seen);
    seeFiles(workspace, seen);

    const kept = await database.query<{ text: string }>('SELECT v::text AS text FROM voters v');
    const stored = kept.rows.map(({ text }) => text).join('\n');
    assert.equal(kept.rowCount, 30);
    for (const column of COLUMNS.slice(1)) assert.ok(stored.includes(`plant-${column}-7`), column);
    assert.ok(stored.includes('PLANT-NO-7') && stored.includes('1931-07-05'));
    assertUnseen(['plant-', '1931-07-05'], seen);
  });

  test('of generated voters is only in table voters', async (context) => {
    const workspace = openWorkspace(context);
    const database = await workspace.connect();
    const seen: Seen = new Map();
    const run = workspace.start(['run', '--voters', '300', '--seed', '8', '--rate', 'max', '--port', '0', '--debug']);
    const address = await addressOf(run);
    const stopListening = listen(address, seen);
    await completeResults(address);
    await seeApi(address, seen);
    await stopListening();
    run.child.kill('SIGINT');
    sawTerminal(seen, 'run', await run.ended);
    sawTerminal(seen, 'run again', await workspace.run(['run', '--once', '--json', '--port', '0']));
    for (const command of ['verify', 'doctor', 'topics']) sawTerminal(seen, command, await workspace.run([command]));
    await seeTopics(workspace, seen);
    await seeTables(database, seen);
    seeFiles(workspace, seen);
    const { rows } = await database.query<{ needle: string | null }>(
      `SELECT DISTINCT unnest(array[registration_number, uuid, email, phone, cell, street, postcode, picture,
                                    first_name || ' ' || last_name]) AS needle
       FROM voters`,
    );
    const { candidates } = JSON.parse(seen.get('run again: standard output')!).contests[0];
    const names = candidates.map(({ name }: { name: string }) => name);
    // A postcode of three letters may be part of any text.
    const needles = rows.flatMap(({ needle }) => (needle !== null && needle.length >= 6 ? [needle] : []));
    assert.ok(needles.length > 1_000, `${needles.length} values`);
    assertUnseen(
      needles.filter((each) => !names.some((name: string) => name.includes(each))),
      seen,
    );
  });
});

describe('the secret of a vote', () => {
  test('participation and votes share no column, no order and no time', async (context) => {
    const workspace = openWorkspace(context);
    const database = await workspace.connect();
    const election = workspace.file('council.json', JSON.stringify(COUNCIL));
    const roll = workspace.file('roll.csv', councilRoll(2_000));
    succeeded(await workspace.run(['register', '--election', election, '--roll', roll]));
    // The first half of the roll votes for one candidate, the second for the other. The last voter
    // comes first.
    const ordinals = Array.from({ length: 2_000 }, (_, i) => 2_000 - i);
    const rows = ordinals.map((ordinal) => `${numberOf('north', ordinal)},north,${ordinal <= 1_000 ? 'Ada' : 'Bob'},`);
    const votes = workspace.file('votes.csv', `registration_number,location_id,mayor,board\n${rows.join('\n')}\n`);
    succeeded(await workspace.run(['vote', '--votes', votes]));

    const { rows: columns } = await database.query<{ table_name: string; column_name: string; data_type: string }>(
      `SELECT table_name, column_name, data_type FROM information_schema.columns
       WHERE table_name IN ('participation', 'participation_1', 'votes', 'votes_1')`,
    );
    const of = (table: string) =>
      columns.filter(({ table_name }) => table_name === table).map((each) => each.column_name);
    assert.deepEqual(
      of('participation_1').filter((column) => of('votes_1').includes(column)),
      ['election_no'],
    );
    assert.deepEqual(of('participation_1').sort(), of('participation').sort());
    assert.deepEqual(of('votes_1').sort(), of('votes').sort());
    assert.ok(columns.every(({ data_type }) => !/time|date/.test(data_type)));

    const batches = await database.query('SELECT votes, cast_at FROM batches');
    assert.deepEqual([batches.rowCount, batches.rows[0].votes], [1, 2_000]);
    assert.equal(batches.rows[0].cast_at.getTime() % 60_000, 0);
    const voters = await database.query<{ voter_id: string }>('SELECT voter_id FROM participation_1 ORDER BY ctid');
    const ids = voters.rows.map(({ voter_id }) => Number(voter_id));
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    );
    const stored = await database.query<{ selections: number[] }>('SELECT selections FROM votes_1 ORDER BY ctid');
    assertShuffled(stored.rows.map(({ selections }) => selections[0] === 0));
    const boxes = succeeded(await workspace.run(['topics', 'votes']))
      .trim()
      .split('\n');
    const logged = boxes.flatMap((box) => JSON.parse(box).votes as { selections: { mayor: string[] } }[]);
    assertShuffled(logged.map(({ selections }) => selections.mayor[0] === 'Ada'));
  });
});

/**
 * 2,000 votes, half for one candidate. In a random order 500 of these are in the first half, give
 * or take 11 (the standard deviation of the hypergeometric distribution). The candidate changes
 * 1,000 times, give or take 22. A deviation of ten times as much does not happen by chance.
 */
function assertShuffled(isFirst: readonly boolean[]): void {
  assert.equal(isFirst.length, 2_000);
  assert.equal(isFirst.filter(Boolean).length, 1_000);
  const inFirstHalf = isFirst.slice(0, 1_000).filter(Boolean).length;
  assert.ok(Math.abs(inFirstHalf - 500) < 110, `${inFirstHalf} in the first half`);
  const changes = isFirst.filter((each, i) => i > 0 && each !== isFirst[i - 1]).length;
  assert.ok(Math.abs(changes - 1_000) < 220, `${changes} changes`);
}
