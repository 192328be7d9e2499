/** What can go wrong in operation, by name. A code is what tests and callers tell cases apart by; it never changes its meaning. */
export type ErrorCode =
  | 'USAGE'
  | 'PORT_IN_USE'
  | 'DATABASE_UNREACHABLE'
  | 'DATABASE_START_FAILED'
  | 'DATABASE_UNSAFE'
  | 'DATABASE_FAILED'
  | 'KAFKA_UNREACHABLE'
  | 'KAFKA_REFUSED'
  | 'KAFKA_FAILED'
  | 'DATA_DIRECTORY_VERSION'
  | 'DATA_DIRECTORY_UNUSABLE'
  | 'DISK_FULL'
  | 'FENCED'
  | 'INPUT_REFUSED'
  | 'SOURCE_UNREACHABLE'
  | 'ELECTION_DIFFERS'
  | 'NO_ELECTION'
  | 'LOG_DAMAGED'
  | 'SPARK_UNREACHABLE'
  | 'SPARK_REFUSED'
  | 'SPARK_FAILED'
  | 'TOOL_MISSING'
  | 'STACK_FAILED';

/** What an operational error tells: the fact, and what the reader can do next. */
export type ErrorDetails = {
  /** What happened, with the value that caused it. */
  message: string;
  /** What to do now, as one imperative sentence. */
  nextStep: string;
  /** True where the same call may succeed later without anyone changing anything. Default false. */
  canRetry?: boolean;
  cause?: unknown;
};

/** An error that is expected in operation: shown to the user as message and next step, without a stack unless --debug. */
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
