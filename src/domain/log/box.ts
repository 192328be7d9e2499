import type { VoteColumns } from '../ballots/vote-columns.ts';
import {
  candidateNumber,
  candidatesOf,
  contestAt,
  type ElectionIndex,
  onBallot,
  selectionsMaxIn,
  slotsOf,
} from '../election/election-index.ts';

/**
 * A record of topic `votes` is a box: up to {@link VOTES_PER_BOX_MAX} votes of one batch, already
 * shuffled, with the `seq` of the first. Every box carries the hash of the definition it was cast
 * under and a hash chained to the box before it:
 *
 *   {"seq":0,"definition":"<hex>","votes":[{"location_id":"1","selections":{"mayor":["Ada"]}},...],"hash":"<hex>"}
 *
 * `hash` = SHA-256 of the previous box's hash (as hex text) followed by the record's own text
 * before `,"hash"`. The last box of a batch has the digests of the batch behind its votes, so the
 * hash covers them: `"batch":{"digest":"<hex>","participation":"<hex>"}`. Boxes written before
 * digests have no such member.
 */

/**
 * 500 votes keep a record near 50 KB, far below its limit of 1 MB. One vote a record halves the
 * throughput of Kafka.
 */
export const VOTES_PER_BOX_MAX = 500;

/** The most characters that a vote without overvotes takes in a box, in any location. */
export function voteLengthMax(index: ElectionIndex): number {
  const { contests, candidates, locations } = index.election;
  const lengths = contests.map(({ id }, contest) => {
    const names = candidatesOf(index, contest).map((number) => quoted(candidates[number]!.id).length + 1);
    const longest = names.reduce((most, length) => Math.max(most, length), 0);
    return quoted(id).length + 4 + selectionsMaxIn(index, contest) * longest;
  });
  let most = 0;
  for (const [location, { id }] of locations.entries()) {
    let length = LOCATION.length + quoted(id).length + SELECTIONS.length + 3;
    for (const slot of slotsOf(index, location)) length += lengths[contestAt(index, slot)]!;
    most = Math.max(most, length);
  }
  return most;
}

const quoted = (id: string): string => JSON.stringify(id);

export type Sha256 = (text: string) => string;

/**
 * The hash that the first box of a partition is chained to. It ties the box to its election,
 * definition and partition.
 */
export const chainStart = (sha256: Sha256, electionId: string, definition: string, partition: number): string =>
  sha256(`tallyroom ${electionId} ${definition} ${partition}`);

/** The digests of a batch. */
export interface BatchSeal {
  /** SHA-256 of the ballots, as `BatchText` writes them; hex. */
  readonly digest: string;
  /**
   * The sum over all participants whose votes the partition holds with this batch; hex, see
   * `ParticipationDigest`. Null in an election made before digests.
   */
  readonly participation: string | null;
}

export interface BoxWriter {
  /**
   * The records of all votes of the columns, one line each, chained to `previous`; `hash` is the
   * last one's.
   */
  write(
    votes: VoteColumns,
    seq: number,
    previous: string,
    seal?: BatchSeal,
  ): { text: string; boxes: number; hash: string };
}

/**
 * Concatenates fragments made once for each location and candidate. 0.25 us a vote, a tenth of
 * JSON.stringify.
 */
export function createBoxWriter(index: ElectionIndex, definition: string, sha256: Sha256): BoxWriter {
  const { election, contestOfCandidate } = index;
  const heads = election.locations.map((location) => `{"location_id":${quoted(location.id)},"selections":{`);
  const contests = election.contests.map((contest) => `${quoted(contest.id)}:[`);
  const names = election.candidates.map((candidate) => quoted(candidate.id));
  const singles = names.map((name, candidate) => `${contests[contestOfCandidate[candidate]!]}${name}]`);

  const selectionsOf = (votes: VoteColumns, from: number, to: number): string => {
    let text = '';
    for (let at = from; at < to; ) {
      const contest = contestOfCandidate[votes.selections[at]!]!;
      if (at !== from) text += ',';
      const first = at++;
      if (at === to || contestOfCandidate[votes.selections[at]!] !== contest) {
        text += singles[votes.selections[first]!];
        continue;
      }
      text += contests[contest]! + names[votes.selections[first]!]!;
      for (; at < to && contestOfCandidate[votes.selections[at]!] === contest; at++)
        text += `,${names[votes.selections[at]!]}`;
      text += ']';
    }
    return text;
  };

  return {
    write(votes, seq, previous, seal) {
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
        body += end === votes.count && seal !== undefined ? `]${sealText(seal)}` : ']';
        hash = sha256(hash + body);
        text += `\t${body},"hash":"${hash}"}\n`;
      }
      return { text, boxes, hash };
    },
  };
}

