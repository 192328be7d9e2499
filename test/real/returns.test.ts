/** A real election night: the returns of Minnesota, snapshot by snapshot. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ElectionId } from '../../src/domain/election/election.ts';
import { createSeed, hashToUnit } from '../../src/domain/numbers/random.ts';
import { reportFile } from '../../src/stages/report.ts';
import { openBackend } from '../../src/wire/backend.ts';
import { silent } from '../support/progress.ts';
import { addressOf, fetchResults, resultsWhere } from '../support/results.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const DATA = [process.env.TALLYROOM_DATA, fileURLToPath(new URL('../../../shared/data', import.meta.url))].find(
  (directory) => directory !== undefined && existsSync(directory),
);
const skip = DATA === undefined && 'the real elections are not here: set TALLYROOM_DATA to their directory';

const SNAPSHOTS = 48;
const COLUMNS = { timestamp: 0, contest: 1, location_id: 2, location_name: 3, candidate: 6, party: 7, votes: 8 };

/** The rows of a file without quotes. */
const rowsOf = (name: string): string[][] =>
  readFileSync(join(DATA!, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(','));

interface Night {
  readonly election: string;
  /** The text of each snapshot as a file of its own, in the order of the night. */
  readonly snapshots: readonly string[];
  /** All votes after each snapshot: each cell carried forward. */
  readonly totals: readonly number[];
}

function readNight(): Night {
  const [header = [], ...rows] = rowsOf('us-mn-2024-president-county-feed.csv');
  const registered = new Map(rowsOf('us-mn-2024-electorate.csv').map(([id, count]) => [id, Number(count)]));
  const at = (row: readonly string[], column: keyof typeof COLUMNS): string => row[COLUMNS[column]]!;
  const contest = at(rows[0]!, 'contest');
  const parties = new Map(rows.map((row) => [at(row, 'candidate'), at(row, 'party')]));
  const locations = new Map(rows.map((row) => [at(row, 'location_id'), at(row, 'location_name')]));
  const election = {
    id: 'mn-2024',
    name: 'Minnesota 2024',
    date: '2024-11-05',
    source: 'returns',
    contests: [{ id: contest }],
    parties: [...new Set(parties.values())].map((id) => ({ id })),
    candidates: [...parties].map(([name, party_id]) => ({ contest_id: contest, name, party_id })),
    locations: [...locations].map(([id, name]) => ({ id, name, registered_voters: registered.get(id) })),
  };
  const snapshots = [...Map.groupBy(rows, (row) => at(row, 'timestamp')).values()];
  const cells = new Map<string, number>();
  const totals = snapshots.map((snapshot) => {
    for (const row of snapshot)
      cells.set(`${at(row, 'location_id')} ${at(row, 'candidate')}`, Number(at(row, 'votes')));
    return [...cells.values()].reduce((sum, votes) => sum + votes, 0);
  });
  return {
    election: JSON.stringify(election),
    snapshots: snapshots.map((snapshot) => [header, ...snapshot].map((row) => `${row.join(',')}\n`).join('')),
    totals,
  };
}

const votesCounted = ({ contests }: Awaited<ReturnType<typeof fetchResults>>): number => contests[0]!.votes_counted;

async function openNight(workspace: Workspace, { election }: Night): Promise<void> {
  await workspace.server();
  succeeded(await workspace.run(['register', '--election', workspace.file('mn.json', election)]));
}

describe('the night of 5 November 2024 in Minnesota', { skip }, () => {
  test('after each snapshot the published total is that of the state; verify agrees at the end', async (context) => {
    const night = readNight();
    assert.equal(night.snapshots.length, SNAPSHOTS);
    assert.deepEqual([night.totals[0], night.totals[2], night.totals.at(-1)], [0, 1_763, 3_253_920]);
    const workspace = openWorkspace(context);
    await openNight(workspace, night);
    const running = workspace.start(['run', '--port', '0']);
    const address = await addressOf(running);
    let sequence = 0;
    for (const [number, snapshot] of night.snapshots.entries()) {
      succeeded(await workspace.run(['report', workspace.file(`${number}.csv`, snapshot)]));
      const results = await resultsWhere(address, (each) => each.sequence > sequence);
      assert.equal(votesCounted(results), night.totals[number], `after snapshot ${number + 1}`);
      sequence = results.sequence;
    }
    const { contests, totals } = await fetchResults(address);
    assert.deepEqual(contests[0]!.units, { reporting: 4_103, total: 4_103 });
    assert.deepEqual([totals.registered_voters, totals.ballots_cast, totals.turnout], [3_686_101, null, null]);
    const votes = new Map(
      contests[0]!.candidates.map(({ name, votes }) => [name.split(' ').slice(0, 3).join(' '), votes]),
    );
    assert.deepEqual([votes.get('Kamala D. Harris'), votes.get('Donald J. Trump')], [1_656_979, 1_519_032]);
    running.child.kill('SIGINT');
    await running.ended;
    succeeded(await workspace.run(['verify']));
  });

  test('in shuffled order, with every file twice, the end is the same', async (context) => {
    const night = readNight();
    const [inOrder, shuffled] = [openWorkspace(context), openWorkspace(context)];
    const seed = createSeed(process.env.TALLYROOM_SEED ?? 'night');
    const twice = [...night.snapshots, ...night.snapshots];
    for (let i = twice.length - 1; i > 0; i--) {
      const j = Math.floor(hashToUnit(seed, i, 0) * (i + 1));
      [twice[i], twice[j]] = [twice[j]!, twice[i]!];
    }
    const ends: unknown[] = [];
    for (const [workspace, snapshots] of [
      [inOrder, night.snapshots],
      [shuffled, twice],
    ] as const) {
      await openNight(workspace, night);
      const { dataDir } = workspace;
      const backend = await openBackend({
        dataDir,
        databaseUrl: null,
        kafka: null,
        sparkRemote: null,
        onProgress: () => {},
      });
      try {
        const entry = (await backend.elections.find('mn-2024' as ElectionId))!;
        const { signal } = new AbortController();
        for (const [number, snapshot] of snapshots.entries())
          await reportFile(
            { backend, entry, progress: silent(), signal },
            workspace.file(`${number}.csv`, snapshot),
            null,
          );
      } finally {
        await backend.close();
      }
      const results = JSON.parse(succeeded(await workspace.run(['run', '--once', '--json', '--port', '0'])));
      succeeded(await workspace.run(['verify']));
      ends.push({ ...results, as_of: null });
    }
    assert.deepEqual(ends[1], ends[0]);
  });
});
