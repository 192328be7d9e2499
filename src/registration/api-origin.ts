import { OperationalError } from '../base/errors.ts';
import { comparisonKey } from '../domain/election/comparison-key.ts';
import type { Election, ElectionId } from '../domain/election/election.ts';
import { originOf } from '../domain/election/origin.ts';
import { GENERATED_CANDIDATES } from '../domain/generated/generated-election.ts';
import { drawPortrait } from '../domain/generated/portrait.ts';
import { createProblemReporter, type InputProblem } from '../files/problems.ts';
import {
  EMPTY_PAGES_MAX,
  fetchCandidates,
  fetchPage,
  PAGE_SIZE_MAX,
  type PeopleApi,
  parseApiUrl,
} from '../formats/people-api.ts';
import type { LocatedPerson } from '../formats/roll.ts';
import { describeElection, readGivenElection } from './given-election.ts';
import { filesOf, type OpenedOrigin, type OriginOptions, type Say, TURNOUT_DEFAULT, VOTERS_DEFAULT } from './origin.ts';
import { openStagedRoll, type StagedRoll } from './staged-roll.ts';

/**
 * Voters from a service that answers like randomuser.me. Candidates come from it too, where no file
 * names them.
 */
export async function openApiOrigin(options: OriginOptions, address: string, say: Say): Promise<OpenedOrigin> {
  const url = parseApiUrl(address);
  const given = await readGivenElection(options, say);
  const voters = options.voters ?? VOTERS_DEFAULT;
  return {
    origin: originOf({
      kind: 'api',
      voters,
      turnout: options.turnout ?? TURNOUT_DEFAULT,
      api: url.href,
      ...filesOf(given.hashes, options),
    }),
    id: given.election?.id ?? ('api' as ElectionId),
    name: given.election?.name ?? `Election of ${url.host}`,
    define: async (context) => {
      const { entry, signal, progress } = context;
      const api: PeopleApi = {
        url,
        seed: entry.seed,
        page_size: Math.min(PAGE_SIZE_MAX, voters),
        signal,
        say: progress.say,
      };
      await using staged = await openStagedRoll(context, given.election);
      await fetchInto(staged, api, voters, given.election, progress.say);
      const described = describeElection(given, entry, entry.name);
      const hasCandidates = given.election !== null || given.candidates !== null;
      return { election: await staged.define(hasCandidates ? described : await withCandidates(described, api)) };
    },
  };
}

/** The election with people of the service in place of the generated candidates. */
async function withCandidates(election: Election, api: PeopleApi): Promise<Election> {
  const people = await fetchCandidates(api, GENERATED_CANDIDATES);
  return {
    ...election,
    candidates: election.candidates.map((candidate, i) => {
      const { name, photo } = people[i]!;
      return {
        ...candidate,
        id: name as typeof candidate.id,
        name,
        photo: photo ?? drawPortrait(`${api.seed} ${name}`),
      };
    }),
  };
}

async function fetchInto(
  staged: StagedRoll,
  api: PeopleApi,
  voters: number,
  election: Election | null,
  say: Say,
): Promise<void> {
  const reporter = createProblemReporter(say);
  const defined = new Map(
    election?.locations.flatMap(({ id, name }) => [
      [comparisonKey(name), id as string],
      [comparisonKey(id), id as string],
    ]),
  );
  for (let page = staged.position + 1, empty = 0; staged.voters < voters; page++) {
    const { people, problems } = await fetchPage(api, page);
    reporter.tell(problems);
    const located = election === null ? people : people.flatMap((each) => relocate(each, defined));
    if (located.length < people.length) reporter.tell([elsewhere(api.url.host, page, people.length - located.length)]);
    const wanted = located.slice(0, voters - staged.voters);
    const repeated = await staged.add(wanted, page);
    empty = repeated.length === wanted.length ? empty + 1 : 0;
    if (empty === EMPTY_PAGES_MAX)
      throw new OperationalError('SOURCE_UNREACHABLE', {
        message: `${api.url.host} gave no new person on ${EMPTY_PAGES_MAX} pages up to page ${page}; ${staged.voters} of ${voters} voters have come`,
        nextStep:
          staged.voters === 0
            ? 'Check the address, its query and what the service answers; nobody was registered.'
            : `Start again with --fresh --voters ${staged.voters}, or check what the service answers.`,
      });
  }
  reporter.end();
}

const relocate = (located: LocatedPerson, defined: ReadonlyMap<string, string>): LocatedPerson[] => {
  const location = defined.get(comparisonKey(located.location));
  return location === undefined ? [] : [{ ...located, location }];
};

const elsewhere = (host: string, page: number, people: number): InputProblem => ({
  file: `${host} page ${page}`,
  line: null,
  column: 'location',
  reason: `${people} people live where the election has no location`,
  nextStep: 'add the locations to the election file, or leave it out to take them from the people',
});
