/**
 * Named places where a test can make the process die, each side of everything that becomes durable. TALLYROOM_CRASH_AT=NAME kills at the first
 * passing, NAME#3 at the third. The kill is SIGKILL: no handler runs, nothing is flushed, as when the machine takes the process away.
 */
export const CRASH_POINTS = {
  'postgres.before-init': 'No cluster directory exists yet.',
  'postgres.after-init': 'The cluster was made in its temporary directory and is not yet renamed into place.',
  'postgres.before-start': 'The cluster is in place, its server is not running.',
  'postgres.after-start': 'The server runs, this process holds no lock on it yet.',
  'postgres.before-stop': 'This process is the last user and is about to stop the server.',
  'postgres.after-stop': 'The server has stopped, this process has not ended yet.',
  'migrate.before-commit': 'A migration has run and is not committed.',
  'migrate.after-commit': 'A migration is committed, the next has not begun.',
  'define.before-commit': 'An election is written to its tables and to topic definition, not committed.',
  'define.after-commit': 'The definition is committed, no voter is registered.',
  'register.before-log-append': 'Voters of a batch are written, its log batch is not.',
  'register.after-log-append': 'The log batch of voters is written too, in the same open transaction.',
  'register.before-commit': 'A batch of voters is written with its log batch and source offset, not committed.',
  'register.after-commit': 'A batch of voters is committed and not yet reported as progress.',
  'vote.before-log-append': 'Participation and votes of a batch are written, its log batch is not.',
  'vote.after-log-append': 'The log batch is written too, in the same open transaction.',
  'vote.before-commit': 'Everything of a batch of votes is written, not committed.',
  'vote.after-commit': 'A batch of votes is committed, its readers may not have been woken.',
  'votes-end.before-commit': 'The end of the votes of a partition is written, not committed.',
  'votes-end.after-commit': 'The end of the votes of a partition is committed, the stage has not ended yet.',
  'relay.before-publish': 'Committed batches are read from table log, nothing of them is in Kafka.',
  'relay.before-commit': 'Records and position are in an open transaction of Kafka, not committed.',
  'relay.after-commit': 'The batches are in Kafka with the position, and still in table log.',
  'relay.after-prune': 'The batches are removed from table log, nobody has been told.',
  'count.before-flush': 'Votes are folded in memory, no result record of them is written.',
  'count.before-checkpoint': 'The changed results are written, the checkpoint that covers them is not committed.',
  'compact.before-commit': 'A topic is rewritten as one batch, not committed.',
  'compact.after-commit': 'A topic is compacted, the writer does not know it yet.',
  'count.after-checkpoint': 'Results and checkpoint are committed, nobody has been told yet.',
} as const;

/** The name of a crash point. */
export type CrashPoint = keyof typeof CRASH_POINTS;

const [target, nth = '1'] = (process.env.TALLYROOM_CRASH_AT ?? '').split('#');
let passings = 0;

/** Dies here, at once and without a trace, when the environment asks for it; costs one comparison otherwise. */
export function crashPoint(name: CrashPoint): void {
  if (name !== target) return;
  passings += 1;
  if (passings < Number(nth)) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal is delivered at once on Linux; waiting here makes it certain everywhere that nothing after this line happens.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
