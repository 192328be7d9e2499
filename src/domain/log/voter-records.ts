import type { ElectionIndex } from '../election/election-index.ts';

/**
 * Reading and writing topic `voters` without an object a record: a million voters a second pass
 * here. The canonical line is TAB `{"seq":0,"voter_id":1,"location_id":"27001","place":0}` NEWLINE.
 */

/**
 * Voters in columns, `count` of them, in the order of the topic. They are scratch space that a loop
 * fills again for each batch.
 */
export interface VoterColumns {
  count: number;
  ids: Float64Array;
  locations: Int32Array;
  places: Float64Array;
}

export function createVoterColumns(voters: number): VoterColumns {
  return {
    count: 0,
    ids: new Float64Array(voters),
    locations: new Int32Array(voters),
    places: new Float64Array(voters),
  };
}

/** The lines of consecutive voters from `from` to `to - 1` of the columns, the first at `seq`. */
export function writeVoters(index: ElectionIndex, voters: VoterColumns, from: number, to: number, seq: number): string {
  let text = '';
  for (let i = from; i < to; i++) {
    const location = JSON.stringify(index.election.locations[voters.locations[i]!]!.id);
    text += `\t{"seq":${seq + i - from},"voter_id":${voters.ids[i]},"location_id":${location},"place":${voters.places[i]}}\n`;
  }
  return text;
}

const SEQ = '\t{"seq":';
const VOTER_ID = ',"voter_id":';
const LOCATION_ID = ',"location_id":"';
const PLACE = '","place":';
const END = '}\n';
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * A cursor over the lines of one log batch. `read` fills columns with the next voters. Each must
 * stand in the canonical line with the expected `seq`, because only this program writes the topic.
 * Anything else is damage, and going on would count wrong.
 */
export interface VoterCursor {
  /**
   * Reads up to `limit` voters into the columns from their start. Sets and returns `count`, 0 at
   * the end of the text.
   */
  read(into: VoterColumns, limit: number): number;
}

/**
 * @param skip lines to pass over first: a batch may begin before the offset of its reader.
 * @throws Error naming the seq of the first line that this program cannot have written.
 */
export function readVoters(index: ElectionIndex, text: string, base: number, skip: number): VoterCursor {
  let at = 0;
  let seq = base + skip;
  for (let line = 0; line < skip; line++) at = text.indexOf('\n', at) + 1;
  let value = 0;

  const expect = (literal: string): void => {
    if (!text.startsWith(literal, at)) throw damaged(seq);
    at += literal.length;
  };
  const digits = (): number => {
    const first = at;
    value = 0;
    for (let code = text.charCodeAt(at) - 48; code >= 0 && code <= 9; code = text.charCodeAt(++at) - 48)
      value = value * 10 + code;
    if (at === first) throw damaged(seq);
    return value;
  };
  const location = (): number => {
    const first = at;
    for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(++at)) {
      if (code === BACKSLASH) at++;
      if (at >= text.length) throw damaged(seq);
    }
    const raw = text.slice(first, at);
    const number = index.locationNumbers.get(raw.includes('\\') ? JSON.parse(`"${raw}"`) : raw);
    if (number === undefined) throw damaged(seq);
    return number;
  };

  return {
    read(into, limit) {
      let count = 0;
      while (count < limit && at < text.length) {
        expect(SEQ);
        if (digits() !== seq) throw damaged(seq);
        expect(VOTER_ID);
        into.ids[count] = digits();
        expect(LOCATION_ID);
        into.locations[count] = location();
        expect(PLACE);
        into.places[count] = digits();
        expect(END);
        count++;
        seq++;
      }
      into.count = count;
      return count;
    },
  };
}

const damaged = (seq: number): Error => new Error(`topic voters is damaged at seq ${seq}`);
