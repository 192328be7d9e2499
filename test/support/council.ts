/** A small council election with real cast votes: an election file, its roll, and votes for it. */

export const COUNCIL = {
  id: 'council',
  name: 'Council',
  contests: [{ id: 'mayor' }, { id: 'board', vote_for: 2, seats: 2, location_ids: ['north'] }],
  candidates: [
    { name: 'Ada', contest_id: 'mayor' },
    { name: 'Bob', contest_id: 'mayor' },
    { name: 'Cy', contest_id: 'board' },
    { name: 'Di', contest_id: 'board' },
    { name: 'Ed', contest_id: 'board' },
  ],
  locations: [
    { id: 'north', name: 'North' },
    { id: 'south', name: 'South' },
  ],
};

/** Voters N0001... live in the north, S0001... in the south. */
export const numberOf = (location: 'north' | 'south', ordinal: number): string =>
  `${location === 'north' ? 'N' : 'S'}${String(ordinal).padStart(4, '0')}`;

/** The same number of voters in each location, numbered from 1. */
export function councilRoll(votersEach: number): string {
  const lines = ['registration_number,location_id,name'];
  for (const location of ['north', 'south'] as const)
    for (let ordinal = 1; ordinal <= votersEach; ordinal++)
      lines.push(`${numberOf(location, ordinal)},${location},Voter ${ordinal} of ${location}`);
  return `${lines.join('\n')}\n`;
}
