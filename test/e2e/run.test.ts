/** The main job from the command line: its output, a second start, and its refusals. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMMANDS, type CommandName } from '../../src/cli/command-table.ts';
import type { Results } from '../../src/domain/results/results.ts';
import { addressOf, numbersOf, resultsWhere } from '../support/results.ts';
import { type Ended, tallyroom } from '../support/tallyroom.ts';
import { isServing, openWorkspace, succeeded } from '../support/workspace.ts';

const ONCE = ['--rate', 'max', '--port', '0', '--once', '--json'];
const MAKING = ['--voters', '3000', '--seed', '21'];

/** Every field of the document, by path. One contest and one candidate stand for all. */
const FIELDS = {
  '': ['election', 'as_of', 'sequence', 'sequence_of', 'is_counted', 'held', 'totals', 'contests', 'locations'],
  election: ['id', 'name', 'date', 'status', 'is_test', 'source', 'ballots_simulated'],
  totals: ['registered_voters', 'ballots_cast', 'turnout', 'candidates', 'locations', 'locations_reporting'],
  contest: ['id', 'name', 'votes_counted', 'undervotes', 'seats', 'units', 'candidates'],
  candidate: ['id', 'name', 'party', 'votes', 'share', 'leading', 'elected'],
  location: ['id', 'name', 'parent_id', 'type', 'registered_voters', 'ballots_cast', 'turnout', 'votes', 'units'],
};

