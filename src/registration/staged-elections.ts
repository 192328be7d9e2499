import { OperationalError } from '../base/errors.ts';
import { assert } from '../domain/assert.ts';
import type { Election, ElectionId, Location, LocationId } from '../domain/election/election.ts';
import { GENERATED_CANDIDATES, generateElection } from '../domain/generated/generated-election.ts';
import { drawPortrait } from '../domain/generated/portrait.ts';
import { formatProblem, type InputProblem, PROBLEMS_SHOWN_MAX } from '../files/problems.ts';
import { type CandidatesFile, readCandidates } from '../formats/candidates.ts';
import { readElectionFile } from '../formats/election-file.ts';
import {
  EMPTY_PAGES_MAX,
  fetchCandidates,
  fetchPage,
  PAGE_SIZE_MAX,
  type PeopleApi,
  parseApiUrl,
} from '../formats/people-api.ts';
import { electionNameOf } from '../formats/results/results.ts';
import { type LocatedPerson, readRoll, scanRoll } from '../formats/roll.ts';
import type { Roll } from '../ports/roll.ts';
import type { StageContext } from '../stages/context.ts';
import { generateCandidateNames } from './generated-people.ts';
import { filesOf, type Making, type MakingOptions, TURNOUT_DEFAULT, VOTERS_DEFAULT } from './making.ts';

/**
 * Elections whose voters come from outside: their people are stored first, and when the last one is there the locations and
 * their registered voters are known, the definition is fixed, and the roll goes to the topic.
 */

type Say = (line: string) => void;

/** What is known of such an election before its people are. */
interface GivenElection {
  /** With locations where an election file gives them, else without. */
  readonly election: Election | null;
  readonly candidates: CandidatesFile | null;
  readonly hashes: { readonly election: string | null; readonly candidates: string | null };
}

async function readGivenElection(options: MakingOptions, say: Say): Promise<GivenElection> {
  const file = options.election === null ? null : await readElectionFile(options.election);
  const candidates = options.candidates === null ? null : await readCandidates(options.candidates);
  for (const notice of candidates?.notices ?? []) say(notice);
  return {
    election: file?.election ?? null,
    candidates,
    hashes: { election: file?.sha256 ?? null, candidates: candidates?.sha256 ?? null },
  };
}

/** Voters from a roll as CSV. */
export async function rollMaking(options: MakingOptions, path: string, say: Say): Promise<Making> {
  const given = await readGivenElection(options, say);
  const summary = await scanRoll(path, given.election);
  for (const notice of summary.notices) say(notice);
  const named = electionNameOf(path);
  const names = new Map(summary.locations.map((location) => [location.id as string, location.name]));
  return {
    arguments: {
      kind: 'roll',
      voters: null,
      turnout: options.turnout ?? TURNOUT_DEFAULT,
      scale: null,
      api: null,
      ...filesOf({ roll: summary.sha256, ...given.hashes }, options),
    },
    id: given.election?.id ?? named.id,
    name: given.election?.name ?? named.name,
    define: async (context) => {
      const staged = await openStagedRoll(context, given.election);
      try {
        const report = reporter(say);
        for await (const block of readRoll(path, given.election, Math.max(1, staged.position))) {
          report(block.problems);
          const repeated = await staged.add(block.rows, block.next_line);
          report(repeated.map((position) => onTheRollAlready(path, block.rows[position]!.line)));
          if (context.signal.aborted) throw context.signal.reason;
        }
        return { election: await staged.define(namedLocations(given, context, named.name, names)) };
      } finally {
        await staged.close();
      }
    },
  };
}

const onTheRollAlready = (file: string, line: number): InputProblem => ({
  file,
  line,
  column: 'registration_number',
  reason: 'this voter is on the roll already; the first entry stays',
  nextStep: 'remove the line, or correct its number',
});

/** Tells problems as they come, and after many only that there are more. */
function reporter(say: Say): (problems: readonly InputProblem[]) => void {
  let told = 0;
  return (problems) => {
    for (const problem of problems) {
      if (told < PROBLEMS_SHOWN_MAX) say(formatProblem(problem));
      if (told === PROBLEMS_SHOWN_MAX)
        say('... and more lines like these; each was left out, the others are registered.');
      told++;
    }
  };
}

/** Voters from a service that answers like randomuser.me. */
export async function apiMaking(options: MakingOptions, address: string, say: Say): Promise<Making> {
  const url = parseApiUrl(address);
  const given = await readGivenElection(options, say);
  const voters = options.voters ?? VOTERS_DEFAULT;
  return {
    arguments: {
      kind: 'api',
      voters,
      turnout: options.turnout ?? TURNOUT_DEFAULT,
      scale: null,
      api: url.href,
      ...filesOf(given.hashes, options),
    },
    id: given.election?.id ?? ('api' as ElectionId),
    name: given.election?.name ?? `Election of ${url.host}`,
    define: async (context) => {
      const { entry, signal } = context;
      const api: PeopleApi = { url, seed: entry.seed, page_size: Math.min(PAGE_SIZE_MAX, voters), signal, say };
      const staged = await openStagedRoll(context, given.election);
      try {
        await fetchInto(staged, api, voters, given.election, say);
        const candidates =
          given.election !== null || given.candidates !== null
            ? null
            : await fetchCandidates(api, GENERATED_CANDIDATES);
        const described = namedLocations(given, context, entry.name, new Map());
        if (candidates === null) return { election: await staged.define(described) };
        const standing = described.candidates.map((candidate, i) => ({
          ...candidate,
          id: candidates[i]!.name as typeof candidate.id,
          name: candidates[i]!.name,
          photo: candidates[i]!.photo ?? drawPortrait(`${entry.seed} ${candidates[i]!.name}`),
        }));
        return { election: await staged.define({ ...described, candidates: standing }) };
      } finally {
        await staged.close();
      }
    },
  };
}

