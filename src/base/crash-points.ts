/**
 * Named places where a test can make the process die: one on each side of everything that becomes
 * durable. TALLYROOM_CRASH_AT=NAME kills at the first passing, NAME#3 at the third. The kill is
 * SIGKILL: no handler runs and nothing is flushed, as when the system is out of memory. `now` says
 * what is true at the place. `next` says how the election goes on after the crash.
 */
export const CRASH_POINTS = {
  'postgres.before-init': {
    now: 'PostgreSQL has no data directory yet.',
    next: 'The next start makes it.',
  },
  'postgres.after-init': {
    now: 'The data directory of PostgreSQL was made under a temporary name and is not renamed.',
    next: 'The next start removes it and makes another.',
  },
  'postgres.before-start': {
    now: 'The data directory of PostgreSQL is in place; its server does not run.',
    next: 'The next start starts the server.',
  },
  'postgres.after-start': {
    now: 'The server runs; this process holds no lock on it yet.',
    next: 'The next start takes the server over.',
  },
  'postgres.before-stop': {
    now: 'This process is the last user, has let go, and is about to stop the server.',
    next: 'The server runs on; the next start takes it over.',
  },
  'postgres.after-stop': {
    now: 'The server has stopped cleanly; this process has not ended yet.',
    next: 'The next start starts the server.',
  },
  'migrate.before-commit': {
    now: 'The migrations have run and are not committed.',
    next: 'PostgreSQL undoes all migrations of this start; the next start runs them again.',
  },
  'migrate.after-commit': {
    now: 'The migrations are committed; nothing else was done yet.',
    next: 'The next start goes on with what is missing.',
  },
  'define.before-commit': {
    now: 'The definition is written to its tables and to topic definition, and is not committed.',
    next: 'PostgreSQL undoes it; the next start defines the election again.',
  },
  'define.after-commit': {
    now: 'The definition is committed; no voter is registered.',
    next: 'The next start begins the registration.',
  },
  'register.before-log-append': {
    now: 'The voters of a batch are written; its log batch is not.',
    next: 'PostgreSQL undoes the batch; the next start registers it again.',
  },
  'register.after-log-append': {
    now: 'The log batch of voters is written too, in the same open transaction.',
    next: 'PostgreSQL undoes the batch; the next start registers it again.',
  },
  'register.before-commit': {
    now: 'A batch of voters is written with its log batch and source offset, and is not committed.',
    next: 'PostgreSQL undoes the batch; the next start registers it again.',
  },
  'register.after-commit': {
    now: 'A batch of voters is committed; nobody was told of the progress.',
    next: 'The source offset tells the next start where to go on.',
  },
  'vote.before-log-append': {
    now: 'Participation, votes and the batch row are written; the log batch is not.',
    next: 'PostgreSQL undoes the batch; its votes are taken again from the source offset, and are the same.',
  },
  'vote.after-log-append': {
    now: 'The log batch is written too, in the same open transaction.',
    next: 'PostgreSQL undoes the batch; its votes are taken again from the source offset, and are the same.',
  },
  'vote.before-commit': {
    now: 'Everything of a batch of votes is written and not committed.',
    next: 'PostgreSQL undoes the batch; its votes are taken again from the source offset, and are the same.',
  },
  'vote.after-commit': {
    now: 'A batch of votes is committed; its readers may not have been woken.',
    next: 'The source offset tells the next start where to go on; readers find the batch at their next read.',
  },
  'votes-end.before-commit': {
    now: 'The end of the votes of a partition is written and not committed.',
    next: 'PostgreSQL undoes it; the next process that claims the partition writes it.',
  },
  'votes-end.after-commit': {
    now: 'The end of the votes of a partition is committed; the stage has not ended yet.',
    next: 'The next start finds it written.',
  },
  'roll-change.before-commit': {
    now: 'Late voters are added or removed, with a new description, and not committed.',
    next: 'The transaction is undone; the same file makes the change.',
  },
  'roll-change.after-commit': {
    now: 'The change of the roll is committed; nobody was told.',
    next: 'The same file changes nothing more.',
  },
  'report.before-commit': {
    now: 'An upload of returns is written to table and topic, and is not committed.',
    next: 'The transaction is undone; the same file makes the same upload.',
  },
  'report.after-commit': {
    now: 'An upload of returns is committed; nobody was told.',
    next: 'The same file changes nothing more.',
  },
  'relay.before-publish': {
    now: 'Committed batches are read from table log; nothing of them is in Kafka.',
    next: 'The next relay publishes them.',
  },
  'relay.before-commit': {
    now: 'Records and position are in an open transaction of Kafka and not committed.',
    next: "The next relay's start aborts the transaction; readers never see its records.",
  },
  'relay.after-commit': {
    now: 'The batches are in Kafka with the position, and still in table log.',
    next: 'The next relay finds them published and removes them.',
  },
  'relay.after-prune': {
    now: 'The batches are removed from table log; nobody was told.',
    next: 'Readers find them at their next read.',
  },
  'count.before-flush': {
    now: 'Votes are folded in memory; no result record of them is written.',
    next: 'The next counter folds them again from the last checkpoint.',
  },
  'count.before-checkpoint': {
    now: 'The changed results and the checkpoint are written and not committed.',
    next: 'The transaction is undone; the last checkpoint holds.',
  },
  'compact.before-commit': {
    now: 'A topic is rewritten as one batch and not committed.',
    next: 'The transaction is undone; the topic is as before.',
  },
  'compact.after-commit': {
    now: 'A topic is compacted; the writer does not know it yet.',
    next: 'The next writer counts the records anew.',
  },
  'count.after-checkpoint': {
    now: 'Results and checkpoint are committed; nobody was told.',
    next: 'Readers find them at their next read.',
  },
} as const satisfies Record<string, { readonly now: string; readonly next: string }>;

/** The name of a crash point. */
export type CrashPoint = keyof typeof CRASH_POINTS;

const [target, nth = '1'] = (process.env.TALLYROOM_CRASH_AT ?? '').split('#');
let passings = 0;

/**
 * Dies here, at once and without a trace, when the environment asks for it. It costs one comparison
 * otherwise.
 */
export function crashPoint(name: CrashPoint): void {
  if (name !== target) return;
  passings += 1;
  if (passings < Number(nth)) return;
  process.kill(process.pid, 'SIGKILL');
  // Linux delivers the signal at once. The wait makes sure everywhere that no later line runs.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
