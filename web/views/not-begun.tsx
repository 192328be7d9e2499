import type { Results } from '../../src/domain/results/results.ts';
import { Name } from '../text/name.tsx';

/** The contests and their candidates, before any count is published: without a single number. */
export function NotBegun({ state }: { state: Results }) {
  return (
    <div class="not-begun">
      {state.contests.map(({ id, name, candidates }) => (
        <section key={id} aria-label={name}>
          <h2>
            <Name>{name}</Name>
          </h2>
          <ul>
            {candidates.map((candidate) => (
              <li key={candidate.id}>
                <span class="name">
                  <Name>{candidate.name}</Name>
                </span>
                {candidate.party !== null && (
                  <span class="party">
                    <Name>{candidate.party}</Name>
                  </span>
                )}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}
