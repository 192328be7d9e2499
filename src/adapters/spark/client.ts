import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { explainCall } from './explain.ts';
import type { SparkRemote } from './remote.ts';
import { type CommandSchema, type ExecutePlanResponse, PlanSchema, SparkConnectService } from './spark-connect_pb.ts';

/**
 * A server that does not answer within this time counts as gone. Starting a query takes a second or
 * two, and longer on a busy server.
 */
const CALL_MS_MAX = 60_000;
/**
 * The client notices a peer that vanished without closing its connection after the sum of these.
 */
const PING_INTERVAL_MS = 10_000;
/** A peer that does not answer a ping in this time is gone. */
const PING_TIMEOUT_MS = 10_000;
const CLIENT_TYPE = 'tallyroom';

export interface SparkSession {
  readonly session_id: string;
  readonly user_id: string;
}

/**
 * One connection to a Spark Connect server. Every call may throw SPARK_UNREACHABLE, SPARK_REFUSED
 * or SparkError.
 */
export interface SparkClient extends Disposable {
  configure(session: SparkSession, pairs: Readonly<Record<string, string>>): Promise<void>;
  /** Runs a command. @returns the answers of the server, without the empty messages. */
  run(
    session: SparkSession,
    command: MessageInitShape<typeof CommandSchema>,
  ): Promise<ExecutePlanResponse['responseType'][]>;
  close(): void;
}

/**
 * A server that does not speak HTTP/2 first fails the stream, and then the connection. The manager
 * listens no longer by then, and the second error without a listener would end the process.
 */
class HeardSessions extends Http2SessionManager {
  override async request(...parameters: Parameters<Http2SessionManager['request']>) {
    const stream = await super.request(...parameters);
    // One listener for all requests of a connection.
    stream.session?.off('error', ignore).on('error', ignore);
    return stream;
  }
}

const ignore = (): void => {};

/**
 * Makes a client. It connects at the first call. It checks certificates against Node's own list and
 * NODE_EXTRA_CA_CERTS.
 */
export function openSparkClient(remote: SparkRemote): SparkClient {
  const baseUrl = `${remote.use_ssl ? 'https' : 'http'}://${remote.host}:${remote.port}`;
  const sessionManager = new HeardSessions(baseUrl, {
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

  const close = (): void => sessionManager.abort();
  return {
    async configure(session, pairs) {
      const entries = Object.entries(pairs).map(([key, value]) => ({ key, value }));
      try {
        await client.config({
          ...header(session),
          operation: { opType: { case: 'set', value: { pairs: entries } } },
        });
      } catch (error) {
        throw explainCall(error, where);
      }
    },
    async run(session, command) {
      const plan = create(PlanSchema, { opType: { case: 'command', value: command } });
      const answers: ExecutePlanResponse['responseType'][] = [];
      try {
        for await (const { responseType } of client.executePlan({ ...header(session), plan }))
          if (responseType.case !== undefined) answers.push(responseType);
      } catch (error) {
        throw explainCall(error, where);
      }
      return answers;
    },
    close,
    [Symbol.dispose]: close,
  };
}
