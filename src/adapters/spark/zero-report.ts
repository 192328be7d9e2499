import { fractionOf } from '../../domain/counts.ts';
import { candidateKey, partyNames } from '../../domain/election/election.ts';
import { ballotsKey, progressKey, TOTALS_KEY } from '../../domain/log/records.ts';
import type { OutgoingRecord } from '../../ports/log.ts';
import type { Description } from './statement.ts';

/** The fields that all records of one generation share. */
export interface ReportHeader {
  readonly definition: string;
  readonly partitions: number;
  readonly epoch: number;
  /** ISO 8601. */
  readonly as_of: string;
}

/**
 * The results before the first vote, under the keys of count.sql. They show readers of the topics
 * that the count began at zero.
 */
export function zeroReport({ election, revision }: Description, header: ReportHeader): OutgoingRecord[] {
  const { definition, partitions, epoch, as_of } = header;
  const partyOf = partyNames(election);
  const record = (topic: OutgoingRecord['topic'], key: string, value: object): OutgoingRecord => ({
    topic,
    key,
    value: JSON.stringify({ ...value, epoch, as_of }),
  });
  return [
    record('results-by-location', TOTALS_KEY, {
      ballots: 0,
      marks: 0,
      overvotes: 0,
      malformed: 0,
      other_definition: 0,
      definition,
      revision,
    }),
    ...Array.from({ length: partitions }, (_, partition) =>
      record('results-by-location', progressKey(partition), { partition, votes: 0, seq_end: 0, is_dense: true }),
    ),
    ...election.locations.flatMap(({ id, name, registered_voters }) => [
      record('results-by-location', ballotsKey(id), { location_id: id, ballots_cast: 0 }),
      record('turnout-by-location', id, {
        location_id: id,
        name,
        registered_voters,
        ballots_cast: 0,
        turnout: fractionOf(0, registered_voters),
        revision,
      }),
    ]),
    ...election.candidates.map((candidate) => {
      const { id, contest_id, name } = candidate;
      return record('votes-per-candidate', candidateKey(contest_id, id), {
        contest_id,
        candidate_id: id,
        name,
        party: partyOf(candidate),
        votes: 0,
        revision,
      });
    }),
  ];
}
