import { OperationalError } from '../../base/errors.ts';
import { sha256 } from '../../base/sha256.ts';
import { openSparkClient, type SparkClient, type SparkSession } from './client.ts';
import { explain, explainFailure, SparkError } from './explain.ts';
import type { SparkRemote } from './remote.ts';
import type {
  StreamingQueryCommand,
  StreamingQueryCommandResult,
  StreamingQueryInstanceId,
} from './spark-connect_pb.ts';

/** The parts of a streaming query that are the same at each of its starts. */
export interface QueryPlan {
  /** Names the query in its session, and its checkpoint in the server's checkpoint folder. */
  readonly name: string;
  /** Settings of the session. */
  readonly configuration: Readonly<Record<string, string>>;
  /** The Kafka source, read as view `records`. */
  readonly source: Readonly<Record<string, string>>;
  readonly sink: Readonly<Record<string, string>>;
}

/**
 * `steady` goes on for ever. `last` finishes the batch that a stop has cut off, or runs one more
 * batch, and ends.
 */
export type Trigger = 'steady' | 'last';

export interface QueryProgress {
  readonly batch_id: number;
  /** The records of the source that the batch read, and their number a second. */
  readonly input_rows: number;
  readonly input_rows_per_s: number;
  readonly batch_ms: number;
}

/** A query that runs, or has ended, on the server. It outlives this process. */
export interface RunningQuery {
  /** Each start gives another id. */
  readonly run_id: string;
  isActive(): Promise<boolean>;
  /** Whether all records of the source are counted, and every row of them is in the sink. */
  isIdle(): Promise<boolean>;
  /** The progress of the last batch that is done, or null before the first. */
  progress(): Promise<QueryProgress | null>;
  /**
   * @throws OperationalError SPARK_FAILED with the error that ended the query, where there is one.
   */
  assertSound(): Promise<void>;
  /** Cuts off the current batch and waits until the query has ended. */
  stop(): Promise<void>;
}

export interface QueryHome {
  /** The query that any process has started in the session, or null. */
  find(): Promise<RunningQuery | null>;
  /**
   * Starts the query from its checkpoint.
   * @param statement the query in Spark SQL
   * @returns null where another process has started it meanwhile.
   */
  start(statement: string, trigger: Trigger): Promise<RunningQuery | null>;
}

/**
 * A session that was closed (it timed out, or was ended by hand) can never be used again. A query
 * may move on to this many sessions.
 */
const SESSIONS_MAX = 1_000;
const SESSION_ENDED = /^INVALID_HANDLE\.SESSION_(CLOSED|NOT_FOUND|CHANGED)$/;
/**
 * Where two processes start the query at once, Spark answers the later one with one of these. Each
 * belongs to another moment of the start.
 */
const NAME_TAKEN = /already active|with that name|concurrently using metadata|CONCURRENT_QUERY/;
/** The message of a query whose last look at the source found nothing new. */
const WAITING = 'Waiting for data to arrive';
const QUERY_GONE = /STREAMING_QUERY.*NOT_FOUND|query.*(not found|not valid|may be stopped)/i;

/**
 * The session in which the query of this plan lives. The ids of the session follow from the name of
 * the query, so any process finds it again.
 * @param user the owner of the sessions.
 */
export function openQueryHome(client: SparkClient, plan: QueryPlan, user: string): QueryHome {
  let number = 0;
  let configured: string | null = null;

  const inSession = async <Value>(work: (session: SparkSession) => Promise<Value>): Promise<Value> => {
    for (;;) {
      const session = { session_id: sessionId(plan.name, number), user_id: user };
      try {
        if (configured !== session.session_id) await client.configure(session, plan.configuration);
        configured = session.session_id;
        return await work(session);
      } catch (error) {
        if (!(error instanceof SparkError && SESSION_ENDED.test(error.condition ?? '')) || number === SESSIONS_MAX)
          throw explain(error);
        number++;
      }
    }
  };

  return {
    find: () => inSession((session) => findQuery(client, session, plan.name)),
    async start(statement, trigger) {
      try {
        return await inSession((session) => startQuery(client, session, plan, statement, trigger));
      } catch (error) {
        if (error instanceof OperationalError && NAME_TAKEN.test(error.message)) return null;
        throw error;
      }
    },
  };
}

/**
 * Sends the smallest request to the server.
 * @throws OperationalError SPARK_UNREACHABLE, SPARK_REFUSED or SPARK_FAILED.
 */
export async function reachSpark(remote: SparkRemote): Promise<void> {
  using client = openSparkClient(remote);
  try {
    await client.configure({ session_id: sessionId('reach', 0), user_id: remote.user_id ?? 'tallyroom' }, {});
  } catch (error) {
    throw explain(error);
  }
}

