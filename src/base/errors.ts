/** The exit code where a person must correct the command or its input. */
const CORRECT_IT = 2;
/** The exit code where a server, service or tool is missing: the same command may succeed later. */
const MISSING = 3;

/**
 * Everything that can end a command in operation, by name: the exit code, and what happened in one
 * sentence. Tests and callers tell cases apart by the name; it never changes its meaning. The
 * manual's table is made from this one.
 */
export const ERROR_CODES = {
  USAGE: { exitCode: CORRECT_IT, meaning: 'An option or a name on the command line is wrong.' },
  PORT_IN_USE: { exitCode: 1, meaning: 'Another program listens on the port.' },
  ADDRESS_UNUSABLE: { exitCode: CORRECT_IT, meaning: 'The dashboard cannot listen at --host and --port.' },
  DATABASE_UNREACHABLE: {
    exitCode: MISSING,
    meaning: 'PostgreSQL does not answer, refuses the user, or the connection is not secure.',
  },
  DATABASE_START_FAILED: { exitCode: MISSING, meaning: 'The bundled PostgreSQL does not start.' },
  DATABASE_UNSAFE: {
    exitCode: 1,
    meaning: 'PostgreSQL is set up so that a committed vote could be lost or counted twice.',
  },
  DATABASE_UNSUITABLE: {
    exitCode: CORRECT_IT,
    meaning: 'The database is read-only, not in UTF-8, without a schema for tables, or has too few connections.',
  },
  DATABASE_FAILED: { exitCode: 1, meaning: 'PostgreSQL refused a statement, or a table was changed by hand.' },
  KAFKA_UNREACHABLE: { exitCode: MISSING, meaning: 'Kafka does not answer, or a partition has no leader.' },
  KAFKA_REFUSED: { exitCode: MISSING, meaning: 'Kafka refuses the user, or the connection is not secure.' },
  KAFKA_FAILED: { exitCode: 1, meaning: 'Kafka refused a request, or a topic is not as the election needs it.' },
  DATA_DIRECTORY_VERSION: { exitCode: 1, meaning: 'The data directory belongs to another version of PostgreSQL.' },
  DATA_DIRECTORY_UNUSABLE: { exitCode: 1, meaning: 'The data directory cannot be used, or holds other files.' },
  DISK_FULL: { exitCode: 1, meaning: 'A disk has no space left.' },
  FENCED: { exitCode: 1, meaning: 'Another process has taken over the work of this one.' },
  INPUT_REFUSED: { exitCode: CORRECT_IT, meaning: 'An input file or topic is refused until it is corrected.' },
  SOURCE_UNREACHABLE: {
    exitCode: MISSING,
    meaning: 'The service that gives the people does not answer, or has too few people.',
  },
  ELECTION_DIFFERS: {
    exitCode: CORRECT_IT,
    meaning: 'There is an election with this id already, and it was made from other inputs.',
  },
  NO_ELECTION: { exitCode: CORRECT_IT, meaning: 'There is no such election here, or it is not defined yet.' },
  LOG_DAMAGED: {
    exitCode: 1,
    meaning:
      'Records of the log are missing or were changed, or PostgreSQL and Kafka hold states of different moments.',
  },
  SPARK_UNREACHABLE: { exitCode: MISSING, meaning: 'The Spark Connect server does not answer.' },
  SPARK_REFUSED: { exitCode: MISSING, meaning: 'The Spark Connect server refuses the connection.' },
  SPARK_FAILED: { exitCode: 1, meaning: 'Spark cannot run the query that counts.' },
  TOOL_MISSING: { exitCode: MISSING, meaning: 'A program that the stack needs is not installed.' },
  STACK_FAILED: {
    exitCode: MISSING,
    meaning: 'A server of the stack does not start, or there is no such stack or server.',
  },
} as const satisfies Record<string, { readonly exitCode: 1 | 2 | 3; readonly meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The content of an operational error: the fact, and what the reader can do next. */
export type ErrorDetails = {
  /** The event, with the value that caused it. */
  message: string;
  /** The next step of the reader, as one imperative sentence. */
  nextStep: string;
  /**
   * True where the same call may succeed later although nobody has changed anything. Default false.
   */
  canRetry?: boolean;
  cause?: unknown;
};

/**
 * An error that is expected in operation: shown to the user as message and next step, without a
 * stack unless --debug.
 */
export class OperationalError extends Error {
  override readonly name = 'OperationalError';
  readonly code: ErrorCode;
  readonly nextStep: string;
  readonly canRetry: boolean;

  constructor(code: ErrorCode, details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.nextStep = details.nextStep;
    this.canRetry = details.canRetry ?? false;
  }
}
