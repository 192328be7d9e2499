import { Code, ConnectError } from '@connectrpc/connect';
import { OperationalError } from '../../base/errors.ts';
import { codeOf, isTrustError } from '../../base/tls-errors.ts';

/**
 * An error that the server answers, with the condition of Spark (`[TABLE_OR_VIEW_NOT_FOUND] ...`)
 * where it names one.
 */
export class SparkError extends Error {
  override readonly name = 'SparkError';
  readonly condition: string | null;

  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.condition = conditionOf(message);
  }
}

const conditionOf = (message: string): string | null => /\[([A-Z][A-Z0-9_.]+)\]/.exec(message)?.[1] ?? null;

/**
 * Explains a failed call. A retry may help where the server cannot be reached or went away in the
 * middle. It cannot help where the server refuses our identity.
 */
export function explainCall(error: unknown, where: string): Error {
  const failure = ConnectError.from(error);
  if (failure.code === Code.Unauthenticated || failure.code === Code.PermissionDenied || isUntrusted(failure))
    return new OperationalError('SPARK_REFUSED', {
      message: `the Spark Connect server at ${where} refuses the connection: ${wordsIn(failure.rawMessage)}`,
      nextStep: NO_TLS.test(failure.rawMessage)
        ? 'Take use_ssl and token out of SPARK_REMOTE where the server speaks no TLS; otherwise correct the address, since another program seems to listen there.'
        : 'Check the address, token and use_ssl in SPARK_REMOTE; name the authority of its certificate in NODE_EXTRA_CA_CERTS.',
      cause: error,
    });
  if (UNREACHABLE.has(failure.code) || hasSocketError(failure))
    return new OperationalError('SPARK_UNREACHABLE', {
      message: `the Spark Connect server at ${where} does not answer: ${failure.rawMessage}`,
      nextStep:
        'Start it, or correct SPARK_REMOTE: the address, and use_ssl=true where the server speaks TLS. Counting goes on from its checkpoint.',
      canRetry: true,
      cause: error,
    });
  if (failure.code === Code.Unimplemented)
    return new OperationalError('SPARK_REFUSED', {
      message: `the server at ${where} does not know the calls of Spark Connect: ${failure.rawMessage}`,
      nextStep: 'Correct the address in SPARK_REMOTE: another program, or an older Spark, seems to listen there.',
      cause: error,
    });
  return new SparkError(failure.rawMessage, error);
}

/** The first bytes of the peer are none of TLS. */
const NO_TLS = /:(wrong version number|http request):/;
/** OpenSSL writes numbers and places in its source around the reason. */
const wordsIn = (message: string): string => /:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1] ?? message;

const UNREACHABLE: ReadonlySet<Code> = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Canceled, Code.Aborted]);

const causes = function* (error: unknown): Generator<Error> {
  for (let at = error; at instanceof Error; at = at.cause) yield at;
};

const hasSocketError = (failure: Error): boolean =>
  [...causes(failure)].some((cause) => /^(E[A-Z]+|ERR_HTTP2_|ERR_STREAM_)/.test(codeOf(cause)));

/** The client of HTTP/2 gives every failed handshake the code EPROTO. */
const isUntrusted = (failure: Error): boolean =>
  [...causes(failure)].some((cause) => isTrustError(cause) || codeOf(cause) === 'EPROTO');

/**
 * Failures that end a query and pass by themselves: a broker that is away, a lost executor, a task
 * that the loss has cut off.
 */
const PASSING = new RegExp(
  [
    'errors\\.(Timeout|Disconnect|Network|NotLeaderOrFollower|LeaderNotAvailable|CoordinatorNotAvailable|NotEnoughReplicas)',
    'TimeoutException',
    'ConnectException',
    'ExecutorLost|executor lost|Executor heartbeat|Worker lost|ExecutorDeadException',
    'FetchFailed',
    'NoBrokersAvailable|node assignment',
    'SparkContext (was|has been) shut ?down|stopped SparkContext',
  ].join('|'),
  'i',
);

/**
 * Turns an error of the server into an error with a code and a next step. Returns any other error
 * unchanged.
 */
export const explain = (error: unknown): unknown =>
  error instanceof SparkError ? explainFailure(error.message, error) : error;

/**
 * Spark repeats a cause after each wrapper and may add the whole plan. The first lines are enough.
 */
const MESSAGE_LENGTH_MAX = 600;

/** @param message the message of Spark. */
export function explainFailure(message: string, cause?: unknown): OperationalError {
  const condition = conditionOf(message);
  const canRetry = PASSING.test(message);
  return new OperationalError('SPARK_FAILED', {
    message: `Spark cannot count: ${shorten(message)}`,
    nextStep: nextStepOf(message, condition),
    canRetry,
    cause: cause ?? new Error(message),
  });
}

function shorten(message: string): string {
  const [first = ''] = message.split(/\n(?:==|\s+at |JVM stacktrace)/);
  const line = first.replace(/\s+/g, ' ').trim();
  return line.length > MESSAGE_LENGTH_MAX ? `${line.slice(0, MESSAGE_LENGTH_MAX)}...` : line;
}

function nextStepOf(message: string, condition: string | null): string {
  if (/checkpointLocation must be specified/i.test(message))
    return 'Start the Spark server with spark.sql.streaming.checkpointLocation: a folder that all of it can write and that stays.';
  if (/DATA_LOSS|UnknownTopicOrPartition|INCORRECT_RECOVERY|offsets? .*(changed|out of range|reset)/i.test(message))
    return 'Topic `votes` is not the one the checkpoint was made with: restore it, or start a new election with --fresh.';
  if (condition === 'DATA_SOURCE_NOT_FOUND' || /Failed to find data source: kafka/i.test(message))
    return 'Give the Spark server the package spark-sql-kafka-0-10 of its own version.';
  return "Read the Spark server's own log; counting goes on from its checkpoint once the cause is gone.";
}
