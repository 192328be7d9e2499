/**
 * The tamper matrix: every table and topic, each column and field, changed, swapped, deleted and
 * added. `verify` finds each one, or docs/exactness.md says why it cannot.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import type { ElectionId } from '../../src/domain/election/election.ts';
import type { Backend } from '../../src/ports/backend.ts';
import { TOPICS } from '../../src/ports/log.ts';
import { verify } from '../../src/stages/verify.ts';
import { openBackend } from '../../src/wire/backend.ts';
import { COUNCIL, councilRoll, numberOf } from '../support/council.ts';
import { keepTables, type Tampering, tableTamperings, topicTamperings, undo } from '../support/tampering.ts';
import { openWorkspace, succeeded, urlOf } from '../support/workspace.ts';

const never = new AbortController().signal;
const HEADER = 'registration_number,location_id,mayor,board\n';
const ROLL_HEADER = 'registration_number,location_id,name\n';
const CHOICES = ['Ada,Cy', 'Bob,Cy;Di', ',', 'Ada;Bob,Di;Ed', 'Ada,Cy;Di;Ed'];

const RESULTS = `location_id,contest,candidate,party,votes
Kent,Mayor,Ada,Red,30
Kent,Mayor,Bob,Blue,25
Dorset,Mayor,Ada,Red,11
Dorset,Mayor,Bob,Blue,14
Surrey,Mayor,Ada,Red,8
Surrey,Mayor,Bob,Blue,9
`;

const cleanUp: (() => Promise<void>)[] = [];
const workspace = openWorkspace({ after: (work) => cleanUp.push(work) });
let database: pg.Client;
let backend: Backend;

before(async () => {
  database = await workspace.connect();
  const run = async (...args: string[]): Promise<void> => void succeeded(await workspace.run(args));
  const file = (name: string, text: string): string => workspace.file(name, text);
  const votes = (from: number, to: number): string => {
    const lines = [];
    for (let ordinal = from; ordinal < to; ordinal++)
      lines.push(
        `${numberOf('north', ordinal)},north,${CHOICES[ordinal % CHOICES.length]}`,
        `${numberOf('south', ordinal)},south,${ordinal % 3 === 0 ? 'Ada;Bob' : ordinal % 3 === 1 ? 'Ada' : 'Bob'},`,
      );
    return `${HEADER}${lines.join('\n')}\n`;
  };
  const results = file('results.csv', RESULTS);
  await run(
    'run',
    '--results',
    results,
    '--id',
    'replay',
    '--rate',
    'max',
    '--port',
    '0',
    '--once',
    '--partitions',
    '2',
  );
  const council = [
    '--election',
    file('council.json', JSON.stringify(COUNCIL)),
    '--roll',
    file('roll.csv', councilRoll(60)),
  ];
  await run('register', ...council, '--fresh', '--partitions', '2');
  await run('vote', '--votes', file('one.csv', votes(1, 20)));
  await run('register', '--add', file('add.csv', `${ROLL_HEADER}N9001,north,Late\nS9001,south,Later\n`));
  await run('register', '--remove', file('gone.csv', 'registration_number,reason\nN0050,died\nS0051,moved\n'));
  await run('vote', '--votes', file('two.csv', `${votes(18, 40)}N0050,north,Ada,\nX1,north,Ada,\n`));
  await run('count', '--once');
  const server = await workspace.server();
  backend = await openBackend({
    dataDir: workspace.dataDir,
    databaseUrl: urlOf(server),
    kafka: null,
    sparkRemote: null,
    onProgress: () => {},
  });
  cleanUp.unshift(() => backend.close());
  // Batches of two minutes could be swapped without a trace; a test may not depend on the clock.
  await database.query('UPDATE batches SET cast_at = (SELECT min(cast_at) FROM batches)');
  await keepTables(database);
});
after(async () => {
  for (const work of cleanUp) await work();
});

/** The words of the checks that failed, or of the error that ended the verification. */
async function findings(id: string): Promise<string> {
  try {
    const entry = await backend.elections.find(id as ElectionId);
    if (entry === null) return 'table elections: there is no such election';
    await using log = await backend.openLog(entry);
    const { checks } = await verify(entry, log, backend, never);
    return checks
      .filter(({ passed }) => !passed)
      .map(({ name, differences }) => `${name}: ${differences.join('; ')}`)
      .join('\n');
  } catch (error) {
    return `error: ${error}`;
  }
}

