/** Rows of official results that are not candidates, places or contests, or that may be. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { inputFile } from '../../../test/support/input-files.ts';
import { STATED_BALLOTS } from '../../domain/ballots/replay.ts';
import { NO_READINGS, type ResultsOptions, readResults } from './results.ts';

const HEADER = 'contest,location_id,candidate,party,votes\n';

async function read(t: TestContext, rows: readonly string[], options: ResultsOptions = {}, header = HEADER) {
  const { election, votes, notices } = await readResults(inputFile(t, `${header}${rows.join('\n')}\n`), options);
  const totals = new Map<string, number>();
  const ballots: Record<string, number> = {};
  for (const { location, candidate, votes: count } of votes) {
    if (candidate === STATED_BALLOTS) ballots[election.locations[location]!.id] = count;
    else {
      const { contest_id, id } = election.candidates[candidate]!;
      totals.set(`${contest_id}: ${id}`, (totals.get(`${contest_id}: ${id}`) ?? 0) + count);
    }
  }
  return { election, notices, ballots, totals: Object.fromEntries(totals) };
}

/** Rows of one contest: by place, each candidate with its votes. */
const rowsOf = (places: Record<string, Record<string, number>>, contest = 'Mayor'): string[] =>
  Object.entries(places).flatMap(([place, votes]) =>
    Object.entries(votes).map(
      ([name, count]) => `${contest},${place},${name.includes(',') ? name : `${name},`},${count}`,
    ),
  );

describe('rows that look like totals are refused, and both readings are offered', () => {
  for (const [what, rows, refused] of [
    [
      'a candidate called Total',
      rowsOf({ n: { 'Ada,A': 3, 'Bob,B': 4, Total: 7 } }),
      /"Total" in contest "Mayor" .*--leave-out "Total" .*--keep-row "Total"/,
    ],
    ['in German', rowsOf({ n: { 'Ada,A': 3, 'Bob,B': 4, Gesamt: 7 } }), /"Gesamt"/],
    [
      'a candidate that equals the others in three places, whatever its name',
      rowsOf({ a: { Ada: 3, Bob: 4, Zed: 7 }, b: { Ada: 1, Bob: 2, Zed: 3 }, c: { Ada: 9, Bob: 2, Zed: 11 } }),
      /"Zed" in contest "Mayor" equals the sum of the others/,
    ],
    [
      'a sum that includes the rows of the books',
      rowsOf({
        a: { 'Ada,A': 3, 'Bob,B': 4, 'Under votes': 1, 'Zed,': 8 },
        b: { 'Ada,A': 1, 'Bob,B': 2, 'Under votes': 1, 'Zed,': 4 },
        c: { 'Ada,A': 9, 'Bob,B': 2, 'Under votes': 1, 'Zed,': 12 },
      }).map((row) => row.replace(',,,', ',,')),
      /"Zed"/,
    ],
    [
      'a place that equals the others',
      rowsOf({ a: { Ada: 3, Bob: 4 }, b: { Ada: 1, Bob: 2 }, all: { Ada: 4, Bob: 6 } }),
      /location_id: "all" in the file equals the sum/,
    ],
    [
      'a place called TOTAL',
      rowsOf({ a: { Ada: 3 }, TOTAL: { Ada: 3 } }),
      /"TOTAL" in the file is called like a total/,
    ],
  ] as [string, string[], RegExp][])
    test(what, async (t) => assert.rejects(read(t, rows), refused));

  for (const [what, rows] of [
    [
      'a place that is the sum of its own parent',
      ['c,a,P,Ada,3', 'c,b,P,Ada,4', 'c,all,P,Ada,7', 'c,z,Q,Ada,9', 'c,y,Q,Ada,2'],
    ],
    ['a place that is a level above', ['c,a,P,Ada,3', 'c,b,P,Ada,4', 'c,P,,Ada,7', 'c,z,Q,Ada,9']],
  ] as const)
    test(what, async (t) =>
      assert.rejects(
        read(t, rows, {}, 'contest,location_id,parent_id,candidate,votes\n'),
        /location_id: "(all|P)" in the file equals the sum of the others/,
      ),
    );

  test('left out: the votes of the others', async (t) => {
    const rows = rowsOf({ a: { Ada: 3, Total: 3 }, TOTAL: { Ada: 3, Total: 3 } });
    const { totals, notices } = await read(t, rows, { readings: { ...NO_READINGS, leave_out: ['total'] } });
    assert.deepEqual(totals, { 'Mayor: Ada': 3 });
    assert.match(notices.join('\n'), /left out, as --leave-out says/);
  });

  test('kept: a candidate like any other', async (t) => {
    const rows = rowsOf({ a: { Ada: 3, Total: 3 } });
    const { totals } = await read(t, rows, { readings: { ...NO_READINGS, keep: ['Total'] } });
    assert.deepEqual(totals, { 'Mayor: Ada': 3, 'Mayor: Total': 3 });
  });

  test('a name that no row has is a slip', async (t) => {
    const readings = { ...NO_READINGS, leave_out: ['Totl'] };
    await assert.rejects(read(t, rowsOf({ a: { Ada: 3 } }), { readings }), /--leave-out "Totl" names no row/);
  });
});