describe('run', { concurrency: 2 }, () => {
  test('prints one line, the same numbers for the same seed, and leaves no server', async (context) => {
    const documents: Results[] = [];
    for (const workspace of [openWorkspace(context), openWorkspace(context)]) {
      const ended = await workspace.run(['run', ...MAKING, ...ONCE]);
      const lines = succeeded(ended).split('\n');
      assert.deepEqual([lines.length, lines[1]], [2, '']);
      assert.match(ended.stderr, /Election generated \(seed 21\)\. Results: http:\/\/127\.0\.0\.1:\d+\/\n/);
      assert.match(ended.stderr, /2,100 ballots cast of 3,000 registered voters/);
      documents.push(JSON.parse(lines[0]!));
      const home = /bundled PostgreSQL, in (.*)/.exec(succeeded(await workspace.run(['doctor'])))![1]!;
      assert.equal(home, join(workspace.dataDir, 'postgres'));
      assert.ok(existsSync(join(home, 'cluster')) && !isServing(workspace.dataDir));
    }
    assert.deepEqual(numbersOf(documents[0]!), numbersOf(documents[1]!));
    const [{ contests, locations, ...document }] = documents as [Results];
    assert.deepEqual(Object.keys(documents[0]!), FIELDS['']);
    assert.deepEqual(Object.keys(document.election), FIELDS.election);
    assert.deepEqual(Object.keys(document.totals), FIELDS.totals);
    assert.deepEqual([document.totals.candidates, contests[0]!.candidates.length, contests.length], [3, 3, 1]);
    for (const contest of contests) assert.deepEqual(Object.keys(contest), FIELDS.contest);
    for (const candidate of contests[0]!.candidates) assert.deepEqual(Object.keys(candidate), FIELDS.candidate);
    for (const location of locations) {
      assert.deepEqual(Object.keys(location), FIELDS.location);
      assert.deepEqual(Object.keys(location.votes), [contests[0]!.id]);
    }
  });

  test('another seed gives other numbers, and a seed that was drawn repeats them', async (context) => {
    const drawn = openWorkspace(context);
    const ended = await drawn.run(['run', '--voters', '3000', ...ONCE]);
    const seed = /\(seed (\d+)\)/.exec(ended.stderr)![1]!;
    const again = openWorkspace(context);
    const repeated = await again.run(['run', '--voters', '3000', '--seed', seed, ...ONCE]);
    assert.deepEqual(numbersOf(succeeded(repeated)), numbersOf(succeeded(ended)));
    const other = await again.run(['run', '--fresh', '--voters', '3000', '--seed', String(Number(seed) + 1), ...ONCE]);
    assert.notDeepEqual(numbersOf(succeeded(other)), numbersOf(succeeded(ended)));
  });

  test('shows a finished election again, refuses another one in its place, makes another one beside it', async (context) => {
    const workspace = openWorkspace(context);
    await workspace.server();
    const first = JSON.parse(succeeded(await workspace.run(['run', ...MAKING, ...ONCE])));
    for (const making of [MAKING, [], ['--voters', '3000'], ['--seed', '21', '--voters', '3000']])
      assert.deepEqual(JSON.parse(succeeded(await workspace.run(['run', ...making, ...ONCE]))), first);
    for (const [making, what] of [
      [['--voters', '2000'], 'voters'],
      [['--voters', '3000', '--turnout', '0.5'], 'turnout'],
      [['--voters', '3000', '--seed', '22'], 'seed'],
    ] as const) {
      const refused = await workspace.run(['run', ...making, ...ONCE]);
      assert.equal(refused.code, 2);
      assert.equal(refused.stdout, '');
      assert.match(refused.stderr, new RegExp(`made differently \\(${what}\\)\\nNext: .*--fresh`));
    }
    const beside = JSON.parse(succeeded(await workspace.run(['run', '--fresh', '--voters', '100', ...ONCE])));
    assert.deepEqual([beside.election.id, beside.totals.registered_voters], ['generated-2', 100]);
    assert.deepEqual(JSON.parse(succeeded(await workspace.run(['run', ...ONCE]))), beside);
    assert.deepEqual(JSON.parse(succeeded(await workspace.run(['run', '--id', 'generated', ...ONCE]))), first);
    for (const id of ['generated', 'generated-2']) succeeded(await workspace.run(['verify', '--id', id]));
  });

  test('Ctrl-C in the middle, twice; then the same numbers', async (context) => {
    const expected = await openWorkspace(context).run(['run', ...MAKING, ...ONCE]);
    const workspace = openWorkspace(context);
    let seen = 0;
    for (const args of [MAKING, []]) {
      const command = workspace.start(['run', ...args, '--rate', '100', '--port', '0']);
      const results = await resultsWhere(await addressOf(command), ({ totals }) => totals.ballots_cast! > seen);
      seen = results.totals.ballots_cast!;
      assert.equal(results.election.status, 'unofficial-partial');
      command.child.kill('SIGINT');
      const { code, stderr } = await command.ended;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /Stopping; everything committed stays/);
      assert.ok(!isServing(workspace.dataDir));
    }
    const ended = await workspace.run(['run', ...ONCE]);
    assert.deepEqual(numbersOf(succeeded(ended)), numbersOf(succeeded(expected)));
    succeeded(await workspace.run(['verify']));
  });

  test('Ctrl-C before the end of --once is not a success', async (context) => {
    const command = openWorkspace(context).start([
      'run',
      ...MAKING,
      '--rate',
      '100',
      '--port',
      '0',
      '--once',
      '--json',
    ]);
    await resultsWhere(await addressOf(command), ({ totals }) => totals.ballots_cast! > 0);
    command.child.kill('SIGINT');
    const { code, stdout } = await command.ended;
    assert.deepEqual([code, stdout], [130, '']);
  });

  test('a port in use', async (context) => {
    const workspace = openWorkspace(context);
    await workspace.server();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    context.after(() => other.close());
    const address = other.address();
    assert.ok(address !== null && typeof address === 'object');
    const args = ['--voters', '100', '--rate', 'max', '--once', '--json'];
    const refused = await workspace.run(['run', ...args, '--port', String(address.port)]);
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, new RegExp(`Error: Port ${address.port} is in use.*\\nNext: .*--port 0`));
    succeeded(await workspace.run(['run', ...args, '--port', '0']));
  });
});

