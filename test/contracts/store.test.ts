import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { countVote, createTally } from '../../src/domain/tally.ts';
import type { VoterPerson } from '../../src/domain/voter.ts';
import { VOTER_PERSON_FIELDS } from '../../src/domain/voter.ts';
import { OperationalError } from '../../src/errors.ts';
import { count } from '../../src/stages/count.ts';
import { verify } from '../../src/stages/verify.ts';
import { arbitraryElectionWithBallots, toColumns } from '../support/elections.ts';
import { silent } from '../support/progress.ts';
import { testElection } from '../support/test-count.ts';
import { BACKENDS, castBatch, defineElection, registerVoters, type TestBackend } from './backends.ts';

const never = new AbortController().signal;
const code = (expected: string) => (error: unknown) => error instanceof OperationalError && error.code === expected;

for (const { name, open } of BACKENDS)
  describe(`store contract: ${name}`, { concurrency: 1 }, () => {
    let under: TestBackend;
    before(async () => {
      under = await open();
    });
    after(() => under.close());

    const source = (partition: number) => ({ name: 'voters', partition });

    test('random elections: fold = counter = SQL recount, whatever the batches', async () => {
      await fc.assert(
        fc.asyncProperty(
          arbitraryElectionWithBallots,
          fc.integer({ min: 1, max: 25 }),
          async ({ index, ballots }, size) => {
            const { backend } = under;
            const entry = await defineElection(backend, index.election);
            const expected = createTally(index);
            const all = toColumns(ballots);
            for (let i = 0; i < ballots.length; i++) countVote(index, expected, all, i);
            for (const partition of [0, 1]) {
              const mine = ballots.filter((_, i) => i % 2 === partition);
              const voters = await registerVoters(
                backend,
                entry,
                mine.map((ballot) => ballot.location),
                partition,
              );
              const claimed = await backend.ballot_box.claim(entry, partition, source(partition), never);
              for (let from = 0; from < mine.length; from += size) {
                const batch = mine.slice(from, from + size);
                const ids = Array.from(voters.ids.subarray(from, from + batch.length));
                const committed = await claimed.commit(castBatch(entry, claimed, toColumns(batch), ids));
                assert.deepEqual(committed, { votes: batch.length, rejected: 0 });
              }
              await claimed.release();
            }
            await count({ backend, entry, progress: silent(), signal: never }, 'local', true);
            const log = await backend.openLog(entry);
            const reconciliation = await verify(entry, log, backend.recount, never);
            await log.close();
            assert.equal(reconciliation.passed, true, JSON.stringify(reconciliation, null, 1));
            assert.equal(reconciliation.votes, ballots.length);
            assert.deepEqual(await backend.recount.tally(entry), { tally: expected, astray: 0 });
          },
        ),
        { numRuns: 20 },
      );
    });

    test('a voter who votes twice: one vote, one rejection with its reason, the others stay', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const { ids } = await registerVoters(backend, entry, [0, 1, 2]);
      const votes = (n: number) => toColumns(Array.from({ length: n }, (_, i) => ({ location: i, selections: [i] })));
      const first = await backend.ballot_box.claim(entry, 0, { name: 'file:a', partition: 0 }, never);
      assert.deepEqual(await first.commit(castBatch(entry, first, votes(2), [ids[0]!, ids[1]!])), {
        votes: 2,
        rejected: 0,
      });
      const second = await backend.ballot_box.claim(entry, 1, { name: 'file:b', partition: 0 }, never);
      const again = await second.commit(castBatch(entry, second, votes(2), [ids[1]!, ids[2]!]));
      assert.deepEqual(again, { votes: 1, rejected: 1 });
      assert.deepEqual(Object.fromEntries(await backend.recount.rejections(entry)), { 'already-voted': 1 });
      assert.deepEqual(await backend.recount.participation(entry), { voters: 3, strangers: 0 });
      const { rows } = await under.database.query(
        'SELECT source, source_offset FROM rejections WHERE election_no = $1',
        [entry.election_no],
      );
      assert.deepEqual(rows, [{ source: 'file:b', source_offset: '0' }]);
      await Promise.all([first.release(), second.release()]);
    });

    test('two that cast the same voters at the same moment: each voter once, whoever is first', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const voters = await registerVoters(
        backend,
        entry,
        Array.from({ length: 400 }, (_, i) => i % 3),
      );
      const ids = Array.from(voters.ids);
      const votes = toColumns(ids.map((_, i) => ({ location: i % 3, selections: [i % 3] })));
      const other = await under.openAnother();
      const claims = [
        await backend.ballot_box.claim(entry, 'any', { name: 'file:a', partition: 0 }, never),
        await other.ballot_box.claim(entry, 'any', { name: 'file:b', partition: 0 }, never),
      ];
      assert.notEqual(claims[0]!.partition, claims[1]!.partition);
      const outcomes = await Promise.all(
        claims.map((claimed) => claimed.commit(castBatch(entry, claimed, votes, ids))),
      );
      assert.equal(outcomes[0]!.votes + outcomes[1]!.votes, 400);
      assert.equal(outcomes[0]!.rejected + outcomes[1]!.rejected, 400);
      assert.deepEqual(await backend.recount.participation(entry), { voters: 400, strangers: 0 });
      for (const claimed of claims) await claimed.release();
      await other.close();
    });

    test('a partition has one holder; the next gets it when the first lets go, and goes on from there', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const { ids } = await registerVoters(backend, entry, [0, 1]);
      const first = await backend.ballot_box.claim(entry, 0, source(0), never);
      const other = await under.openAnother();
      let taken = false;
      const next = other.ballot_box.claim(entry, 0, source(0), never).then((claimed) => {
        taken = true;
        return claimed;
      });
      await first.commit(castBatch(entry, first, toColumns([{ location: 0, selections: [0] }]), [ids[0]!]));
      assert.equal(taken, false);
      await first.release();
      const second = await next;
      assert.equal(second.next_offset, 1);
      assert.deepEqual(second.head, first.head);
      await second.release();
      await other.close();
    });

    test('waiting for a partition ends when the signal aborts', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const first = await backend.ballot_box.claim(entry, 0, source(0), never);
      const stop = new AbortController();
      const waiting = backend.ballot_box.claim(entry, 0, source(0), stop.signal);
      stop.abort();
      await assert.rejects(waiting, { name: 'AbortError' });
      await first.release();
    });

    test('a holder whose partition was taken over is fenced: nothing of its batch stays', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const { ids } = await registerVoters(backend, entry, [0, 1]);
      const old = await backend.ballot_box.claim(entry, 0, source(0), never);
      // The lock is gone, as after a pause that the server did not survive, and somebody else has moved the source.
      await under.database.query('UPDATE source_offsets SET next_offset = 1 WHERE election_no = $1', [
        entry.election_no,
      ]);
      const batch = castBatch(entry, old, toColumns([{ location: 0, selections: [0] }]), [ids[0]!]);
      await assert.rejects(old.commit(batch), code('FENCED'));
      assert.deepEqual(await backend.recount.participation(entry), { voters: 0, strangers: 0 });
      await old.release();
    });

    test('a store that lost its unique index is refused before the first vote', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      await backend.assertSafe(entry);
      await under.database.query(
        `ALTER TABLE participation_${entry.election_no} DROP CONSTRAINT participation_${entry.election_no}_pkey`,
      );
      await assert.rejects(backend.assertSafe(entry), code('DATABASE_UNSAFE'));
    });

    test('a server that does not wait for the disk is refused', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      await under.database.query("ALTER DATABASE tallyroom SET synchronous_commit = 'off'");
      const other = await under.openAnother();
      await assert.rejects(other.assertSafe(entry), code('DATABASE_UNSAFE'));
      await other.close();
      await under.database.query('ALTER DATABASE tallyroom RESET synchronous_commit');
    });

    test('processes that start at once on a new database make its tables once', async () => {
      await under.database.query('CREATE SCHEMA racing');
      await under.database.query('ALTER DATABASE tallyroom SET search_path = racing');
      const opened = await Promise.all([under.openAnother(), under.openAnother(), under.openAnother()]);
      const { rows } = await under.database.query('SELECT count(*)::int AS n FROM racing.migrations');
      assert.ok(rows[0].n > 0);
      for (const each of opened) await each.close();
      await under.database.query('ALTER DATABASE tallyroom RESET search_path');
    });

    test('the same election is defined once, and not differently', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      assert.equal((await backend.elections.define(entry, entry.definition!)).definition_hash, entry.definition_hash);
      const other = { ...entry.definition!, name: 'Another name' };
      await assert.rejects(backend.elections.define(entry, other), code('ELECTION_DIFFERS'));
    });

    test('people staged twice are told apart by position, and those before them stay', async () => {
      const { backend } = under;
      const entry = await backend.elections.create({
        id: `staged-${process.pid}` as never,
        name: 'S',
        arguments: {},
        seed: '1',
        partitions: 2,
      });
      const person = (registration_number: string): VoterPerson => ({
        ...(Object.fromEntries(VOTER_PERSON_FIELDS.map((field) => [field, null])) as unknown as VoterPerson),
        registration_number,
      });
      const roll = await backend.openRoll(entry);
      const from = await roll.position('stage');
      const batch = {
        source: 'stage',
        from,
        to: 3,
        people: ['A', 'B', 'A'].map(person),
        locations: [0, 1, 0],
        new_locations: ['North', 'South'],
      };
      assert.deepEqual(await roll.stage(batch), [2]);
      assert.deepEqual(
        await roll.stage({
          source: 'stage',
          from: 3,
          to: 5,
          people: ['B', 'C'].map(person),
          locations: [1, 1],
          new_locations: [],
        }),
        [0],
      );
      assert.deepEqual(await roll.stagedLocations(), [
        { name: 'North', voters: 1 },
        { name: 'South', voters: 2 },
      ]);
      await roll.close();
    });
  });
