import { comparisonKey, idFromName } from '../domain/election/comparison-key.ts';
import {
  type Candidate,
  type Contest,
  type ContestId,
  type Party,
  TEXT_LENGTH_MAX,
} from '../domain/election/election.ts';
import { lookAlikes } from '../domain/election/look-alikes.ts';
import { columnOf, openTable, unusedColumns } from '../files/csv.ts';
import { ProblemList, quoteValue, refusal } from '../files/problems.ts';
import {
  PROSE_LENGTH_MAX,
  parseFlag,
  photoProblem,
  proseProblem,
  textProblem,
  type ValueProblem,
} from '../files/values.ts';
import { candidateIds } from './candidate-ids.ts';
import { AGGREGATE_NAMES, createAggregateTest } from './results/aggregates.ts';
import { CANDIDATES_MAX } from './results/results-table.ts';

/**
 * Candidates as CSV. The file is accepted or refused as a whole, since a ballot that lacks a
 * candidate is a wrong ballot.
 */

const REQUIRED = ['name'] as const;
const OPTIONAL = ['contest', 'party', 'biography', 'platform', 'photo', 'aggregate'] as const;
type Column = (typeof REQUIRED)[number] | (typeof OPTIONAL)[number];
const COLUMNS: readonly Column[] = [...REQUIRED, ...OPTIONAL];

/** The contest of a candidate whose row names none. */
const CONTEST_DEFAULT = 'election';

export interface CandidatesFile {
  /** The contests: on every ballot, with one selection and one seat. */
  readonly contests: readonly Contest[];
  readonly parties: readonly Party[];
  /** The candidates, grouped by contest. */
  readonly candidates: readonly Candidate[];
  readonly sha256: string;
  readonly notices: readonly string[];
}

interface Draft {
  readonly line: number;
  readonly contest: string;
  readonly name: string;
  readonly party: string;
  readonly described: Pick<Candidate, 'aggregate' | 'biography' | 'platform' | 'photo'>;
}

/** @throws InputRefused with every problem by line */
export async function readCandidates(path: string): Promise<CandidatesFile> {
  await using file = await openTable(path, { required: REQUIRED, optional: OPTIONAL, personal: false });
  const positions = new Map(COLUMNS.map((column) => [column, columnOf(file, column)]));
  const problems = new ProblemList(path);
  const isAggregate = createAggregateTest(AGGREGATE_NAMES);
  const drafts: Draft[] = [];
  for await (const block of file.blocks) {
    problems.addAll(block.problems);
    for (const { line, fields } of block.rows) {
      if (drafts.length === CANDIDATES_MAX)
        throw refusal(path, line, null, `there are more than ${CANDIDATES_MAX} candidates`, 'check the file');
      drafts.push(readDraft(line, (column) => fields[positions.get(column)!] ?? '', problems, isAggregate));
    }
  }
  checkRepeats(drafts, problems);
  for (const column of ['contest', 'party'] as const) checkSpellings(drafts, column, problems);
  problems.refuse();
  if (drafts.length === 0)
    throw refusal(path, null, null, 'there is no row below the header', 'check that the export was complete');
  const unused = unusedColumns(file, COLUMNS);
  const { sha256 } = file.identity();
  const notices = lookAlikes(drafts).map((notice) => `${path}: ${notice}`);
  if (unused !== null) notices.unshift(unused);
  return { ...groupDrafts(path, drafts), sha256, notices };
}

function readDraft(
  line: number,
  text: (column: Column) => string,
  problems: ProblemList,
  isAggregate: (name: string) => boolean,
): Draft {
  const check = (column: Column, problem: ValueProblem | null): void => {
    if (problem !== null) problems.add(line, column, problem.reason, problem.nextStep);
  };
  const name = text('name');
  check('name', name === '' ? { reason: 'is empty', nextStep: 'fill it in' } : textProblem(name));
  check('contest', textProblem(text('contest')));
  check('party', textProblem(text('party'), TEXT_LENGTH_MAX));
  for (const column of ['biography', 'platform'] as const) check(column, proseProblem(text(column), PROSE_LENGTH_MAX));
  if (text('photo') !== '') check('photo', photoProblem(text('photo')));
  const flag = text('aggregate') === '' ? isAggregate(name) : parseFlag(text('aggregate'));
  if (flag === null)
    check('aggregate', {
      reason: `${quoteValue(text('aggregate'))} is neither yes nor no`,
      nextStep: 'write yes or no',
    });
  return {
    line,
    contest: text('contest') === '' ? CONTEST_DEFAULT : text('contest'),
    name,
    party: text('party'),
    described: {
      aggregate: flag === true,
      biography: text('biography') || null,
      platform: text('platform') || null,
      photo: text('photo') || null,
    },
  };
}

function checkRepeats(drafts: readonly Draft[], problems: ProblemList): void {
  const lines = new Map<string, number>();
  for (const { line, contest, name, party } of drafts) {
    const key = JSON.stringify([contest, name, party].map(comparisonKey));
    const before = lines.get(key);
    if (before !== undefined)
      problems.add(
        line,
        'name',
        `${quoteValue(name)} of the same contest and party is on line ${before} already`,
        'keep one of the two rows',
      );
    else lines.set(key, line);
  }
}

/** The text of a contest or a party is its id, so two spellings that look the same are refused. */
function checkSpellings(drafts: readonly Draft[], column: 'contest' | 'party', problems: ProblemList): void {
  const spellings = new Map<string, Draft>();
  const told = new Set<string>();
  for (const draft of drafts) {
    const text = draft[column];
    const key = comparisonKey(text);
    const first = spellings.get(key);
    if (first === undefined) spellings.set(key, draft);
    else if (first[column] !== text && !told.has(text)) {
      told.add(text);
      problems.add(
        draft.line,
        column,
        `${quoteValue(text)} looks like the one on line ${first.line} and is spelled with other characters`,
        'copy the spelling of one of the two to every row',
      );
    }
  }
}

function groupDrafts(
  path: string,
  drafts: readonly Draft[],
): Pick<CandidatesFile, 'contests' | 'parties' | 'candidates'> {
  const byContest = Map.groupBy(drafts, ({ contest }) => contest);
  const candidates = [...byContest].flatMap(([contest, group]) => {
    const contest_id = idFromName(contest) as ContestId;
    const ids = candidateIds(group);
    const repeated = firstRepeated(ids);
    if (repeated !== -1)
      throw refusal(
        path,
        group[repeated]!.line,
        'name',
        `${quoteValue(ids[repeated]!)} would be the id of two candidates`,
        'rename one',
      );
    return group.map(({ name, party, described }, i): Candidate => {
      return { id: ids[i]!, contest_id, name, party_id: party === '' ? null : idFromName(party), ...described };
    });
  });
  const parties = [...new Set(drafts.map(({ party }) => party))].filter((party) => party !== '');
  return {
    contests: [...byContest.keys()].map((name) => ({
      id: idFromName(name) as ContestId,
      name,
      vote_for: 1,
      seats: 1,
      location_ids: null,
    })),
    parties: parties.map((party) => ({ id: idFromName(party), name: party })),
    candidates,
  };
}

/** @returns the position of the first text that looks like an earlier one, or -1. */
function firstRepeated(texts: readonly string[]): number {
  const seen = new Set<string>();
  return texts.findIndex((text) => seen.size === seen.add(comparisonKey(text)).size);
}
