import { once } from 'node:events';
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';

/** The fate of a message of a client. */
export type Fate =
  | 'pass'
  /** The connection ends before the server gets it. */
  | 'cut'
  /**
   * The server gets it and answers. Instead of the answer the client gets the end of the
   * connection.
   */
  | 'cut at the answer'
  /** The server gets it and answers. From then on this client gets nothing from the server. */
  | 'swallow the answer';

/** The rule by which the bytes of a client are divided into messages. */
export type Framing = (arrived: (message: Buffer) => void) => (chunk: Buffer) => void;

export interface ProxyOptions {
  /**
   * The address of the server. It is read at each connection, since a server may come back at
   * another address.
   */
  readonly target: () => NetConnectOpts;
  readonly framing: Framing;
  /** Without it, any free port of 127.0.0.1. */
  readonly port?: number;
}

/** A TCP proxy in front of a server, for faults of networks. */
export interface TcpProxy {
  readonly port: number;
  /** Decides the fate of each message from now on. At first all messages pass. */
  judge: (message: Buffer) => Fate;
  /** The number of messages that did not simply pass. */
  readonly faults: number;
  /** Ends all connections at once, without a proper close. */
  cut(): void;
  /**
   * Passes nothing on in either direction until it is called with false. Connections are still
   * accepted.
   */
  stall(isStalled: boolean): void;
  /** Refuses new connections until it is called with false. */
  refuse(isRefused: boolean): void;
  close(): Promise<void>;
}

/** Each chunk is one message: right for a client that writes one message at a time and waits. */
export const chunks: Framing = (arrived) => arrived;

/**
 * Requests of Kafka's protocol: a length of four bytes, then that number of bytes. A message is
 * given without its length.
 */
export const requestsOfKafka: Framing = (arrived) => {
  let held = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 4 && held.length - 4 >= held.readInt32BE(0)) {
      const end = 4 + held.readInt32BE(0);
      arrived(held.subarray(4, end));
      held = held.subarray(end);
    }
  };
};

/** The numbers of requests in Kafka's protocol. */
export const REQUEST = {
  produce: 0,
  fetch: 1,
  init_producer: 22,
  add_partitions: 24,
  add_offsets: 25,
  end_transaction: 26,
  commit_offsets: 28,
} as const;
export const requestOf = (message: Buffer): number => message.readInt16BE(0);

export async function startProxy({ target, framing, port = 0 }: ProxyOptions): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let isStalled = false;
  let isRefused = false;
  const server = createServer({ pauseOnConnect: true }, (client) => {
    if (isRefused) {
      reset(client);
      return;
    }
    const pair = join(client, connect(target()), framing, (message) => {
      const fate = proxy.judge(message);
      if (fate !== 'pass') counted++;
      return fate;
    });
    pairs.add(pair);
    client.once('close', () => pairs.delete(pair));
    pair.stall(isStalled);
  });
  let counted = 0;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const proxy: TcpProxy = {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    judge: () => 'pass',
    get faults() {
      return counted;
    },
    cut() {
      for (const pair of pairs) pair.cut();
    },
    stall(stalled) {
      isStalled = stalled;
      for (const pair of pairs) pair.stall(stalled);
    },
    refuse(refused) {
      isRefused = refused;
    },
    async close() {
      server.close();
      for (const pair of pairs) pair.cut();
      if (server.listening) await once(server, 'close');
    },
  };
  return proxy;
}

interface Pair {
  cut(): void;
  stall(isStalled: boolean): void;
}

/**
 * A handle that Node resets after its `end()` never closes. The process then spins for ever at its
 * exit (Node 24.21). A Unix socket has no address and cannot be reset.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded || socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

function join(client: Socket, server: Socket, framing: Framing, judge: (message: Buffer) => Fate): Pair {
  let answers: 'pass' | 'cut' | 'drop' = 'pass';
  const cut = (): void => {
    reset(client);
    reset(server);
  };
  const isCut = (): boolean => client.destroyed || server.destroyed;
  // The end of one side ends the other. A server's own end reaches the client as an end, not as a
  // cut.
  for (const socket of [client, server]) socket.on('error', cut);
  client.on('close', () => server.destroy());
  server.on('end', () => client.end());
  server.on('close', () => client.destroySoon());
  const take = framing((message) => {
    if (isCut()) return;
    const fate = judge(message);
    if (fate === 'cut') return cut();
    if (fate === 'cut at the answer') answers = 'cut';
    if (fate === 'swallow the answer') answers = 'drop';
  });
  client.on('data', (chunk: Buffer) => {
    // The chunk is judged before it is passed on, so a message that is cut never reaches the server
    // whole.
    take(chunk);
    if (!isCut()) server.write(chunk);
  });
  server.on('data', (chunk: Buffer) => {
    if (answers === 'cut') cut();
    else if (answers === 'pass') client.write(chunk);
  });
  return {
    cut,
    stall(isStalled) {
      for (const socket of [client, server])
        if (isStalled) socket.pause();
        else socket.resume();
    },
  };
}