async function findQuery(client: SparkClient, session: SparkSession, name: string): Promise<RunningQuery | null> {
  const answers = await client.run(session, {
    commandType: { case: 'streamingQueryManagerCommand', value: { command: { case: 'active', value: true } } },
  });
  for (const answer of answers) {
    if (answer.case !== 'streamingQueryManagerCommandResult' || answer.value.resultType.case !== 'active') continue;
    const found = answer.value.resultType.value.activeQueries.find((each) => each.name === name);
    if (found?.id !== undefined) return runningQuery(client, session, found.id);
  }
  return null;
}

async function startQuery(
  client: SparkClient,
  session: SparkSession,
  plan: QueryPlan,
  statement: string,
  trigger: Trigger,
): Promise<RunningQuery> {
  const dataSource = { format: 'kafka', options: { ...plan.source } };
  await client.run(session, {
    commandType: {
      case: 'createDataframeView',
      value: {
        name: 'records',
        replace: true,
        input: {
          relType: { case: 'read', value: { isStreaming: true, readType: { case: 'dataSource', value: dataSource } } },
        },
      },
    },
  });
  const answers = await client.run(session, {
    commandType: {
      case: 'writeStreamOperationStart',
      value: {
        input: { relType: { case: 'sql', value: { query: statement } } },
        format: 'kafka',
        options: { ...plan.sink },
        trigger:
          trigger === 'last' ? { case: 'once', value: true } : { case: 'processingTimeInterval', value: '0 seconds' },
        outputMode: 'update',
        queryName: plan.name,
      },
    },
  });
  for (const answer of answers)
    if (answer.case === 'writeStreamOperationStartResult' && answer.value.queryId !== undefined)
      return runningQuery(client, session, answer.value.queryId);
  throw new SparkError('the server does not say which query it has started', null);
}

type Question = NonNullable<StreamingQueryCommand['command']['case']>;

function runningQuery(client: SparkClient, session: SparkSession, queryId: StreamingQueryInstanceId): RunningQuery {
  /** @returns null where the server no longer knows the query. */
  const ask = async (question: Question): Promise<StreamingQueryCommandResult['resultType'] | null> => {
    try {
      const answers = await client.run(session, {
        commandType: {
          case: 'streamingQueryCommand',
          value: { queryId, command: { case: question, value: true } },
        },
      });
      for (const answer of answers) if (answer.case === 'streamingQueryCommandResult') return answer.value.resultType;
      return null;
    } catch (error) {
      if (!(error instanceof SparkError)) throw error;
      if (QUERY_GONE.test(error.message) || SESSION_ENDED.test(error.condition ?? '')) return null;
      throw explain(error);
    }
  };
  return {
    run_id: queryId.runId,
    async isActive() {
      const answer = await ask('status');
      return answer?.case === 'status' && answer.value.isActive;
    },
    async isIdle() {
      const answer = await ask('status');
      if (answer?.case !== 'status') return false;
      const { isActive, isDataAvailable, isTriggerActive, statusMessage } = answer.value;
      return isActive && !isDataAvailable && !isTriggerActive && statusMessage === WAITING;
    },
    async progress() {
      const answer = await ask('lastProgress');
      const text = answer?.case === 'recentProgress' ? answer.value.recentProgressJson.at(-1) : undefined;
      return text === undefined ? null : parseProgress(text);
    },
    async assertSound() {
      const answer = await ask('exception');
      const message = answer?.case === 'exception' ? (answer.value.exceptionMessage ?? '') : '';
      if (message !== '') throw explainFailure(message);
    },
    async stop() {
      await ask('stop');
    },
  };
}

function parseProgress(text: string): QueryProgress | null {
  const { batchId, durationMs, sources }: ProgressJson = JSON.parse(text);
  const rows = sources?.[0]?.numInputRows ?? 0;
  const batch_ms = durationMs?.triggerExecution ?? 0;
  if (batchId === undefined) return null;
  return {
    batch_id: batchId,
    input_rows: rows,
    input_rows_per_s: batch_ms === 0 ? 0 : Math.round((rows * 1000) / batch_ms),
    batch_ms,
  };
}

/** The members of Spark's StreamingQueryProgress that are read here. */
interface ProgressJson {
  readonly batchId?: number;
  readonly durationMs?: { readonly triggerExecution?: number };
  readonly sources?: readonly { readonly numInputRows?: number }[];
}

/**
 * A UUID that follows from the name of the query. It is the same for every process, and another one
 * after the session has ended.
 */
export function sessionId(name: string, number: number): string {
  const digest = sha256(`tallyroom session ${name} ${number}`);
  const variant = ((Number.parseInt(digest[16]!, 16) & 0x3) | 0x8).toString(16);
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `8${digest.slice(13, 16)}`,
    `${variant}${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ].join('-');
}