async function fetchInto(
  staged: StagedRoll,
  api: PeopleApi,
  voters: number,
  election: Election | null,
  say: Say,
): Promise<void> {
  const report = reporter(say);
  const defined = new Map(
    election?.locations.flatMap(({ id, name }) => [
      [name, id as string],
      [id as string, id as string],
    ]),
  );
  for (let page = staged.position + 1, empty = 0; staged.voters < voters; page++) {
    const { people, problems } = await fetchPage(api, page);
    report(problems);
    const located = election === null ? people : people.flatMap((each) => relocate(each, defined));
    if (located.length < people.length) report([elsewhere(api.url.host, page, people.length - located.length)]);
    const wanted = located.slice(0, voters - staged.voters);
    const repeated = await staged.add(wanted, page);
    empty = repeated.length === wanted.length ? empty + 1 : 0;
    if (empty === EMPTY_PAGES_MAX)
      throw new OperationalError('SOURCE_UNREACHABLE', {
        message: `${api.url.host} has nobody new on ${EMPTY_PAGES_MAX} pages up to page ${page}; ${staged.voters} of ${voters} voters are there`,
        nextStep: `Start again with --fresh --voters ${staged.voters}, or check what the service answers.`,
      });
  }
}

const relocate = (located: LocatedPerson, defined: ReadonlyMap<string, string>): LocatedPerson[] => {
  const location = defined.get(located.location);
  return location === undefined ? [] : [{ ...located, location }];
};

const elsewhere = (host: string, page: number, people: number): InputProblem => ({
  file: `${host} page ${page}`,
  line: null,
  column: 'location',
  reason: `${people} people live where the election has no location`,
  nextStep: 'add the locations to the election file, or leave it out to take them from the people',
});

/** The definition without locations that are known only from the people. */
function namedLocations(
  given: GivenElection,
  { entry }: StageContext,
  name: string,
  names: ReadonlyMap<string, string>,
): Election & { readonly names: ReadonlyMap<string, string> } {
  const base =
    given.election ??
    generateElection({
      id: entry.id,
      seed: entry.seed,
      voters: 1,
      candidateNames: generateCandidateNames(entry.seed, GENERATED_CANDIDATES),
      name,
    });
  const contested = given.candidates;
  return {
    ...base,
    id: entry.id,
    ...(contested === null
      ? {}
      : { contests: contested.contests, parties: contested.parties, candidates: contested.candidates, is_test: false }),
    ...(given.election === null ? { locations: [], parents: [] } : {}),
    names,
  };
}

interface StagedRoll {
  /** Where the source goes on; what a position means is the source's own. */
  readonly position: number;
  /** Stored so far. */
  readonly voters: number;
  /** @returns the positions of people whom the roll has already. */
  add(people: readonly LocatedPerson[], position: number): Promise<number[]>;
  /** The definition, its locations with the voters that were stored in them. */
  define(election: Election & { readonly names: ReadonlyMap<string, string> }): Promise<Election>;
  close(): Promise<void>;
}

async function openStagedRoll(
  { backend, entry, progress, signal }: StageContext,
  election: Election | null,
): Promise<StagedRoll> {
  const roll = await backend.openRoll(entry, signal);
  const known = election?.locations.map((location) => location.id as string);
  const locations = new StagedLocations(
    known ?? (await roll.stagedLocations()).map((location) => location.name),
    known !== undefined,
  );
  let position = await roll.position('stage');
  let voters = 0;
  for (const count of (await roll.stagedBefore(Number.MAX_SAFE_INTEGER)).values()) voters += count;
  progress.registered = voters;
  return {
    get position() {
      return position;
    },
    get voters() {
      return voters;
    },
    async add(people, to) {
      const numbers = people.map(({ location }) => locations.numberOf(location));
      const repeated = await roll.stage({
        source: 'stage',
        from: position,
        to,
        people: people.map(({ person }) => person),
        locations: numbers,
        new_locations: locations.takeNew(),
      });
      position = to;
      voters += people.length - repeated.length;
      progress.registered = voters;
      return repeated;
    },
    define: ({ names, ...defined }) => defineStaged(roll, defined, names),
    close: () => roll.close(),
  };
}

async function defineStaged(roll: Roll, election: Election, names: ReadonlyMap<string, string>): Promise<Election> {
  const voters = await roll.stagedBefore(Number.MAX_SAFE_INTEGER);
  if (election.locations.length > 0)
    return {
      ...election,
      locations: election.locations.map((location, number) => ({
        ...location,
        registered_voters: voters.get(number) ?? 0,
      })),
    };
  const staged = await roll.stagedLocations();
  return {
    ...election,
    locations: staged.map(
      ({ name }, number): Location => ({
        id: name as LocationId,
        name: names.get(name) ?? name,
        type: 'location',
        parent_id: null,
        registered_voters: voters.get(number) ?? 0,
      }),
    ),
  };
}

/** Numbers the locations of staged people as they are met, so that they keep their numbers over restarts. */
class StagedLocations {
  readonly #numbers: Map<string, number>;
  #fresh: string[] = [];

  /** Where the definition names the locations, no other is met: the inputs have refused it. */
  readonly #closed: boolean;

  constructor(known: Iterable<string>, closed: boolean) {
    this.#numbers = new Map([...known].map((name, number) => [name, number]));
    this.#closed = closed;
  }

  numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    assert(!this.#closed, 'a location of the election');
    const number = this.#numbers.size;
    this.#numbers.set(name, number);
    this.#fresh.push(name);
    return number;
  }

  /** The names met since the last call, in order. */
  takeNew(): string[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }
}