describe('usage', { concurrency: 2 }, () => {
  for (const [args, says] of [
    [['vot'], /no command "vot"; there are run, register, vote,/],
    [['run', '--votters', '5'], /Unknown option '--votters'/],
    [['count', '--rate', '5'], /Unknown option '--rate'/],
    [['run', 'more'], /Unexpected argument 'more'/],
    [['topics', 'votes', 'voters'], /topics takes one name/],
    [['topics', 'vote'], /no topic "vote"\nNext: .*votes-per-candidate/],
    [['run', '--voters'], /--voters/],
    [['run', '--voters', ''], /--voters "" is empty/],
    [['run', '--voters', '0'], /--voters "0" must be a whole number from 1/],
    [['run', '--voters', '1.5'], /--voters "1\.5" must be a whole number/],
    [['run', '--turnout', '2'], /--turnout "2" must be a number from 0 to 1/],
    [['run', '--rate', 'fast'], /--rate "fast" must be/],
    [['run', '--seed', 'x'], /--seed "x" must be/],
    [['run', '--scale', '1.5', '--results', 'f'], /--scale "1\.5" must be above 0/],
    [['run', '--port', '70000'], /--port "70000" must be/],
    [['run', '--engine', 'flink'], /--engine "flink" must be/],
    [['run', '--engine', 'spark'], /--engine spark .*KAFKA_BROKERS and SPARK_REMOTE are not set\nNext: .*stack -- env/],
    [['count', '--engine', 'spark'], /--engine spark .*KAFKA_BROKERS and SPARK_REMOTE are not set/],
    [['vote', '--from', 'votes'], /--from "votes" must be topic: and the name of a topic/],
    [['vote', '--from', 'topic:a b'], /--from "topic:a b" must be topic:/],
    [['vote', '--from', 'topic:a', '--votes', 'f'], /--from and --votes both/],
    [['vote', '--from', 'topic:a'], /--from topic:a is in Kafka, and KAFKA_BROKERS is not set/],
    [['run', '--id', 'Bad Id'], /--id/],
    [['register', '--api', 'nowhere'], /--api is not an http or https address/],
    [['run', '--scale', '0.1'], /--scale without --results/],
    [['run', '--results', 'f', '--voters', '5'], /--results .* takes no --voters/],
    [['register', '--roll', 'f', '--api', 'http://127.0.0.1'], /--api and --roll both/],
    [['register', '--roll', 'f', '--voters', '5'], /Leave --voters out/],
  ] as const)
    test(`refused before anything is made: ${args.join(' ')}`, async (context) => {
      const workspace = openWorkspace(context);
      const { code, stdout, stderr } = await workspace.run(args);
      assert.deepEqual([code, stdout], [2, ''], stderr);
      assert.match(stderr, says);
      assert.match(stderr, /^Error: [^\n]+\nNext: {2}[^\n]+\n$/);
      assert.deepEqual(readdirSync(workspace.dataDir), []);
    });

  test('--help of every command lists its options', async () => {
    for (const name of Object.keys(COMMANDS) as CommandName[]) {
      const help = succeeded(await tallyroom([name, '--help']));
      for (const option of COMMANDS[name].options) assert.ok(help.includes(`\n  --${option}`), `${name} --${option}`);
      assert.ok(help.includes(COMMANDS[name].examples[0]!));
    }
    const all = succeeded(await tallyroom(['--help']));
    for (const [name, { summary }] of Object.entries(COMMANDS)) assert.ok(all.includes(`${name.padEnd(11)}${summary}`));
  });

  test('doctor reports a broker that does not answer, before there is an election', async (context) => {
    const workspace = openWorkspace(context);
    const { code, stdout, stderr } = await workspace.run(['doctor'], { KAFKA_BROKERS: '127.0.0.1:1' });
    assert.equal(code, 3, stdout);
    assert.match(stderr, /Error: Kafka at \S+ does not answer: .*\nNext: .*KAFKA_BROKERS/);
  });

  test('a data directory that is a file', async (context) => {
    const workspace = openWorkspace(context);
    const path = workspace.file('file', 'mine');
    const { code, stderr } = await tallyroom(['run', ...ONCE, '--data-dir', path]);
    assert.equal(code, 1);
    assert.ok(stderr.includes(path));
    assert.match(stderr, /Error: .*\nNext: /);
    assert.doesNotMatch(stderr, /defect|\bat .*\.ts:/);
    assert.equal(readFileSync(path, 'utf8'), 'mine');
  });

  test('no election yet', async (context) => {
    const workspace = openWorkspace(context);
    await workspace.server();
    for (const command of ['vote', 'count', 'dashboard', 'verify', 'topics']) {
      const { code, stderr } = await workspace.run([command]);
      assert.deepEqual([command, code], [command, 2]);
      assert.match(stderr, /there is no election here yet\nNext: /);
    }
    succeeded(await workspace.run(['register', '--voters', '10']));
    const { code, stderr } = await workspace.run(['vote', '--id', 'other']);
    assert.equal(code, 2);
    assert.match(stderr, /there is no election other here\nNext: /);
  });

  test('an address where no database answers', async (context) => {
    const DATABASE_URL = 'postgresql://somebody:hush-hush@127.0.0.1:1/tallyroom';
    const { code, stderr } = await openWorkspace(context).run(['verify'], { DATABASE_URL });
    assert.equal(code, 3);
    assert.match(stderr, /Error: .*\nNext: /);
    assert.doesNotMatch(stderr, /hush-hush/);
  });
});

