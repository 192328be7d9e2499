import { assert } from '../domain/assert.ts';
import { inspectReport, reportFile } from '../stages/report.ts';
import { readInputs } from './inputs.ts';
import { type Command, EXIT, findElection, withBackend } from './shared.ts';

export const command: Command = async (config, terminal, { positional }) => {
  assert(positional !== null, 'the command table asks for a file');
  await readInputs(config, terminal, () => inspectReport(positional));
  return await withBackend(config, terminal, async (backend, progress) => {
    const entry = await findElection(backend, config.id);
    await reportFile({ backend, entry, progress, signal: terminal.signal }, positional, config.reportedAt);
    return EXIT.done;
  });
};
