import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperationalError } from '../base/errors.ts';
import { COMMANDS, type CommandName, helpOf, OPTIONS, parseCommandLine } from './command-table.ts';
import { resolveConfig } from './config.ts';

const configOf = (line: string, environment: NodeJS.ProcessEnv = {}) =>
  resolveConfig(parseCommandLine(line.split(' ')), environment);

describe('command line', () => {
  for (const [line, verdict] of [
    ['run', 'taken'],
    ['run --voters 5 --turnout 1 --rate max --seed 0', 'taken'],
    ['run --results a.csv --electorate b.csv --scale 0.5', 'taken'],
    ['topics votes', 'taken'],
    ['walk', /no command "walk"/],
    ['run --speed 5', /--speed/],
    ['run --voters', /--voters/],
    ['run --voters 0', /--voters "0" must be a whole number from 1/],
    ['run --voters 1e5', /must be a whole number/],
    ['run --turnout 1.1', /must be a number from 0 to 1/],
    ['run --turnout x', /must be a number from 0 to 1/],
    ['run --rate 0', /must be max or a whole number/],
    ['run --rate fast', /must be max or a whole number/],
    ['run --port 65536', /from 0 to 65535/],
    ['run --scale 0', /above 0/],
    ['run --engine flink', /must be local/],
    ['run --results a.csv --voters 5', /takes no --voters/],
    ['run --results a.csv --api http://x', /takes no --api/],
    ['run --electorate b.csv', /--electorate without --results/],
    ['run --scale 0.5', /--scale without --results/],
    ['run --roll a.csv --api http://x', /both say who the voters are/],
    ['run --roll a.csv --voters 5', /says how many voters/],
    ['run --election a.json --candidates b.csv --roll c.csv', /both say who the candidates are/],
    ['run --candidates b.csv', /without voters/],
    ['verify --rate 5', /--rate/],
    ['vote --from polls', /--from "polls" must be topic: and the name of a topic/],
    ['vote --from topic:', /must be topic: and the name of a topic/],
    ['vote --from topic:polls --votes a.csv', /--from and --votes both say where the votes are/],
    ['vote --from topic:polls', /topic:polls is in Kafka, and KAFKA_BROKERS is not set/],
    ['topics votes voters', /takes one name/],
  ] as const)
    test(`${line}: ${verdict}`, () => {
      if (verdict === 'taken') assert.ok(configOf(line));
      else
        assert.throws(
          () => configOf(line),
          (error) =>
            error instanceof OperationalError &&
            error.code === 'USAGE' &&
            verdict.test(error.message) &&
            error.nextStep !== '',
        );
    });

  test('the environment gives way to the command line', () => {
    const environment = { TALLYROOM_PORT: '1', TALLYROOM_DATA_DIR: '/x', TALLYROOM_ONCE: '1', TALLYROOM_JSON: '0' };
    const config = configOf('run --port 2', environment);
    assert.deepEqual([config.port, config.dataDir, config.once, config.json], [2, '/x', true, false]);
  });

  test('a wrong value in the environment is refused like one on the command line', () => {
    assert.throws(() => configOf('run', { TALLYROOM_PORT: 'http' }), /--port "http"/);
  });

  test('a topic to take votes from is known by its name, where there is Kafka', () => {
    assert.equal(configOf('vote --from topic:polls.2026_a-b', { KAFKA_BROKERS: 'a:9092' }).from, 'polls.2026_a-b');
    assert.equal(configOf('vote').from, null);
  });

  test('an option that the command does not have is left alone in the environment', () => {
    assert.equal(configOf('verify', { TALLYROOM_RATE: '5' }).rate, null);
  });

  for (const name of Object.keys(COMMANDS) as CommandName[])
    test(`the help of ${name} explains each of its options`, () => {
      const help = helpOf(name);
      for (const option of COMMANDS[name].options)
        assert.ok(help.includes(`--${option}`) && help.includes(OPTIONS[option].help));
    });
});
