import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A local service that answers like randomuser.me: the same people for the same seed, page by page,
 * and faults on demand.
 */

export interface PersonApiRequest {
  /** From 1, over all requests. */
  readonly number: number;
  readonly results: number;
  readonly page: number;
  readonly seed: string;
}

export interface PersonApiAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text is sent as it is, any other value as JSON. */
  readonly body?: unknown;
  /** Instead of an answer: close the connection, or never answer. */
  readonly fault?: 'close' | 'hang';
}

export interface PersonApi {
  readonly url: URL;
  readonly requests: readonly PersonApiRequest[];
  close(): Promise<void>;
}

/** @param answer the answer in place of a page of people; undefined means the page */
export async function startPersonApi(
  answer: (request: PersonApiRequest) => PersonApiAnswer | undefined = () => undefined,
): Promise<PersonApi> {
  const requests: PersonApiRequest[] = [];
  const server = createServer((incoming, response) => {
    const request = readRequest(incoming, requests.length + 1);
    requests.push(request);
    send(response, answer(request) ?? { body: personPage(request) });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}/api/?nat=gb`),
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function readRequest(incoming: IncomingMessage, number: number): PersonApiRequest {
  const { searchParams } = new URL(incoming.url ?? '/', 'http://localhost');
  return {
    number,
    results: Number(searchParams.get('results') ?? 1),
    page: Number(searchParams.get('page') ?? 1),
    seed: searchParams.get('seed') ?? '',
  };
}

function send(response: ServerResponse, { status = 200, headers = {}, body = '', fault }: PersonApiAnswer): void {
  if (fault === 'hang') return;
  if (fault === 'close') {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** A page in the form of the service. */
export const personPage = ({ seed, page, results }: Pick<PersonApiRequest, 'seed' | 'page' | 'results'>) => ({
  results: Array.from({ length: results }, (_, i) => apiPerson(seed, (page - 1) * results + i)),
  info: { seed, results, page, version: '1.4' },
});

const FIRST_NAMES = ['Amelia', 'Brandon', 'Chloe', 'Dylan', 'Élodie', 'Finlay'];
const LAST_NAMES = ['Adams', 'Baker', 'Cox', "O'Neill", 'Evans'];
const STATES = ['Kent', 'Fife', 'Powys', 'County Antrim', 'Cornwall'];

const pick = (items: readonly string[], number: number): string => items[number % items.length]!;

/** One person in the form of version 1.4 of the service. */
export function apiPerson(seed: string, ordinal: number) {
  const digest = createHash('sha256').update(`${seed}/${ordinal}`).digest();
  const hex = digest.toString('hex');
  const number = digest.readUInt32BE(0);
  const first = pick(FIRST_NAMES, number);
  const last = pick(LAST_NAMES, number >>> 4);
  const born = 1940 + (number % 60);
  return {
    gender: number % 2 === 0 ? 'female' : 'male',
    name: { title: 'Ms', first, last },
    location: {
      street: { number: 1 + (number % 200), name: 'Station Road' },
      city: 'Market Town',
      state: pick(STATES, number >>> 8),
      country: 'United Kingdom',
      postcode: number % 3 === 0 ? 12345 : 'ZZ1 1ZZ',
      coordinates: { latitude: '50.0', longitude: '0.0' },
      timezone: { offset: '0:00', description: 'London' },
    },
    email: `${first}.${last}@example.com`.toLowerCase(),
    login: {
      uuid: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`,
      username: `user${ordinal}`,
    },
    dob: { date: `${born}-05-17T10:00:00.000Z`, age: 2026 - born },
    registered: { date: '2016-01-02T03:04:05.000Z', age: 10 },
    phone: '01632 960001',
    cell: '07700 900001',
    id: { name: 'NINO', value: 'ZZ 00 00 00 Z' },
    picture: { large: `https://example.com/${number % 100}.jpg`, medium: '', thumbnail: '' },
    nat: 'GB',
  };
}