const sealText = ({ digest, participation }: BatchSeal): string =>
  `,"batch":{"digest":"${digest}"${participation === null ? '' : `,"participation":"${participation}"`}}`;

export interface Box {
  readonly seq: number;
  readonly definition: string;
  readonly count: number;
  readonly hash: string;
  /** The text that `hash` covers, after the previous hash. */
  readonly body: string;
  /** The digests of the batch that ends with this box; null in any other. */
  readonly seal: BatchSeal | null;
}

export interface BoxReader {
  /**
   * Reads one record's value and fills the columns with its votes.
   * @throws Error that names the fault of the record.
   */
  read(value: string, into: VoteColumns): Box;
}

const HASH_LENGTH = 64;
const SEQ = '{"seq":';
const DEFINITION = ',"definition":"';
const VOTES = '","votes":[';
const TAIL = ',"hash":"';
const TAIL_LENGTH = TAIL.length + HASH_LENGTH + '"}'.length;
const LOCATION = '{"location_id":"';
const SELECTIONS = '","selections":{';
/** The end of the text that the hash of the last box of a batch covers. */
const SEAL = /\](,"batch":\{"digest":"([0-9a-f]{64})"(?:,"participation":"([0-9a-f]{256})")?\})$/;
/** The seal has 365 characters at most. */
const SEAL_LENGTH_MAX = 400;
const COMMA = 0x2c;
const CLOSING_BRACKET = 0x5d;
const CLOSING_BRACE = 0x7d;

/**
 * Reads boxes by looking whole fragments up: 0.3 us a vote, where JSON.parse takes 1.1. A box that
 * is not written exactly as {@link createBoxWriter} writes it goes through JSON.parse, so any JSON
 * of the same meaning is understood.
 */
export function createBoxReader(index: ElectionIndex): BoxReader {
  const fragments = createFragments(index);
  return {
    read(value, into) {
      const bodyEnd = value.length - TAIL_LENGTH;
      const definitionAt = value.indexOf(DEFINITION);
      const votesAt = definitionAt + DEFINITION.length + HASH_LENGTH;
      const seq = Number(value.slice(SEQ.length, definitionAt));
      const sealed = readSeal(value, bodyEnd);
      const votesEnd = bodyEnd - (sealed?.length ?? 0) - 1;
      if (
        !value.startsWith(SEQ) ||
        !Number.isSafeInteger(seq) ||
        !value.startsWith(VOTES, votesAt) ||
        !value.startsWith(TAIL, bodyEnd) ||
        value.charCodeAt(votesEnd) !== CLOSING_BRACKET
      )
        throw new Error('a record of topic votes is not a box');
      if (!readFast(fragments, value, votesAt + VOTES.length, votesEnd, into)) readSlowly(index, value, into);
      return {
        seq,
        definition: value.slice(votesAt - HASH_LENGTH, votesAt),
        count: into.count,
        hash: value.slice(bodyEnd + TAIL.length, -'"}'.length),
        body: value.slice(0, bodyEnd),
        seal: sealed?.seal ?? null,
      };
    },
  };
}