describe('rows that only look like it are accepted', () => {
  for (const [what, rows] of [
    [
      'a zero report',
      rowsOf({ a: { Ada: 0, Bob: 0, Cy: 0 }, b: { Ada: 0, Bob: 0, Cy: 0 }, c: { Ada: 0, Bob: 0, Cy: 0 } }),
    ],
    ['a tie of two', rowsOf({ a: { Ada: 5, Bob: 5 }, b: { Ada: 2, Bob: 2 }, c: { Ada: 1, Bob: 1 } })],
    ['two places with the same votes', rowsOf({ a: { Ada: 5, Bob: 3 }, b: { Ada: 5, Bob: 3 } })],
    [
      'a sum by chance in two places',
      rowsOf({ a: { Ada: 3, Bob: 1, Cy: 2 }, b: { Ada: 5, Bob: 3, Cy: 2 }, c: { Ada: 9, Bob: 3, Cy: 2 } }),
    ],
    ['a candidate with a party who is called Total', rowsOf({ a: { 'Total,A': 5, 'Ada,B': 3 } })],
    ['a candidate called Blank, with a party', rowsOf({ a: { 'Blank,A': 5, 'Ada,B': 3 } })],
    ['a candidate called Blank, without parties', rowsOf({ a: { Blank: 5, Ada: 3 } })],
    ['one place', rowsOf({ a: { Ada: 5 } })],
  ] as [string, string[]][])
    test(what, async (t) => {
      const { totals, election } = await read(t, rows);
      const sum = rows.reduce((total, row) => total + Number(row.split(',').at(-1)), 0);
      assert.equal(
        Object.values(totals).reduce((total, votes) => total + votes, 0),
        sum,
      );
      assert.equal(election.candidates.length, new Set(rows.map((row) => row.split(',')[2])).size);
    });
});

describe('the rows of the books are what they are', () => {
  test('under, over and blank votes are ballots; registered voters and ballots cast are numbers of people', async (t) => {
    const { totals, ballots, election, notices } = await read(
      t,
      rowsOf({
        a: { 'Ada,A': 60, 'Bob,B': 40, 'Over Votes': 2, 'Under Votes': 3, 'Blank Votes': 1, 'Registered Voters': 200 },
      }),
    );
    assert.deepEqual(totals, { 'Mayor: Ada': 60, 'Mayor: Bob': 40 });
    assert.deepEqual(ballots, { a: 106 });
    assert.equal(election.locations[0]!.registered_voters, 200);
    assert.equal(election.ballots_simulated, undefined);
    assert.match(notices.join('\n'), /"Under Votes" is taken as undervotes, not as a candidate/);
  });

  test('contests of them too', async (t) => {
    const rows = [
      ...rowsOf({ a: { Ada: 60, Bob: 40 } }),
      ...rowsOf({ a: { 'Registered Voters': 200 } }, 'Registered Voters'),
      ...rowsOf({ a: { 'Ballots Cast': 120 } }, 'Ballots Cast'),
    ];
    const { election, ballots } = await read(t, rows);
    assert.deepEqual(
      election.contests.map(({ id }) => id),
      ['Mayor'],
    );
    assert.deepEqual([ballots, election.locations[0]!.registered_voters], [{ a: 120 }, 200]);
  });

  test('none of the above is shown and wins nothing', async (t) => {
    const { election } = await read(t, rowsOf({ a: { Ada: 3, 'None of the above': 9 } }));
    assert.deepEqual(
      election.candidates.map(({ name, aggregate }) => [name, aggregate]),
      [
        ['Ada', false],
        ['None of the above', true],
      ],
    );
  });

  test('a file without them states no ballots', async (t) => {
    const { election, ballots } = await read(t, rowsOf({ a: { Ada: 3 } }));
    assert.deepEqual([election.ballots_simulated, ballots], [true, {}]);
  });

  test('an electorate file may state the ballots', async (t) => {
    const electorate = inputFile(t, 'location_id,registered_voters,ballots_cast\na,20,7\n');
    const { election, ballots } = await read(t, rowsOf({ a: { Ada: 3 } }), { electorate });
    assert.deepEqual([election.ballots_simulated, ballots], [undefined, { a: 7 }]);
  });
});

