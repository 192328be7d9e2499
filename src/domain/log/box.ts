import type { VoteColumns } from '../ballots/vote-columns.ts';
import type { ElectionIndex } from '../election/election-index.ts';

/**
 * A record of topic `votes` is a box: up to {@link VOTES_PER_BOX_MAX} votes of one batch, already shuffled, with the `seq` of
 * the first. Every box carries the hash of the definition it was cast under and a hash chained to the box before it:
 *
 *   {"seq":0,"definition":"<hex>","votes":[{"location_id":"1","selections":{"mayor":["Ada"]}},...],"hash":"<hex>"}
 *
 * `hash` = SHA-256 of the previous box's hash (as hex text) followed by the record's own text before `,"hash"`.
 */

/** One vote a record halves the throughput of Kafka; 500 keep a record near 50 KB, far below its limit of 1 MB. */
export const VOTES_PER_BOX_MAX = 500;

/** At most how many characters a vote without overvotes takes in a box, in any location. */
export function voteLengthMax(index: ElectionIndex): number {
  const { contests, candidates, locations } = index.election;
  const longest = contests.map(() => 0);
  for (const [number, candidate] of candidates.entries()) {
    const contest = index.contest_of_candidate[number]!;
    longest[contest] = Math.max(longest[contest]!, JSON.stringify(candidate.id).length + 1);
  }
  let most = 0;
  for (const [number, location] of locations.entries()) {
    let length = LOCATION.length + JSON.stringify(location.id).length + SELECTIONS.length + 3;
    for (let slot = index.first_slot[number]!; slot < index.first_slot[number + 1]!; slot++) {
      const contest = index.contest_of_slot[slot]!;
      const standing = index.first_candidate[contest + 1]! - index.first_candidate[contest]!;
      length +=
        JSON.stringify(contests[contest]!.id).length +
        4 +
        Math.min(index.vote_for[contest]!, standing) * longest[contest]!;
    }
    most = Math.max(most, length);
  }
  return most;
}

export type Sha256 = (text: string) => string;

/** What the first box of a partition is chained to, so that a box can be moved to no other election, definition or partition. */
export const chainStart = (sha256: Sha256, electionId: string, definition: string, partition: number): string =>
  sha256(`tallyroom ${electionId} ${definition} ${partition}`);

export interface BoxWriter {
  /** The records of all votes of the columns, one line each, chained to `previous`; `hash` is the last one's. */
  write(votes: VoteColumns, seq: number, previous: string): { text: string; boxes: number; hash: string };
}

/** Concatenates fragments made once for each location and candidate: 0.25 us a vote, a tenth of JSON.stringify. */
export function createBoxWriter(index: ElectionIndex, definition: string, sha256: Sha256): BoxWriter {
  const { election, contest_of_candidate } = index;
  const heads = election.locations.map((location) => `{"location_id":${JSON.stringify(location.id)},"selections":{`);
  const contests = election.contests.map((contest) => `${JSON.stringify(contest.id)}:[`);
  const names = election.candidates.map((candidate) => JSON.stringify(candidate.id));
  const singles = names.map((name, candidate) => `${contests[contest_of_candidate[candidate]!]}${name}]`);

  const selectionsOf = (votes: VoteColumns, from: number, to: number): string => {
    let text = '';
    for (let at = from; at < to; ) {
      const contest = contest_of_candidate[votes.selections[at]!]!;
      if (at !== from) text += ',';
      const first = at++;
      if (at === to || contest_of_candidate[votes.selections[at]!] !== contest) {
        text += singles[votes.selections[first]!];
        continue;
      }
      text += contests[contest]! + names[votes.selections[first]!]!;
      for (; at < to && contest_of_candidate[votes.selections[at]!] === contest; at++)
        text += `,${names[votes.selections[at]!]}`;
      text += ']';
    }
    return text;
  };

  return {
    write(votes, seq, previous) {
      let text = '';
      let boxes = 0;
      let hash = previous;
      for (let first = 0; first < votes.count; first += VOTES_PER_BOX_MAX, boxes++) {
        const end = Math.min(first + VOTES_PER_BOX_MAX, votes.count);
        let body = `{"seq":${seq + first},"definition":"${definition}","votes":[`;
        for (let i = first; i < end; i++) {
          if (i !== first) body += ',';
          body += heads[votes.locations[i]!]!;
          const from = votes.starts[i]!;
          const to = votes.starts[i + 1]!;
          body += to - from === 1 ? singles[votes.selections[from]!]! : selectionsOf(votes, from, to);
          body += '}}';
        }
        body += ']';
        hash = sha256(hash + body);
        text += `\t${body},"hash":"${hash}"}\n`;
      }
      return { text, boxes, hash };
    },
  };
}

export interface Box {
  readonly seq: number;
  readonly definition: string;
  readonly count: number;
  readonly hash: string;
  /** The text that `hash` covers, after the previous hash. */
  readonly body: string;
}

export interface BoxReader {
  /** Reads one record's value and fills the columns with its votes. @throws Error saying what is wrong with the record. */
  read(value: string, into: VoteColumns): Box;
}

const HASH_LENGTH = 64;
const DEFINITION = ',"definition":"';
const VOTES = '","votes":[';
const TAIL = ',"hash":"';
const TAIL_LENGTH = TAIL.length + HASH_LENGTH + '"}'.length;
const LOCATION = '{"location_id":"';
const SELECTIONS = '","selections":{';

