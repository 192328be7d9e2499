import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import type { ReplayedVotes } from '../src/domain/ballots/replay.ts';
import type { Election } from '../src/domain/election/election.ts';
import type { Backend } from '../src/ports/backend.ts';
import type { ElectionEntry } from '../src/ports/elections.ts';
import type { MakingArguments } from '../src/registration/making.ts';
import { type BackendOptions, openBackend } from '../src/wire/backend.ts';

export const print = (figure: object): void => void process.stdout.write(`${JSON.stringify(figure)}\n`);

export const conditions = (): object => ({
  node: process.version,
  cpu: cpus()[0]?.model.trim(),
  cores: cpus().length,
  memory_gb: Math.round(totalmem() / 2 ** 30),
});

/** A backend on the bundled PostgreSQL, in a directory that is removed afterwards. */
export async function withFreshBackend<Value>(
  work: (backend: Backend, dataDir: string) => Promise<Value>,
  servers: Partial<Pick<BackendOptions, 'databaseUrl' | 'kafka' | 'sparkRemote'>> = {},
): Promise<Value> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tallyroom-bench-'));
  chmodSync(dataDir, 0o755);
  try {
    const backend = await openBackend({
      dataDir: dataDir,
      databaseUrl: process.env.DATABASE_URL ?? null,
      kafka: null,
      sparkRemote: null,
      ...servers,
      onProgress: () => {},
    });
    try {
      return await work(backend, dataDir);
    } finally {
      await backend.close();
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const LOCATIONS = 87;
const CANDIDATES = 9;

/**
 * An election of the shape of Minnesota's: 87 counties of very unequal size, 9 candidates, two of
 * whom get nearly all votes; replayed, so that every vote is known beforehand. All voters vote.
 */
export async function makeReplay(backend: Backend, votes: number, partitions = 2): Promise<ElectionEntry> {
  const names = Array.from(
    { length: CANDIDATES },
    (_, number) => `Candidate ${number + 1} and Running Mate ${number + 1}`,
  );
  const making: MakingArguments = {
    kind: 'results',
    voters: null,
    turnout: null,
    scale: null,
    api: null,
    files: {},
    paths: {},
  };
  const entry = await backend.elections.create({
    id: `bench-${votes}-${randomBytes(4).toString('hex')}` as ElectionEntry['id'],
    name: 'Benchmark',
    arguments: making,
    seed: '1',
    partitions,
  });
  const replayed: ReplayedVotes[] = [];
  const sizes = Array.from({ length: LOCATIONS }, () => 0);
  let left = votes;
  for (let location = 0; location < LOCATIONS; location++) {
    const size = location === LOCATIONS - 1 ? left : Math.floor(left * 0.05);
    left -= size;
    sizes[location] = size;
    let rest = size;
    for (let candidate = 0; candidate < CANDIDATES; candidate++) {
      const share =
        candidate === CANDIDATES - 1 ? rest : Math.floor(rest * (candidate < 2 ? 0.5 + candidate * 0.4 : 0.3));
      rest -= share;
      replayed.push({ location, candidate, votes: share });
    }
  }
  const election = benchmarkElection(entry.id, names, sizes);
  return backend.elections.define(entry, election, replayed);
}

/** @param registered by location: the registered voters, null where they are unknown. */
export const benchmarkElection = (
  id: Election['id'],
  candidates: readonly string[],
  registered: readonly (number | null)[],
): Election => ({
  id,
  name: 'Benchmark',
  date: null,
  is_test: true,
  source: 'ballots',
  contests: [{ id: 'us-president' as never, name: 'President', vote_for: 1, seats: 1, location_ids: null }],
  parties: [],
  candidates: candidates.map((name) => ({
    id: name as never,
    contest_id: 'us-president' as never,
    name,
    party_id: null,
    aggregate: false,
    biography: null,
    platform: null,
    photo: null,
  })),
  locations: registered.map((registered_voters, number) => ({
    id: String(27001 + 2 * number) as never,
    name: `County ${number + 1}`,
    type: 'county',
    parent_id: null,
    registered_voters,
  })),
  parents: [],
});

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
