import type { Results } from '../../src/domain/results/results.ts';
import { chooseContest, contest } from '../live/store.ts';
import { formatCount } from '../text/format.ts';
import { Name } from '../text/name.tsx';

/** More buttons would fill the page; a list of names is quicker. */
const CONTEST_BUTTONS_MAX = 5;

export function ContestChooser({ state }: { state: Results }) {
  const { contests } = state;
  const chosen = contest.value;
  if (contests.length < 2 || chosen === null) return null;
  if (contests.length <= CONTEST_BUTTONS_MAX)
    return (
      <fieldset class="contests">
        <legend>Contest</legend>
        {contests.map(({ id, name }) => (
          <button type="button" key={id} aria-pressed={id === chosen.id} onClick={() => chooseContest(id)}>
            <Name>{name}</Name>
          </button>
        ))}
      </fieldset>
    );
  return (
    <p class="contests">
      <label>
        Contest
        <input
          type="search"
          list="contest-names"
          placeholder={`Search ${formatCount(contests.length)} contests`}
          onChange={(event) => {
            const found = contests.find(({ name }) => name === event.currentTarget.value);
            if (found === undefined) return;
            chooseContest(found.id);
            event.currentTarget.value = '';
          }}
        />
      </label>
      <datalist id="contest-names">
        {contests.map(({ id, name }) => (
          <option key={id} value={name} />
        ))}
      </datalist>
      <label>
        <span class="unseen">All contests</span>
        <select value={chosen.id} onChange={(event) => chooseContest(event.currentTarget.value)}>
          {contests.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </p>
  );
}
