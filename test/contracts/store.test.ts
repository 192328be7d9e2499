import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { OperationalError } from '../../src/base/errors.ts';
import { originOf } from '../../src/domain/election/origin.ts';
import type { VoterPerson } from '../../src/domain/election/voter.ts';
import { VOTER_PERSON_FIELDS } from '../../src/domain/election/voter.ts';
import type { Backend } from '../../src/ports/backend.ts';
import type { ElectionEntry } from '../../src/ports/elections.ts';
import { count } from '../../src/stages/count.ts';
import { verify } from '../../src/stages/verify.ts';
import { arbitraryElectionWithBallots, tallyOf, toColumns } from '../support/elections.ts';
import { silent } from '../support/progress.ts';
import { testElection } from '../support/test-count.ts';
import { BACKENDS, castBatch, defineElection, registerVoters, type TestBackend } from './backends.ts';

const never = new AbortController().signal;
/** The number of participants, and of strangers among them. */
const participation = async ({ recount }: Backend, entry: ElectionEntry): Promise<object> => {
  const { participants, strangers } = await recount.turnout(entry, never);
  return { participants, strangers };
};
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
            const backend = await under.openAnother();
            const entry = await defineElection(backend, index.election);
            const expected = tallyOf(index, ballots);
            for (const partition of [0, 1]) {
              const mine = ballots.filter((_, i) => i % 2 === partition);
              const voters = await registerVoters(
                backend,
                entry,
                mine.map((ballot) => ballot.location),
                partition,
              );
              const claimed = await backend.ballotBox.claim(entry, partition, source(partition), never);
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
            const reconciliation = await verify(entry, log, backend, never);
            await log.close();
            assert.equal(reconciliation.passed, true, JSON.stringify(reconciliation, null, 1));
            assert.equal(reconciliation.votes, ballots.length);
            const { log_ends } = await backend.recount.moment(entry, never);
            const ends = [0, 1].map((each) => log_ends.find((row) => row.topic === 'votes' && row.partition === each)!);
            assert.deepEqual(await backend.recount.tally(entry, ends, never), { tally: expected, offBallot: 0 });
            await backend.close();
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
      const first = await backend.ballotBox.claim(entry, 0, { name: 'file:a', partition: 0 }, never);
      assert.deepEqual(await first.commit(castBatch(entry, first, votes(2), [ids[0]!, ids[1]!])), {
        votes: 2,
        rejected: 0,
      });
      const second = await backend.ballotBox.claim(entry, 1, { name: 'file:b', partition: 0 }, never);
      const again = await second.commit(castBatch(entry, second, votes(2), [ids[1]!, ids[2]!]));
      assert.deepEqual(again, { votes: 1, rejected: 1 });
      assert.deepEqual(Object.fromEntries(await backend.recount.rejections(entry)), { 'already-voted': 1 });
      assert.deepEqual(await participation(backend, entry), { participants: 3, strangers: 0 });
      const { rows } = await under.database.query(
        'SELECT source, source_offset FROM rejections WHERE election_no = $1',
        [entry.election_no],
      );
      assert.deepEqual(rows, [{ source: 'file:b', source_offset: '0' }]);
      await Promise.all([first.release(), second.release()]);
    });

    test('two processes cast the same voters at the same moment: each voter once, in any order', async () => {
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
        await backend.ballotBox.claim(entry, 'any', { name: 'file:a', partition: 0 }, never),
        await other.ballotBox.claim(entry, 'any', { name: 'file:b', partition: 0 }, never),
      ];
      assert.notEqual(claims[0]!.partition, claims[1]!.partition);
      const outcomes = await Promise.all(
        claims.map((claimed) => claimed.commit(castBatch(entry, claimed, votes, ids))),
      );
      assert.equal(outcomes[0]!.votes + outcomes[1]!.votes, 400);
      assert.equal(outcomes[0]!.rejected + outcomes[1]!.rejected, 400);
      assert.deepEqual(await participation(backend, entry), { participants: 400, strangers: 0 });
      for (const claimed of claims) await claimed.release();
      await other.close();
    });

    test('one process claims a partition; the next gets it when the first releases it, and goes on from there', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const { ids } = await registerVoters(backend, entry, [0, 1]);
      const first = await backend.ballotBox.claim(entry, 0, source(0), never);
      const other = await under.openAnother();
      let taken = false;
      const next = other.ballotBox.claim(entry, 0, source(0), never).then((claimed) => {
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
      const first = await backend.ballotBox.claim(entry, 0, source(0), never);
      const stop = new AbortController();
      const waiting = backend.ballotBox.claim(entry, 0, source(0), stop.signal);
      stop.abort();
      await assert.rejects(waiting, { name: 'AbortError' });
      await first.release();
    });

    test('a process whose partition was taken over is fenced: nothing of its batch stays', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const { ids } = await registerVoters(backend, entry, [0, 1]);
      const old = await backend.ballotBox.claim(entry, 0, source(0), never);
      // The lock is gone, as after a pause that the session did not survive, and another process
      // has moved the source.
      await under.database.query('UPDATE source_offsets SET next_offset = 1 WHERE election_no = $1', [
        entry.election_no,
      ]);
      const batch = castBatch(entry, old, toColumns([{ location: 0, selections: [0] }]), [ids[0]!]);
      await assert.rejects(old.commit(batch), code('FENCED'));
      assert.deepEqual(await participation(backend, entry), { participants: 0, strangers: 0 });
      await old.release();
    });

    test('processes that share a source see each other in one order, and learn when one joins, releases or leaves', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const other = await under.openAnother();
      const first = await backend.ballotBox.share(entry, 'topic:polls');
      assert.deepEqual(await first.look(), { members: 1, rank: 0 });
      const second = await other.ballotBox.share(entry, 'topic:polls');
      const alone = await other.ballotBox.share(entry, 'topic:others');
      assert.deepEqual(await alone.look(), { members: 1, rank: 0 });
      const standings = [await first.look(), await second.look()];
      assert.deepEqual(
        standings.map(({ members }) => members),
        [2, 2],
      );
      assert.deepEqual(standings.map(({ rank }) => rank).toSorted(), [0, 1]);
      const stop = new AbortController();
      const waiting = first.wait(stop.signal);
      stop.abort();
      await waiting;
      const told = first.wait(never);
      await second.tell();
      await told;
      await second.leave();
      while ((await first.look()).members > 1) await first.wait(never);
      await Promise.all([first.leave(), alone.leave()]);
      await other.close();
    });

    test('an intake: one process claims each partition of the source, and its position moves with its votes', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const { ids } = await registerVoters(backend, entry, [0, 1, 2, 0]);
      const other = await under.openAnother();
      const polls = { name: 'topic:polls', identity: 7 };
      const [mine, theirs] = [
        await backend.ballotBox.openIntake(entry, polls),
        await other.ballotBox.openIntake(entry, polls),
      ];
      assert.deepEqual(await theirs.positions(), new Map());
      const first = (await mine.tryClaim([0, 1, 2]))!;
      const second = (await theirs.tryClaim([0, 1, 2]))!;
      const third = (await theirs.tryClaim([2]))!;
      assert.deepEqual(
        [first, second, third].map(({ partition, next_offset }) => [partition, next_offset]),
        [
          [0, 0],
          [1, 0],
          [2, 0],
        ],
      );
      assert.equal(await mine.tryClaim([1, 2]), null);
      assert.equal(await theirs.tryClaim([0]), null);

      const votes = (...locations: number[]) =>
        toColumns(locations.map((location) => ({ location, selections: [location] })));
      assert.deepEqual(await first.commit(castBatch(entry, first, votes(0, 1), [ids[0]!, ids[1]!]), never), {
        votes: 2,
        rejected: 0,
      });
      assert.equal(first.next_offset, 2);
      // One of these voters has voted in the other partition of the source.
      assert.deepEqual(await second.commit(castBatch(entry, second, votes(1, 2), [ids[1]!, ids[2]!]), never), {
        votes: 1,
        rejected: 1,
      });
      const { rows } = await under.database.query(
        'SELECT source, partition, source_offset::int, reason FROM rejections WHERE election_no = $1',
        [entry.election_no],
      );
      assert.deepEqual(rows, [{ source: 'topic:polls', partition: 1, source_offset: 0, reason: 'already-voted' }]);
      // A batch without a vote only moves the source.
      const empty = { ...castBatch(entry, second, votes(), []), next_offset: 9 };
      assert.deepEqual(await second.commit(empty, never), { votes: 0, rejected: 0 });
      assert.deepEqual(
        await mine.positions(),
        new Map([
          [0, 2],
          [1, 9],
          [2, 0],
        ]),
      );

      await first.release();
      const again = (await theirs.tryClaim([0]))!;
      assert.deepEqual([again.partition, again.next_offset], [0, 2]);
      await theirs.close();
      const last = (await mine.tryClaim([2, 1, 0]))!;
      assert.deepEqual([last.partition, last.next_offset], [2, 0]);
      // As after a pause that the session did not survive: another process has moved the source.
      await under.database.query(
        "UPDATE source_offsets SET next_offset = 1 WHERE election_no = $1 AND source = 'topic:polls' AND partition = 2",
        [entry.election_no],
      );
      await assert.rejects(last.commit(castBatch(entry, last, votes(0), [ids[3]!]), never), code('FENCED'));
      await mine.close();
      assert.deepEqual(await participation(backend, entry), { participants: 3, strangers: 0 });
      await count({ backend, entry, progress: silent(), signal: never }, 'local', true);
      const log = await backend.openLog(entry);
      const reconciliation = await verify(entry, log, backend, never);
      await log.close();
      assert.equal(reconciliation.passed, true, JSON.stringify(reconciliation, null, 1));
      assert.equal(reconciliation.votes, 3);
      await other.close();
    });

    test('an intake claims no partition of the log between batches, and a free one for each batch', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const { ids } = await registerVoters(backend, entry, [0, 1, 2]);
      const other = await under.openAnother();
      const intake = await backend.ballotBox.openIntake(entry, { name: 'topic:polls', identity: 7 });
      const taken = (await intake.tryClaim([5]))!;
      const batchOf = (voter: number) =>
        castBatch(entry, taken, toColumns([{ location: voter, selections: [voter] }]), [ids[voter]!]);
      assert.deepEqual(await taken.commit(batchOf(0), never), { votes: 1, rejected: 0 });
      assert.deepEqual(await backend.elections.entriesInLog(entry), [1, 0]);
      const claims = [
        (await other.ballotBox.tryClaim(entry, [0], 'voters'))!,
        (await other.ballotBox.tryClaim(entry, [1], 'voters'))!,
      ];
      assert.deepEqual(
        claims.map(({ partition, head }) => [partition, head.next_seq]),
        [
          [0, 1],
          [1, 0],
        ],
      );
      const stop = new AbortController();
      const stopped = taken.commit(batchOf(1), stop.signal);
      stop.abort();
      await assert.rejects(stopped, { name: 'AbortError' });
      assert.deepEqual(await intake.positions(), new Map([[5, 1]]));
      const waiting = taken.commit(batchOf(1), never);
      await claims[1]!.release();
      assert.deepEqual(await waiting, { votes: 1, rejected: 0 });
      assert.deepEqual(await backend.elections.entriesInLog(entry), [1, 1]);
      // The process that had it need not know: the end of its partition has not moved.
      const held = claims[0]!;
      const batch = castBatch(entry, held, toColumns([{ location: 2, selections: [2] }]), [ids[2]!]);
      assert.deepEqual(await held.commit(batch), { votes: 1, rejected: 0 });
      assert.deepEqual(await backend.elections.entriesInLog(entry), [2, 1]);
      await held.release();
      await intake.close();
      await other.close();
    });

    test('a source that was made again under its name is refused, once votes were taken from the old one', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      const { ids } = await registerVoters(backend, entry, [0]);
      const open = (identity: number, source = 'topic:polls') =>
        backend.ballotBox.openIntake(entry, { name: source, identity });
      await (await open(1)).close();
      const intake = await open(2);
      const taken = (await intake.tryClaim([3]))!;
      await (await open(2)).close();
      await taken.commit(castBatch(entry, taken, toColumns([{ location: 0, selections: [0] }]), [ids[0]!]), never);
      await intake.close();
      await assert.rejects(open(1), code('INPUT_REFUSED'));
      await assert.rejects(open(3), code('INPUT_REFUSED'));
      await (await open(3, 'topic:others')).close();
      const same = await open(2);
      assert.deepEqual(await same.positions(), new Map([[3, 1]]));
      await same.close();
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

    test('processes that start at the same time on a new database make its tables once', async () => {
      await under.database.query('CREATE SCHEMA racing');
      await under.database.query('ALTER DATABASE tallyroom SET search_path = racing');
      const opened = await Promise.all([under.openAnother(), under.openAnother(), under.openAnother()]);
      const { rows } = await under.database.query('SELECT count(*)::int AS n FROM racing.migrations');
      assert.ok(rows[0].n > 0);
      for (const each of opened) await each.close();
      await under.database.query('ALTER DATABASE tallyroom RESET search_path');
      await under.database.query('DROP SCHEMA racing CASCADE');
    });

    test('the same election is defined once, and not differently', async () => {
      const { backend } = under;
      const entry = await defineElection(backend, testElection());
      assert.equal((await backend.elections.define(entry, entry.definition!)).definition_hash, entry.definition_hash);
      const other = { ...entry.definition!, name: 'Another name' };
      await assert.rejects(backend.elections.define(entry, other), code('ELECTION_DIFFERS'));
    });

    test('people who are staged twice are recognised by position, and those before them stay', async () => {
      const { backend } = under;
      const entry = await backend.elections.create({
        id: `staged-${process.pid}` as never,
        name: 'S',
        arguments: originOf({ kind: 'generated' }),
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
