import type { Results } from '../../src/domain/results/results.ts';

/** The contests and their candidates, before any count is published: without a single number. */
export function NotBegun({ state }: { state: Results }) {
  return (
    <div class="not-begun">
      {state.contests.map(({ id, name, candidates }) => (
        <section key={id} aria-label={name}>
          <h2>{name}</h2>
          <ul>
            {candidates.map((candidate) => (
              <li key={candidate.id}>
                <span class="name">{candidate.name}</span>
                {candidate.party !== null && <span class="party">{candidate.party}</span>}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}
