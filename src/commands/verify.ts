import { definitionOf } from '../ports/elections.ts';
import type { Check } from '../stages/verify/check.ts';
import { verify } from '../stages/verify.ts';
import { type Command, EXIT, findElection, withBackend } from './shared.ts';

export const command: Command = (config, terminal) =>
  withBackend(config, terminal, async (backend, progress) => {
    const entry = await findElection(backend, config.id);
    progress.say(`Counting election ${entry.id} again, from the log and from PostgreSQL.`);
    await using log = await backend.openLog(entry);
    const reconciliation = await verify(entry, log, backend, terminal.signal);
    if (config.json) terminal.stdout.write(`${JSON.stringify(reconciliation)}\n`);
    else {
      for (const check of reconciliation.checks) terminal.stdout.write(describe(check));
      for (const [reason, n] of Object.entries(reconciliation.rejections))
        terminal.stdout.write(`      refused as ${reason}: ${n}\n`);
      for (const note of reconciliation.notes) terminal.stdout.write(`note  ${note}\n`);
      const verdict = reconciliation.passed ? 'Everything agrees' : 'THE RECOUNT DISAGREES';
      const what = definitionOf(entry).source === 'returns' ? 'reported numbers' : 'votes';
      terminal.stdout.write(`${verdict}: ${reconciliation.votes.toLocaleString('en-GB')} ${what}.\n`);
    }
    return reconciliation.passed ? EXIT.done : EXIT.check_failed;
  });

const describe = ({ name, passed, differences }: Check): string =>
  `${passed ? 'ok   ' : 'FAIL '} ${name}\n${differences.map((difference) => `      ${difference}\n`).join('')}`;