/** Words that name the place of a fault, beside the name of the table or topic itself. */
const PLACES: Readonly<Record<string, RegExp>> = {
  votes: /batch \d+/,
  participation: /took part|participants/,
  batches: /batch \d+/,
  log_ends: /votes\/\d|voters\/\d/,
  source_offsets: /were asked|votes-end:/,
  voters: /voter \d+|location .* voters on the roll/,
  replayed_votes: /made with|choices of the voters/,
  'topic votes': /partition \d+: /,
  'topic voters': /seq \d+/,
  'topic results-by-location': /published results|checkpoint|record location:/,
};

async function runMatrix(id: string, electionNo: number, tamperings: readonly Tampering[]) {
  const unseen: string[] = [];
  const counts = { found: 0, located: 0, refused: 0 };
  assert.equal(await findings(id), '', `election ${id} verifies before anything is changed`);
  for (const tampering of tamperings) {
    const { place, what, kind } = tampering;
    try {
      if (!(await tampering.apply(database))) continue;
      const found = await findings(id);
      const name = place.replace('topic ', '');
      if (found === '') unseen.push(`${place}: ${what} (${kind})`);
      else counts.found++;
      if (found !== '' && (found.includes(name) || PLACES[place]?.test(found))) counts.located++;
    } catch (error) {
      // The constraints of the database are in the way.
      assert.match(
        `${error}`,
        /violates|duplicate|out of range/,
        `${place}: ${what} (${kind}) in election ${electionNo}`,
      );
      counts.refused++;
    } finally {
      await undo(database, tampering);
    }
  }
  assert.equal(await findings(id), '', 'everything was put back');
  return { unseen: [...new Set(unseen)], counts };
}

/** Each verifies some three hundred times: a minute on a quiet machine, ten on a busy one. */
const MATRIX_MS_MAX = 900_000;
const unseen = new Set<string>();

for (const id of ['council', 'replay'])
  test(`the tamper matrix: ${id}`, { timeout: MATRIX_MS_MAX }, async (context) => {
    const { election_no } = (await backend.elections.find(id as ElectionId))!;
    const tamperings = await tableTamperings(database, election_no);
    for (const topic of TOPICS) tamperings.push(...(await topicTamperings(database, election_no, topic)));
    const { unseen: missed, counts } = await runMatrix(id, election_no, tamperings);
    for (const each of missed) unseen.add(each);
    context.diagnostic(`${id}: ${JSON.stringify({ ...counts, unseen: missed.length })}`);
  });

test('docs/exactness.md lists what the matrix does not find, and nothing else', () => {
  const page = readFileSync(new URL('../../docs/exactness.md', import.meta.url), 'utf8');
  const listed = Array.from(page.matchAll(/^\| `([^`]+)` \| ([a-z, ]+) \| /gm), ([, place, kinds]) =>
    kinds!.split(', ').map((kind) => ({ place: place!, kind })),
  ).flat();
  // A place may end in `*`.
  const isListed = (name: string): boolean =>
    listed.some(({ place, kind }) =>
      place.endsWith('*')
        ? name.startsWith(place.slice(0, -1)) && name.endsWith(` (${kind})`)
        : name === `${place} (${kind})`,
    );
  const missed = [...unseen];
  assert.deepEqual(missed.filter((name) => !isListed(name)).sort(), [], 'not found, and not in docs/exactness.md');
  const needless = listed.filter(
    ({ place, kind }) => !missed.some((name) => name.startsWith(place.replace('*', '')) && name.endsWith(` (${kind})`)),
  );
  assert.deepEqual(needless, [], 'in docs/exactness.md, and found');
});
