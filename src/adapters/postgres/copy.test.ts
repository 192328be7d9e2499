import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import pg from 'pg';
import { VOTER_PERSON_FIELDS, type VoterPerson } from '../../domain/election/voter.ts';
import { copyIn, PersonRows } from './copy.ts';
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

test('a person is a row of COPY text: absent fields, escapes, and letters of every length', () => {
  const nobody = Object.fromEntries(VOTER_PERSON_FIELDS.map((field) => [field, null])) as unknown as VoterPerson;
  const rows = new PersonRows();
  rows.add([0, 7, 12_345], {
    ...nobody,
    registration_number: 'a\tb\\c\nd\re',
    first_name: 'Zoë 𝔸',
    last_name: "O'Neill\x01",
    city: '',
    registered_age: 30,
  });
  rows.add([1, 7, 0], { ...nobody, registration_number: 'N2'.repeat(100_000) });
  const [first, second, end] = rows.take().toString().split('\n');
  const absent = (count: number): string => '\t\\N'.repeat(count);
  assert.equal(first, `0\t7\t12345\ta\\tb\\\\c\\nd\\re${absent(1)}\tZoë 𝔸\tO'Neill\x01${absent(4)}\t${absent(7)}\t30`);
  assert.equal(second, `1\t7\t0\t${'N2'.repeat(100_000)}${absent(16)}`);
  assert.equal(end, '');
  rows.add([2, 7, 0], { ...nobody, registration_number: 'N3' });
  assert.equal(rows.take().toString(), `2\t7\t0\tN3${absent(16)}\n`);
});