/** @returns null for a box that ends no batch: it ends with a bracket, and digests with a brace. */
function readSeal(value: string, bodyEnd: number): { readonly seal: BatchSeal; readonly length: number } | null {
  if (value.charCodeAt(bodyEnd - 1) !== CLOSING_BRACE) return null;
  const found = SEAL.exec(value.slice(Math.max(0, bodyEnd - SEAL_LENGTH_MAX), bodyEnd));
  if (found === null) return null;
  const [, text, digest, participation] = found;
  return { seal: { digest: digest!, participation: participation ?? null }, length: text!.length };
}

/**
 * The numbers that the fragments of a record stand for. Ids are escaped as JSON writes them, so
 * text is compared with text.
 */
interface Fragments {
  readonly index: ElectionIndex;
  /** By location id. */
  readonly locations: ReadonlyMap<string, number>;
  /** By contest id with the one selection there. */
  readonly candidates: ReadonlyMap<string, number>;
}

const createFragments = (index: ElectionIndex): Fragments => ({
  index,
  locations: new Map(index.election.locations.map(({ id }, number) => [quoted(id).slice(1, -1), number])),
  candidates: new Map(
    index.election.candidates.map(({ contest_id, id }, number) => [`${quoted(contest_id)}:[${quoted(id)}`, number]),
  ),
});

/** @returns false where the text is not canonical; the columns are then to be filled again. */
function readFast(fragments: Fragments, value: string, from: number, end: number, into: VoteColumns): boolean {
  const { index, locations, candidates } = fragments;
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
    while (value.charCodeAt(at) !== CLOSING_BRACE) {
      if (previous !== -1 && value.charCodeAt(at++) !== COMMA) return false;
      const bracket = value.indexOf('"]', at) + 1;
      const candidate = bracket === 0 ? undefined : candidates.get(value.slice(at, bracket));
      if (candidate === undefined || candidate <= previous || !onBallot(index, location, candidate)) return false;
      if (selected === into.selections.length) throw new Error('a box has too many selections');
      into.selections[selected++] = candidate;
      previous = candidate;
      at = bracket + 1;
    }
    if (!value.startsWith('}}', at)) return false;
    at += 2;
    if (at < end && value.charCodeAt(at++) !== COMMA) return false;
    if (count > VOTES_PER_BOX_MAX) return false;
  }
  into.starts[count] = selected;
  into.count = count;
  return count > 0;
}

interface BoxVote {
  readonly location_id: string;
  readonly selections: Readonly<Record<string, readonly string[]>>;
}

/**
 * Reads a box by JSON.parse: one with overvotes, several selections in a contest, or escaped names.
 */
function readSlowly(index: ElectionIndex, value: string, into: VoteColumns): void {
  const { votes }: { readonly votes: readonly BoxVote[] } = JSON.parse(value);
  if (!Array.isArray(votes) || votes.length > VOTES_PER_BOX_MAX) throw new Error('a box has too many votes');
  let selected = 0;
  for (const [number, vote] of votes.entries()) {
    const location = index.locationNumbers.get(vote.location_id);
    if (location === undefined) throw new Error(`a box names the unknown location "${vote.location_id}"`);
    into.locations[number] = location;
    into.starts[number] = selected;
    const candidates = readSelections(index, vote, location);
    if (selected + candidates.length > into.selections.length) throw new Error('a box has too many selections');
    into.selections.set(candidates, selected);
    selected += candidates.length;
  }
  into.starts[votes.length] = selected;
  into.count = votes.length;
}

/** @returns the candidate numbers of a vote, ascending. */
function readSelections(index: ElectionIndex, vote: BoxVote, location: number): number[] {
  const numbers: number[] = [];
  for (const [contestId, ids] of Object.entries(vote.selections)) {
    const contest = index.contestNumbers.get(contestId) ?? -1;
    for (const id of ids) {
      const candidate = candidateNumber(index, contest, id);
      if (!onBallot(index, location, candidate))
        throw new Error(`a box selects "${id}" in "${contestId}", which is not on the ballot of "${vote.location_id}"`);
      numbers.push(candidate);
    }
  }
  numbers.sort((left, right) => left - right);
  if (numbers.some((candidate, at) => candidate === numbers[at - 1]))
    throw new Error('a vote selects a candidate twice');
  return numbers;
}