describe('tallyroom.json < environment < command line', () => {
  const cleanUp: (() => Promise<void>)[] = [];
  const workspace = openWorkspace({ after: (work) => cleanUp.push(work) });
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const directory = dirname(workspace.dataDir);
  before(() => workspace.server());
  after(async () => {
    for (const work of cleanUp) await work();
  });

  /**
   * Runs in the directory of the configuration file. No data directory is named, so that of the
   * file is used.
   */
  const runThere = (args: readonly string[], environment: NodeJS.ProcessEnv): Promise<Ended> =>
    new Promise((resolve) => {
      const env = { ...process.env, ...environment };
      const child = execFile(process.execPath, [main, ...args], { cwd: directory, env }, (_, stdout, stderr) =>
        resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr }),
      );
    });

  for (const [environment, args, voters] of [
    [{}, [], 40],
    [{ TALLYROOM_VOTERS: '50' }, [], 50],
    [{ TALLYROOM_VOTERS: '50' }, ['--voters', '60'], 60],
    [{ TALLYROOM_DATA_DIR: 'elsewhere' }, ['--voters', '60', '--data-dir', 'data'], 60],
  ] as const)
    test(`${JSON.stringify(environment)} ${args.join(' ')}: ${voters}`, async () => {
      const options = { voters: 40, port: 0, rate: 'max', once: true, json: true, fresh: true, 'data-dir': 'data' };
      workspace.file('tallyroom.json', JSON.stringify(options));
      const ended = await runThere(['run', ...args], environment);
      assert.equal(JSON.parse(succeeded(ended)).totals.registered_voters, voters);
      assert.ok(!existsSync(join(directory, 'elsewhere')));
    });

  for (const [content, says] of [
    ['{"voters": 40', /tallyroom\.json cannot be read/],
    ['[]', /tallyroom\.json is not a JSON object/],
    ['{"votters": 40}', /tallyroom\.json has "votters", which is not an option/],
    ['{"voters": "many"}', /--voters "many" must be/],
    ['{"voters": true}', /"voters" must be text or a number/],
    ['{"voters": [1]}', /"voters" must be text or a number/],
    ['{"once": "yes"}', /"once" must be true or false/],
  ] as const)
    test(`refused: ${content}`, async () => {
      const empty = join(directory, 'empty');
      mkdirSync(empty, { recursive: true });
      workspace.file('tallyroom.json', content);
      const { code, stdout, stderr } = await runThere(['run', '--data-dir', empty], {});
      assert.deepEqual([code, stdout], [2, ''], stderr);
      assert.match(stderr, says);
      assert.deepEqual(readdirSync(empty), []);
    });
});