/**
 * Reads boxes by looking whole fragments up (0.3 us a vote, JSON.parse takes 1.1); what is not written exactly as
 * {@link createBoxWriter} writes it goes through JSON.parse, so any JSON of the same meaning is understood.
 */
export function createBoxReader(index: ElectionIndex): BoxReader {
  const single = new Map<string, number>(
    index.election.candidates.map((candidate, number) => [
      `${JSON.stringify(candidate.contest_id)}:[${JSON.stringify(candidate.id)}`,
      number,
    ]),
  );

  /** By the id as JSON writes it: what is compared is the text of the record. */
  const locations = new Map(
    index.election.locations.map((location, number) => [JSON.stringify(location.id).slice(1, -1), number]),
  );

  /** @returns false where the text is not canonical; the columns are then to be filled again. */
  const readFast = (value: string, from: number, end: number, into: VoteColumns): boolean => {
    let at = from;
    let count = 0;
    let selected = 0;
    while (at < end) {
      if (!value.startsWith(LOCATION, at)) return false;
      at += LOCATION.length;
      const quote = value.indexOf('"', at);
      const location = locations.get(value.slice(at, quote));
      if (location === undefined || !value.startsWith(SELECTIONS, quote)) return false;
      at = quote + SELECTIONS.length;
      into.locations[count] = location;
      into.starts[count++] = selected;
      let previous = -1;
      while (value.charCodeAt(at) !== 0x7d) {
        if (previous !== -1 && value.charCodeAt(at++) !== 0x2c) return false;
        const bracket = value.indexOf('"]', at) + 1;
        const candidate = bracket === 0 ? undefined : single.get(value.slice(at, bracket));
        if (candidate === undefined || candidate <= previous || !onBallot(index, location, candidate)) return false;
        if (selected === into.selections.length) throw new Error('a box has too many selections');
        into.selections[selected++] = candidate;
        previous = candidate;
        at = bracket + 1;
      }
      if (!value.startsWith('}}', at)) return false;
      at += 2;
      if (at < end && value.charCodeAt(at++) !== 0x2c) return false;
      if (count > VOTES_PER_BOX_MAX) return false;
    }
    into.starts[count] = selected;
    into.count = count;
    return count > 0;
  };

  return {
    read(value, into) {
      const bodyEnd = value.length - TAIL_LENGTH;
      const definitionAt = value.indexOf(DEFINITION);
      const votesAt = definitionAt + DEFINITION.length + HASH_LENGTH;
      const seq = Number(value.slice('{"seq":'.length, definitionAt));
      if (
        !value.startsWith('{"seq":') ||
        !Number.isSafeInteger(seq) ||
        !value.startsWith(VOTES, votesAt) ||
        !value.startsWith(TAIL, bodyEnd) ||
        value.charCodeAt(bodyEnd - 1) !== 0x5d
      )
        throw new Error('a record of topic votes is not a box');
      if (!readFast(value, votesAt + VOTES.length, bodyEnd - 1, into)) readSlowly(index, value, into);
      return {
        seq,
        definition: value.slice(votesAt - HASH_LENGTH, votesAt),
        count: into.count,
        hash: value.slice(bodyEnd + TAIL.length, -'"}'.length),
        body: value.slice(0, bodyEnd),
      };
    },
  };
}

export function onBallot(index: ElectionIndex, location: number, candidate: number): boolean {
  const contest = index.contest_of_candidate[candidate]!;
  return index.slot_of[location * index.vote_for.length + contest]! !== -1;
}

/** The meaning of a box by JSON.parse, for boxes with overvotes, several selections in a contest, or escaped names. */
function readSlowly(index: ElectionIndex, value: string, into: VoteColumns): void {
  const { votes }: { votes: { location_id: string; selections: Record<string, string[]> }[] } = JSON.parse(value);
  if (!Array.isArray(votes) || votes.length > VOTES_PER_BOX_MAX) throw new Error('a box has too many votes');
  let selected = 0;
  for (const [number, vote] of votes.entries()) {
    const location = index.location_numbers.get(vote.location_id);
    if (location === undefined) throw new Error(`a box names the unknown location "${vote.location_id}"`);
    into.locations[number] = location;
    into.starts[number] = selected;
    const numbers: number[] = [];
    for (const [contestId, candidateIds] of Object.entries(vote.selections)) {
      const contest = index.contest_numbers.get(contestId);
      for (const id of candidateIds) {
        const candidate = contest === undefined ? undefined : index.candidate_numbers[contest]!.get(id);
        if (candidate === undefined || !onBallot(index, location, candidate))
          throw new Error(
            `a box selects "${id}" in "${contestId}", which is not on the ballot of "${vote.location_id}"`,
          );
        numbers.push(candidate);
      }
    }
    numbers.sort((left, right) => left - right);
    if (selected + numbers.length > into.selections.length) throw new Error('a box has too many selections');
    if (numbers.some((candidate, at) => candidate === numbers[at - 1]))
      throw new Error('a vote selects a candidate twice');
    for (const candidate of numbers) into.selections[selected++] = candidate;
  }
  into.starts[votes.length] = selected;
  into.count = votes.length;
}
