import { OperationalError } from '../../base/errors.ts';
import type { Chooser } from '../../domain/ballots/chooser.ts';
import type { ReplayedVotes } from '../../domain/ballots/replay.ts';
import { createVoteColumns, type VoteColumns } from '../../domain/ballots/vote-columns.ts';
import { countVote, createTally, type Tally } from '../../domain/counting/tally.ts';
import { cellAt } from '../../domain/election/election-index.ts';
import { createRollLayout, type RollLayout, type RollPlace } from '../../domain/generated/roll-layout.ts';
import { createVoterColumns, readVoters, type VoterColumns } from '../../domain/log/voter-records.ts';
import { endOf } from '../../ports/log.ts';
import type { Electorate } from '../../ports/recount.ts';
import { VOTERS_PER_BATCH_MAX } from '../../ports/roll.ts';
import { chooserOf, votersByLocation } from '../../registration/voters.ts';
import type { LogCount } from './ballots.ts';
import { type Check, check, noneOf, type Verification } from './check.ts';
import { batchesTo } from './records.ts';
import { addTallies, compareTallies } from './tallies.ts';

/**
 * Compares topic `voters` with table `voters`: every voter, location and place. Where the election
 * invents or replays its voters, their places and choices follow from its seed, so both are
 * computed again.
 */
export async function compareRoll(
  verification: Verification,
  replayed: readonly ReplayedVotes[],
  count: LogCount,
): Promise<Check[]> {
  const { recount, entry, signal, index } = verification;
  const electorate = await recount.electorate(entry, signal);
  const isComplete = electorate.voters_total !== null;
  const { kind } = entry.arguments;
  const isComputed = isComplete && (kind === 'generated' || kind === 'results');
  const layout = isComputed ? createRollLayout(votersByLocation(entry, replayed), entry.seed) : null;
  const hasOnlyRoll = verification.moment.sources.every(({ source }) => !/^(file|topic):/.test(source));
  const cast = isComputed && hasOnlyRoll ? new Recast(verification, chooserOf(entry, replayed)) : null;
  const walk = new RollWalk(verification, isComplete ? placesOf(layout, index.election.locations.length) : null, cast);
  await walk.run();
  const impossible = replayed.filter(({ location, candidate }) => cellAt(index, location, candidate) === -1);
  const checks = [
    noneOf('topic voters = table voters', walk.differences),
    noneOf(
      'votes of table replayed_votes are on a ballot',
      impossible.map(({ location, candidate }) => `location ${location}, candidate ${candidate}`),
    ),
    ...compareElectorate(verification, electorate, layout),
  ];
  if (cast !== null)
    checks.push(
      compareTallies(
        index,
        'votes in the log = the choices of the voters who were asked',
        addTallies(index, count.counted, count.behind),
        cast.tally,
      ),
    );
  return checks;
}

function compareElectorate({ entry, index }: Verification, electorate: Electorate, layout: RollLayout | null): Check[] {
  const { voters, removed, published, voters_total, by_location, revision } = electorate;
  const { locations } = index.election;
  const checks: Check[] = [];
  const isStaged = entry.arguments.kind === 'roll' || entry.arguments.kind === 'api';
  const unknown = [...by_location.keys()].filter((number) => locations[number] === undefined);
  checks.push(
    noneOf(
      'every voter has a location',
      unknown.map((number) => `table voters has location ${number}`),
    ),
  );
  if (voters_total === null) return checks;
  checks.push(
    check('voters in the log = voters in table voters', published, voters),
    check('elections.voters_total = voters on the roll', voters_total, voters - removed),
  );
  if (layout !== null)
    checks.push(check('voters in the log = voters that the election was made with', published, layout.total));
  // Where a revision came meanwhile, the next verification compares it.
  if ((isStaged || entry.arguments.kind === 'generated') && revision === entry.revision)
    checks.push(
      noneOf(
        'registered voters of each location = voters on the roll',
        locations.flatMap(({ id, registered_voters }, number) => {
          const counted = by_location.get(number) ?? 0;
          return (registered_voters ?? 0) === counted ? [] : [`${id}: ${registered_voters} and ${counted}`];
        }),
      ),
    );
  return checks;
}

/** Gives the place that the next voter on the roll must have. */
type Places = (location: number, at: RollPlace) => void;

/** A laid out roll says who comes next. On any other roll a voter's place is the next one there. */
function placesOf(layout: RollLayout | null, locations: number): Places {
  if (layout !== null) {
    let ordinal = 0;
    return (_, at) => {
      if (ordinal < layout.total) layout.locate(ordinal++, at);
      else at.location = -1;
    };
  }
  const next = new Float64Array(locations);
  return (location, at) => {
    at.location = location;
    at.place = next[location]!++;
  };
}

/** The votes of the voters whom the stage has asked, chosen again. */
class Recast {
  readonly tally: Tally;
  readonly #verification: Verification;
  readonly #chooser: Chooser;
  readonly #vote: VoteColumns;
  readonly #asked: readonly number[];

