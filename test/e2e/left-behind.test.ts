/**
 * Inputs that are refused, pipes that stay silent and commands that are killed: nothing of them is
 * left behind, and each is told.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { COUNCIL, councilRoll, numberOf } from '../support/council.ts';
import { isServing, openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const entriesOf = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory).sort() : []);

const ROLL = 'registration_number,location_id\n';
const RESULTS = 'contest,location_id,candidate,votes\nmayor,1,Ada,5\nmayor,2,Ada,5\n';
const ELECTION = JSON.stringify(COUNCIL);

/** A good file for each option that a bad one may be given beside. */
const GOOD = { results: RESULTS, election: ELECTION, roll: councilRoll(2) };
const XML = '<?xml version="1.0"?><R/>';

describe('a refused input leaves no database', { concurrency: 2 }, () => {
  for (const [name, files, says] of [
    ['results', { results: RESULTS.replace('5', 'five') }, /results:2: votes: /],
    ['electorate', { results: GOOD.results, electorate: XML }, /electorate:1: this is XML/],
    ['election file', { election: '{"id": 1, "id": 2}' }, /election:1: "id": the object has this key already/],
    ['candidates', { candidates: 'name\nAda\nAda\n', roll: GOOD.roll }, /candidates:3: name: /],
    ['roll', { election: GOOD.election, roll: `${ROLL}1,nowhere\n` }, /roll:2: location_id: /],
    ['votes', { votes: 'registration_number,mayor\n1,Ada\n' }, /votes:1: location_id: the column is missing/],
    ['late voters', { add: 'name\nAda\n' }, /add:1: registration_number: the column is missing/],
    ['removals', { remove: `registration_number,reason\n1,none\n` }, /remove:2: reason: /],
    ['revision', { revise: '{"id": "council"}' }, /revise:1: name: /],
  ] as const)
    test(name, async (context) => {
      const workspace = openWorkspace(context);
      const given = Object.entries(files).flatMap(([option, content]) => [
        `--${option}`,
        workspace.file(option, content),
      ]);
      const ended = await workspace.run([name === 'votes' ? 'vote' : 'register', ...given]);
      assert.equal(ended.code, 2, ended.stderr);
      assert.match(ended.stderr, says);
      assert.deepEqual(entriesOf(workspace.dataDir), [], 'no file and no server');
    });
});

test('votes that only the election shows to be bad leave a stopped server, and no row', async (context) => {
  const workspace = openWorkspace(context);
  await workspace.server();
  const roll = workspace.file('roll.csv', GOOD.roll);
  succeeded(await workspace.run(['register', '--election', workspace.file('council.json', ELECTION), '--roll', roll]));
  const before = entriesOf(workspace.dataDir);
  const votes = workspace.file(
    'votes.csv',
    `registration_number,location_id,sheriff\n${numberOf('north', 1)},north,Ada\n`,
  );
  const ended = await workspace.run(['vote', '--votes', votes]);
  assert.equal(ended.code, 2, ended.stderr);
  assert.match(ended.stderr, /votes\.csv:1: "sheriff": it is not a contest/);
  assert.deepEqual(entriesOf(workspace.dataDir), before);
  const { rows } = await (await workspace.connect()).query(
    "SELECT (SELECT count(*) FROM votes) + (SELECT count(*) FROM rejections) + (SELECT count(*) FROM participation) + (SELECT count(*) FROM source_offsets WHERE source LIKE 'file:%') AS rows",
  );
  assert.equal(Number(rows[0].rows), 0);
});

function pipe(workspace: Workspace, name: string): string {
  const path = workspace.file(name, '');
  execFileSync('sh', ['-c', 'rm "$0" && mkfifo "$0"', path]);
  return path;
}

describe('a pipe that nobody writes to', { concurrency: 2 }, () => {
  for (const [option, others] of [
    ['results', []],
    ['electorate', ['results']],
    ['candidates', ['roll']],
    ['election', ['roll']],
  ] as const)
    test(`--${option}: Ctrl-C ends the wait, and nothing is left`, async (context) => {
      const workspace = openWorkspace(context);
      const given = others.flatMap((other) => [`--${other}`, workspace.file(other, GOOD[other])]);
      const started = workspace.start(['register', `--${option}`, pipe(workspace, option), ...given]);
      await started.says(/waits for a program to write to it/);
      started.child.kill('SIGTERM');
      const ended = await started.ended;
      assert.equal(ended.code, 130, ended.stderr);
      assert.deepEqual(entriesOf(workspace.dataDir), []);
    });

  for (const [option, command] of [
    ['roll', 'register'],
    ['votes', 'vote'],
    ['add', 'register'],
    ['remove', 'register'],
    ['revise', 'register'],
  ] as const)
    test(`--${option}: refused by name`, async (context) => {
      const workspace = openWorkspace(context);
      const ended = await workspace.run([command, `--${option}`, pipe(workspace, option)]);
      assert.equal(ended.code, 2, ended.stderr);
      assert.match(ended.stderr, new RegExp(`${option}: it is read more than once, and this is a pipe`));
      assert.deepEqual(entriesOf(workspace.dataDir), []);
    });
});

test('results come from a pipe, also in UTF-16', async (context) => {
  const workspace = openWorkspace(context);
  await workspace.server();
  const results = pipe(workspace, 'results.csv');
  const registering = workspace.run(['register', '--results', results]);
  writeFileSync(results, Buffer.from(`\ufeff${RESULTS}`, 'utf16le'));
  assert.match((await registering).stderr, /10 voters are registered/);
});

test('standard input of a killed command is removed and told at the next start; a draft of settings too', async (context) => {
  const workspace = openWorkspace(context);
  const roll = workspace.file('roll.csv', GOOD.roll);
  succeeded(await workspace.run(['register', '--election', workspace.file('council.json', ELECTION), '--roll', roll]));
  const spool = join(workspace.dataDir, 'spool');
  const killed = workspace.start(['vote', '--votes', '-'], { TALLYROOM_CRASH_AT: 'vote.before-commit' });
  killed.child.stdin!.end(`registration_number,location_id,mayor,board\n${numberOf('north', 1)},north,Ada,\n`);
  assert.equal((await killed.ended).signal, 'SIGKILL');
  assert.equal(entriesOf(spool).length, 1, 'who voted what is on the disk');
  // As a version before named it, of a process that cannot run, and of another machine.
  mkdirSync(spool, { recursive: true });
  writeFileSync(join(spool, 'standard-input-4194305-1'), '');
  writeFileSync(join(spool, 'standard-input-4194305-2@elsewhere.example'), '');
  const next = await workspace.run(['topics']);
  assert.match(next.stderr, /Removed .*standard-input.*killed while it cast it/);
  assert.match(next.stderr, /elsewhere\.example was casting/);
  assert.deepEqual(entriesOf(spool), ['standard-input-4194305-2@elsewhere.example']);

  assert.ok(!isServing(workspace.dataDir));
  writeFileSync(join(workspace.dataDir, 'postgres', 'cluster', 'conf-4194305-deadbeef'), '');
  succeeded(await workspace.run(['topics']));
  assert.deepEqual(
    entriesOf(join(workspace.dataDir, 'postgres', 'cluster')).filter((entry) => entry.startsWith('conf-')),
    [],
  );
});
