import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { OperationalError } from '../../base/errors.ts';
import type { SparkRemote } from './remote.ts';
import { type CommandSchema, type ExecutePlanResponse, PlanSchema, SparkConnectService } from './spark-connect_pb.ts';

/** No answer within this time, and the server counts as gone; starting a query takes a second or two, a busy server more. */
const CALL_MS_MAX = 60_000;
/** A peer that vanished without closing its connection is noticed after the sum of these. */
const PING_INTERVAL_MS = 10_000;
/** A peer that does not answer a ping in this time is gone. */
const PING_TIMEOUT_MS = 10_000;
const CLIENT_TYPE = 'tallyroom';

export interface SparkSession {
  readonly session_id: string;
  readonly user_id: string;
}

/** One connection to a Spark Connect server. Every call may throw SPARK_UNREACHABLE, SPARK_REFUSED or {@link SparkError}. */
export interface SparkClient {
  configure(session: SparkSession, pairs: Readonly<Record<string, string>>): Promise<void>;
  /** Runs a command. @returns what the server answers, without the empty messages. */
  run(
    session: SparkSession,
    command: MessageInitShape<typeof CommandSchema>,
  ): Promise<ExecutePlanResponse['responseType'][]>;
  close(): void;
}

/** What the server refused, with Spark's own condition (`[TABLE_OR_VIEW_NOT_FOUND] ...`) where it names one. */
export class SparkError extends Error {
  override readonly name = 'SparkError';
  readonly condition: string | null;

  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.condition = conditionOf(message);
  }
}

export const conditionOf = (message: string): string | null => /\[([A-Z][A-Z0-9_.]+)\]/.exec(message)?.[1] ?? null;

/** Opens no connection before the first call. Certificates are checked against Node's own list and NODE_EXTRA_CA_CERTS. */
export function openSparkClient(remote: SparkRemote): SparkClient {
  const baseUrl = `${remote.use_ssl ? 'https' : 'http'}://${remote.host}:${remote.port}`;
  const sessionManager = new Http2SessionManager(baseUrl, {
    pingIntervalMs: PING_INTERVAL_MS,
    pingTimeoutMs: PING_TIMEOUT_MS,
  });
  const interceptors: Interceptor[] = [];
  if (remote.token !== null)
    interceptors.push((next) => (request) => {
      request.header.set('authorization', `Bearer ${remote.token}`);
      return next(request);
    });
  const transport = createGrpcTransport({ baseUrl, sessionManager, interceptors, defaultTimeoutMs: CALL_MS_MAX });
  const client: Client<typeof SparkConnectService> = createClient(SparkConnectService, transport);
  const where = `${remote.host}:${remote.port}`;
  const header = ({ session_id, user_id }: SparkSession) => ({
    sessionId: session_id,
    userContext: { userId: user_id, userName: user_id },
    clientType: CLIENT_TYPE,
  });

  return {
    async configure(session, pairs) {
      const entries = Object.entries(pairs).map(([key, value]) => ({ key, value }));
      try {
        await client.config({
          ...header(session),
          operation: { opType: { case: 'set', value: { pairs: entries } } },
        });
      } catch (error) {
        throw translate(error, where);
      }
    },
    async run(session, command) {
      const plan = create(PlanSchema, { opType: { case: 'command', value: command } });
      const answers: ExecutePlanResponse['responseType'][] = [];
      try {
        for await (const { responseType } of client.executePlan({ ...header(session), plan }))
          if (responseType.case !== undefined) answers.push(responseType);
      } catch (error) {
        throw translate(error, where);
      }
      return answers;
    },
    close: () => sessionManager.abort(),
  };
}

/** A server that cannot be reached, or went away in the middle, is worth another try; one that refuses who we are is not. */
function translate(error: unknown, where: string): Error {
  const failure = ConnectError.from(error);
  if (failure.code === Code.Unauthenticated || failure.code === Code.PermissionDenied || isUntrusted(failure))
    return new OperationalError('SPARK_REFUSED', {
      message: `the Spark Connect server at ${where} refuses the connection: ${failure.rawMessage}`,
      nextStep:
        'Check token and use_ssl in SPARK_REMOTE; name the authority of its certificate in NODE_EXTRA_CA_CERTS.',
      cause: error,
    });
  if (UNREACHABLE.has(failure.code) || hasSocketError(failure))
    return new OperationalError('SPARK_UNREACHABLE', {
      message: `the Spark Connect server at ${where} does not answer: ${failure.rawMessage}`,
      nextStep: 'Start it, or correct SPARK_REMOTE; counting goes on from its checkpoint.',
      canRetry: true,
      cause: error,
    });
  return new SparkError(failure.rawMessage, error);
}

const UNREACHABLE: ReadonlySet<Code> = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Canceled, Code.Aborted]);

const causes = function* (error: unknown): Generator<Error> {
  for (let at = error; at instanceof Error; at = at.cause) yield at;
};

const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '');

const hasSocketError = (failure: Error): boolean =>
  [...causes(failure)].some((cause) => /^(E[A-Z]+|ERR_HTTP2_|ERR_STREAM_)/.test(codeOf(cause)));

const isUntrusted = (failure: Error): boolean =>
  [...causes(failure)].some((cause) =>
    /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO)/.test(codeOf(cause)),
  );