  constructor(verification: Verification, chooser: Chooser) {
    const { entry, index, moment } = verification;
    this.#verification = verification;
    this.#chooser = chooser;
    this.tally = createTally(index);
    this.#vote = createVoteColumns(1, chooser.selectionsMax);
    this.#asked = Array.from(
      { length: entry.partitions },
      (_, partition) =>
        moment.sources.find((row) => row.source === 'voters' && row.partition === partition)?.next_offset ?? 0,
    );
  }

  ask(partition: number, seq: number, location: number, place: number): void {
    if (seq >= this.#asked[partition]!) return;
    const selected = this.#chooser.choose(location, place, this.#vote.selections, 0);
    if (selected === -1) return;
    this.#vote.locations[0] = location;
    this.#vote.starts[1] = selected;
    countVote(this.#verification.index, this.tally, this.#vote, 0);
  }
}

/** One partition of topic `voters`, read in step with the others. */
interface Stream {
  readonly partition: number;
  readonly voters: AsyncGenerator<{ readonly columns: VoterColumns; readonly seq: number }>;
  columns: VoterColumns;
  /** The seq of the first voter in the columns. */
  seq: number;
  at: number;
}

/**
 * Reads all partitions in the order of voter ids, which is the order of registration: ids are given
 * in blocks, and a batch of the roll lies in one partition.
 */
class RollWalk {
  readonly differences: string[] = [];
  readonly #verification: Verification;
  readonly #places: Places | null;
  readonly #cast: Recast | null;
  #last = -1;

  constructor(verification: Verification, places: Places | null, cast: Recast | null) {
    this.#verification = verification;
    this.#places = places;
    this.#cast = cast;
  }

  async run(): Promise<void> {
    const { entry, signal } = this.#verification;
    const streams: Stream[] = [];
    for (let partition = 0; partition < entry.partitions; partition++) {
      const voters = this.#read(partition);
      const first = await voters.next();
      if (!first.done) streams.push({ partition, voters, ...first.value, at: 0 });
    }
    while (streams.length > 0) {
      signal.throwIfAborted();
      const stream = streams.reduce((first, other) =>
        other.columns.ids[other.at]! < first.columns.ids[first.at]! ? other : first,
      );
      await this.#compareRun(stream);
      if (stream.at < stream.columns.count) continue;
      const next = await stream.voters.next();
      if (next.done) streams.splice(streams.indexOf(stream), 1);
      else Object.assign(stream, next.value, { at: 0 });
    }
  }

  /** Compares the voters from the place of the stream on whose ids ascend within one block. */
  async #compareRun(stream: Stream): Promise<void> {
    const { columns, partition } = stream;
    const { ids, locations, places } = columns;
    const from = stream.at;
    const block = Math.floor(ids[from]! / VOTERS_PER_BATCH_MAX);
    if (ids[from]! <= this.#last) this.#tell(`${this.#name(stream)} has voter ${ids[from]} again or out of order`);
    const expected: RollPlace = { location: 0, place: 0 };
    for (; stream.at < columns.count; stream.at++) {
      const at = stream.at;
      if (at > from && (ids[at]! <= ids[at - 1]! || Math.floor(ids[at]! / VOTERS_PER_BATCH_MAX) !== block)) break;
      this.#places?.(locations[at]!, expected);
      if (this.#places !== null && (expected.location !== locations[at] || expected.place !== places[at]))
        this.#tell(`${this.#name(stream)} has another location or place than the roll gives voter ${ids[at]}`);
      this.#cast?.ask(partition, stream.seq + at, locations[at]!, places[at]!);
    }
    this.#last = ids[stream.at - 1]!;
    const { recount, entry, signal } = this.#verification;
    const range = { ids: ids.subarray(from, stream.at), locations: locations.subarray(from, stream.at) };
    for (const difference of await recount.compareVoters(entry, range, signal)) this.#tell(difference);
  }

  async *#read(partition: number): Stream['voters'] {
    const { log, moment, signal, index } = this.#verification;
    const end = moment.log_ends.find((row) => row.topic === 'voters' && row.partition === partition)?.next_offset ?? 0;
    let next = 0;
    try {
      for await (const batch of batchesTo(log, 'voters', partition, end, signal)) {
        if (batch.base_offset > next) break;
        const cursor = readVoters(index, batch.text, batch.base_offset, 0);
        const wanted = Math.min(batch.count, end - batch.base_offset);
        const columns = createVoterColumns(wanted);
        cursor.read(columns, wanted);
        if (columns.count > 0) yield { columns, seq: batch.base_offset };
        next = endOf(batch);
      }
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof OperationalError) throw cause;
      this.#tell(`partition ${partition}: ${cause instanceof Error ? cause.message : cause}`);
      return;
    }
    if (next < end)
      this.#tell(`partition ${partition} of topic voters ends at ${next}, and table log_ends says ${end}`);
  }

  #name = ({ partition, seq, at }: Stream): string => `topic voters, partition ${partition}, seq ${seq + at},`;

  /** Keeps a few more than are shown, and never one for each voter. */
  #tell(difference: string): void {
    if (this.differences.length < DIFFERENCES_KEPT_MAX) this.differences.push(difference);
  }
}

/** The most differences that are kept. */
const DIFFERENCES_KEPT_MAX = 100;