describe('several contests under one name', () => {
  const rows = rowsOf({ a: { Ada: 3, Bob: 2, 'Write-in': 1 }, b: { Cy: 9, Di: 1, 'Write-in': 2 } }, 'District 2');

  test('are refused with the ways out', async (t) =>
    assert.rejects(
      read(t, rows),
      /2 groups of places have no candidate of "District 2" in common .*"a", "b".*--split-contests/,
    ));

  test('are split, each with its own write-ins', async (t) => {
    const { totals, election } = await read(t, rows, { readings: { ...NO_READINGS, split_contests: true } });
    assert.deepEqual(totals, {
      'District 2 (a): Ada': 3,
      'District 2 (a): Bob': 2,
      'District 2 (a): Write-in': 1,
      'District 2 (b): Cy': 9,
      'District 2 (b): Di': 1,
      'District 2 (b): Write-in': 2,
    });
    assert.deepEqual(
      election.contests.map(({ location_ids }) => location_ids),
      [['a'], ['b']],
    );
  });

  test('are kept as one', async (t) => {
    const { election } = await read(t, rows, { readings: { ...NO_READINGS, keep: ['District 2'] } });
    assert.equal(election.contests.length, 1);
  });
});

describe('what a contest and a candidate are', () => {
  const RULES = 'contest,contest_name,vote_for,seats,location_id,candidate_id,candidate,votes\n';

  test('columns name the contest and give its rules', async (t) => {
    const { election } = await read(t, ['sb,School Board,3,3,a,k,Kim,80', 'sb,School Board,3,3,a,l,Lee,70'], {}, RULES);
    const { name, vote_for, seats } = election.contests[0]!;
    assert.deepEqual([name, vote_for, seats], ['School Board', 3, 3]);
  });

  test('rows of a contest that differ are refused by line', async (t) =>
    assert.rejects(
      read(t, ['sb,School Board,3,3,a,k,Kim,80', 'sb,School Board,2,3,a,l,Lee,70'], {}, RULES),
      /:3: vote_for: contest "sb" has "2" here and "3" on line 2/,
    ));

  test('two people of one name and party have ids', async (t) => {
    const { totals } = await read(t, ['c,,,,a,1,Annadurai S.,1200', 'c,,,,a,2,Annadurai S.,800'], {}, RULES);
    assert.deepEqual(totals, { 'c: 1': 1200, 'c: 2': 800 });
  });

  test('more votes than people is told with both readings', async (t) => {
    const electorate = inputFile(t, 'location_id,registered_voters\na,150\n');
    const { notices } = await read(t, rowsOf({ a: { Kim: 80, Lee: 70, May: 60 } }), { electorate });
    assert.match(
      notices.join('\n'),
      /"Mayor" has more votes than there are registered voters in "a"\. Either .*vote_for and seats/,
    );
  });

  test('an electorate of 0 where people voted is told', async (t) => {
    const electorate = inputFile(t, 'location_id,registered_voters\na,0\nb,50\n');
    const { notices } = await read(t, rowsOf({ a: { Ada: 6 }, b: { Ada: 7 } }), { electorate });
    assert.match(notices.join('\n'), /people voted where nobody is registered, in "a"/);
  });

  test('two spellings that look alike are refused with both lines', async (t) => {
    for (const [rows, column] of [
      [['c,a,Zo\u00eb,,1', 'c,b,Zoe\u0308,,2'], 'candidate'],
      [['c,a\u200b1,Ada,,1', 'c,a1,Ada,,2'], 'location_id'],
      [['c\u2013d,a,Ada,,1', 'c-d,b,Ada,,2'], 'contest'],
    ] as const)
      await assert.rejects(read(t, rows), new RegExp(`${column}: .*(looks like the one on line 2|nobody sees)`));
  });

  test('percentages are told', async (t) => {
    const { notices } = await read(t, rowsOf({ a: { Ada: 34, Bob: 65 }, b: { Ada: 43, Bob: 57 } }));
    assert.match(notices.join('\n'), /add up to about 100/);
  });
});
