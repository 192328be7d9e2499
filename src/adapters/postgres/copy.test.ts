import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import pg from 'pg';
import { copyIn } from './copy.ts';
import { isConnectionLost } from './explain.ts';

/** A message of PostgreSQL's protocol: its type, its length with itself, its body. */
function message(type: string, body: string): Buffer {
  const bytes = Buffer.from(body, 'latin1');
  const head = Buffer.alloc(5, type);
  head.writeInt32BE(4 + bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

const AUTHENTICATED = Buffer.concat([message('R', '\0\0\0\0'), message('Z', 'I')]);
const COPY_IN = message('G', '\x01\0\0');
const GOING_AWAY = message('E', 'SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0');

// A server that asks for the data, gives up before reading them, and reads on a little. A real
// server is in this state for microseconds.
test('a server that goes away before it has read the data of a COPY: the connection is lost, and nothing else', async (context) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(AUTHENTICATED);
      socket.once('data', () => {
        socket.pause();
        socket.write(Buffer.concat([COPY_IN, GOING_AWAY]));
      });
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new pg.Client({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, ssl: false });
  client.on('error', () => {});
  context.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await client.end();
  });
  await client.connect();
  // More data than the buffers of the system hold, so the last bytes are sent only when the server
  // reads on.
  await assert.rejects(copyIn(client, 'COPY votes FROM STDIN', Buffer.alloc(64 << 20)), isConnectionLost);
  const drained = once(client.connection.stream, 'drain');
  sockets[0]!.resume();
  await drained;
});
