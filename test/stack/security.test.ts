/**
 * TLS and SASL by configuration alone: on a broker and a PostgreSQL of the test's own, with
 * certificates that it makes.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { startBroker } from '../support/broker.ts';
import { freePort } from '../support/ports.ts';
import { addressOf, completeResults } from '../support/results.ts';
import { NEEDS_STACK, ownStack } from '../support/stack.ts';
import { type Ended, temporaryDirectory } from '../support/tallyroom.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

/** A private key and its certificate, as files. */
interface Pair {
  readonly key: string;
  readonly cert: string;
}

/** The extensions of a certificate. */
const AUTHORITY = ['basicConstraints=critical,CA:TRUE'];
const SERVER = ['subjectAltName=IP:127.0.0.1,DNS:localhost', 'basicConstraints=critical,CA:FALSE'];
const NAMED = ['subjectAltName=DNS:localhost', 'basicConstraints=critical,CA:FALSE'];
const ELSEWHERE = ['subjectAltName=DNS:elsewhere.example', 'basicConstraints=critical,CA:FALSE'];
const CLIENT = ['basicConstraints=critical,CA:FALSE'];

/**
 * @param issuer the authority that signs the certificate; null for an authority, which signs itself
 */
function certify(directory: string, name: string, extensions: readonly string[], issuer: Pair | null): Pair {
  const pair = { key: join(directory, `${name}.key`), cert: join(directory, `${name}.pem`) };
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const signed = issuer === null ? [] : ['-CA', issuer.cert, '-CAkey', issuer.key];
  const about = ['-subj', `/CN=${name}`, ...extensions.flatMap((each) => ['-addext', each])];
  const files = ['-keyout', pair.key, '-out', pair.cert];
  execFileSync('openssl', ['req', '-x509', ...kind, ...signed, ...about, ...files], { stdio: 'ignore' });
  return pair;
}

/**
 * An authority with the certificates that it has signed, and another authority that nothing here
 * trusts.
 */
function makeCertificates(directory: string) {
  const authority = certify(directory, 'authority', AUTHORITY, null);
  const other = certify(directory, 'other-authority', AUTHORITY, null);
  return {
    authority,
    other,
    server: certify(directory, 'server', SERVER, authority),
    named: certify(directory, 'named', NAMED, authority),
    elsewhere: certify(directory, 'elsewhere', ELSEWHERE, authority),
    client: certify(directory, 'office', CLIENT, authority),
    stranger: certify(directory, 'stranger', CLIENT, other),
  };
}

type Certificates = ReturnType<typeof makeCertificates>;

/**
 * A secret that no output may contain. Its quotes and backslashes must be escaped in the
 * configuration of a Java client.
 */
const PASSWORD = String.raw`hush "hush\ ;x`;
const WRONG = 'wrong-hush';

/** Checks that neither a password nor a line of a private key was printed. */
function assertDiscreet({ stdout, stderr }: Ended, { client, stranger }: Certificates): void {
  const keys = [client, stranger].flatMap(({ key }) => readFileSync(key, 'utf8').split('\n').slice(1, -2));
  const said = stdout + stderr;
  for (const secret of ['hush', ...keys]) assert.ok(!said.includes(secret), `"${secret}" was said:\n${said}`);
}

/**
 * Checks for one sentence and one next step. No command waits for a fault that only a person can
 * mend.
 */
function assertRefused(ended: Ended, sentence: RegExp, next: RegExp, certificates: Certificates): void {
  const { code, stdout, stderr } = ended;
  assert.deepEqual([code, stdout], [3, ''], stderr);
  const lines = stderr.split('\n');
  const at = lines.findIndex((line) => line.startsWith('Error: '));
  assert.match(lines[at] ?? stderr, sentence);
  assert.match(lines[at + 1] ?? stderr, next);
  assert.equal(lines.filter((line) => /^(Error|Next): /.test(line)).length, 2, stderr);
  assertDiscreet(ended, certificates);
}

const VOTERS = 600;
const MAKING = ['--voters', String(VOTERS), '--turnout', '1', '--seed', '11'];

/** Calls the functions in reverse order. */
function cleanUpOf(): { after(work: () => Promise<void>): void } {
  const works: (() => Promise<void>)[] = [];
  after(async () => {
    for (const work of works.reverse()) await work();
  });
  return { after: (work) => void works.push(work) };
}

describe('Kafka by TLS and SASL', { skip: NEEDS_STACK, concurrency: 1 }, () => {
  const owner = cleanUpOf();
  let certificates: Certificates;
  let workspace: Workspace;
  let ports: Record<Listener, number>;

  type Listener = 'SSL' | 'MUTUAL' | 'SASL_SSL' | 'ELSEWHERE';
  type Environment = (certificates: Certificates) => NodeJS.ProcessEnv;

  const tls: Environment = ({ authority }) => ({ KAFKA_TLS: 'true', KAFKA_CA_FILE: authority.cert });
  const mutual =
    (who: 'client' | 'stranger'): Environment =>
    (all) => ({ ...tls(all), KAFKA_CERT_FILE: all[who].cert, KAFKA_KEY_FILE: all[who].key });
  const sasl =
    (mechanism: string, user = 'office', password = PASSWORD): Environment =>
    (all) => ({
      ...tls(all),
      KAFKA_SASL_MECHANISM: mechanism,
      KAFKA_USERNAME: user,
      KAFKA_PASSWORD: password,
    });
  const environmentOf = (listener: Listener, configure: Environment): NodeJS.ProcessEnv => ({
    KAFKA_BROKERS: `127.0.0.1:${ports[listener]}`,
    SPARK_REMOTE: process.env.SPARK_REMOTE,
    ...configure(certificates),
  });

  before(async () => {
    const directory = temporaryDirectory();
    owner.after(async () => directory.remove());
    certificates = makeCertificates(directory.path);
    ports = {
      SSL: await freePort(),
      MUTUAL: await freePort(),
      SASL_SSL: await freePort(),
      ELSEWHERE: await freePort(),
    };
    const { authority, server, elsewhere } = certificates;
    // One file with both, as the broker requires it.
    for (const { key, cert } of [server, elsewhere])
      writeFileSync(`${cert}.both`, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'));
    const quoted = PASSWORD.replace(/["\\]/g, '\\$&');
    // A backslash also begins an escape in a properties file.
    const login = (module: string, rest: string): string =>
      `org.apache.kafka.common.security.${module} required ${rest};`.replaceAll('\\', '\\\\');
    await startBroker(owner, {
      listeners: Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, { port, advertised: port }])),
      properties: [
        'listener.security.protocol.map=INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,MUTUAL:SSL,SASL_SSL:SASL_SSL,ELSEWHERE:SSL',
        'ssl.keystore.type=PEM',
        `ssl.keystore.location=${server.cert}.both`,
        'ssl.truststore.type=PEM',
        `ssl.truststore.location=${authority.cert}`,
        'listener.name.mutual.ssl.client.auth=required',
        'listener.name.elsewhere.ssl.keystore.type=PEM',
        `listener.name.elsewhere.ssl.keystore.location=${elsewhere.cert}.both`,
        'listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        `listener.name.sasl_ssl.plain.sasl.jaas.config=${login('plain.PlainLoginModule', `user_office="${quoted}"`)}`,
        ...['256', '512'].map(
          (bits) => `listener.name.sasl_ssl.scram-sha-${bits}.sasl.jaas.config=${login('scram.ScramLoginModule', '')}`,
        ),
      ],
      scram: ['256', '512'].map((bits) => `SCRAM-SHA-${bits}=[name=office,password=${PASSWORD}]`),
    });
    workspace = openWorkspace(owner);
    await workspace.server();
  });

  /** A small election, with one command for each stage. */
  async function elect(id: string, environment: NodeJS.ProcessEnv, engine: 'local' | 'spark'): Promise<void> {
    for (const [args, said] of [
      [['register', ...MAKING], /600 voters/],
      [['vote', '--rate', 'max'], /600 votes cast, 0 refused/],
      [['count', '--once', '--engine', engine], /Counted 600 votes/],
      [['verify'], /Everything agrees: 600 votes/],
    ] as const) {
      const ended = await workspace.run([...args, '--id', id], environment);
      succeeded(ended);
      assert.match(ended.stderr + ended.stdout, said);
      assertDiscreet(ended, certificates);
    }
  }

  for (const [name, listener, configure] of [
    ['TLS', 'SSL', tls],
    ['mutual TLS', 'MUTUAL', mutual('client')],
    ['SASL PLAIN', 'SASL_SSL', sasl('PLAIN')],
    ['SCRAM-SHA-256', 'SASL_SSL', sasl('SCRAM-SHA-256')],
  ] as const)
    test(`an election over ${name} ends exact`, () =>
      elect(name.toLowerCase().replaceAll(' ', '-'), environmentOf(listener, configure), 'local'));

  test('an election over SCRAM-SHA-512 ends exact, counted by Spark and shown by a dashboard', async () => {
    const environment = environmentOf('SASL_SSL', sasl('SCRAM-SHA-512'));
    // Spark is shared with other tests, and keeps a checkpoint by the election's id.
    const id = `test-${randomBytes(6).toString('hex')}`;
    await elect(id, environment, 'spark');
    const dashboard = workspace.start(['dashboard', '--port', '0', '--id', id], environment);
    const { totals, contests } = await completeResults(await addressOf(dashboard));
    const [{ votes_counted, undervotes }] = contests as [(typeof contests)[0]];
    assert.deepEqual([totals.ballots_cast, votes_counted + undervotes!], [VOTERS, VOTERS]);
    dashboard.child.kill('SIGINT');
    assertDiscreet(await dashboard.ended, certificates);
  });

  const insecure = /^Next: .*KAFKA_TLS=true.*KAFKA_CA_FILE/;
  const refused = /^Next: .*KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD/;
  for (const [name, listener, configure, sentence, next] of [
    [
      'a wrong password (PLAIN)',
      'SASL_SSL',
      sasl('PLAIN', 'office', WRONG),
      /Kafka at \S+ refuses us: .*uthenticat/,
      refused,
    ],
    [
      'a wrong password (SCRAM)',
      'SASL_SSL',
      sasl('SCRAM-SHA-512', 'office', WRONG),
      /Kafka at \S+ refuses us: .*/,
      refused,
    ],
    ['an unknown user', 'SASL_SSL', sasl('SCRAM-SHA-256', 'nobody'), /Kafka at \S+ refuses us: .*/, refused],
    [
      'an unknown authority',
      'SSL',
      ({ other }) => ({ KAFKA_TLS: 'true', KAFKA_CA_FILE: other.cert }),
      /not secure: .*certificate/,
      insecure,
    ],
    ['the authorities of the system', 'SSL', () => ({ KAFKA_TLS: 'true' }), /not secure: .*certificate/, insecure],
    ['a certificate of another host', 'ELSEWHERE', tls, /not secure: .*altnames/, insecure],
    ['no TLS to a port that speaks it', 'SSL', () => ({}), /not secure: .*TLS/, insecure],
    ['no certificate where one is asked for', 'MUTUAL', tls, /not secure: .*certificate/, /^Next: .*KAFKA_CERT_FILE/],
    [
      'a certificate of an unknown authority',
      'MUTUAL',
      mutual('stranger'),
      /not secure: .*certificate/,
      /^Next: .*KAFKA_CERT_FILE/,
    ],
  ] as const satisfies readonly (readonly [string, Listener, Environment, RegExp, RegExp])[])
    test(`refused in one sentence, at once: ${name}`, async () => {
      const environment = environmentOf(listener, configure);
      for (const args of [
        ['dashboard', '--port', '0', '--debug'],
        ['register', '--id', 'refused', ...MAKING],
      ])
        assertRefused(await workspace.run(args, environment), sentence, next, certificates);
    });

  test('files that are not a certificate or a key, or do not belong together, are reported', async () => {
    for (const [key, reason] of [
      [certificates.stranger.key, /key values mismatch/],
      [certificates.client.cert, /unsupported|no start line/],
    ] as const) {
      const environment = environmentOf('MUTUAL', (all) => ({ ...mutual('client')(all), KAFKA_KEY_FILE: key }));
      const ended = await workspace.run(['dashboard', '--port', '0', '--debug'], environment);
      assert.equal(ended.code, 2, ended.stderr);
      assert.match(ended.stderr, /^Error: KAFKA_CERT_FILE and KAFKA_KEY_FILE .*\nNext: .*PEM/);
      assert.match(ended.stderr, reason);
      assertDiscreet(ended, certificates);
    }
  });

  // A broker that is asked for anything before the password ends the connection silently, like a
  // broker that goes away.
  test('a missing password is named as a possible reason', async () => {
    const ended = await workspace.run(['dashboard', '--port', '0'], environmentOf('SASL_SSL', tls));
    assertRefused(ended, /Kafka at \S+ does not answer: /, /^Next: .*KAFKA_SASL_MECHANISM/, certificates);
  });
});

describe('PostgreSQL by TLS', { skip: NEEDS_STACK, concurrency: 1 }, () => {
  const owner = cleanUpOf();
  const { path: directory, remove } = temporaryDirectory();
  owner.after(async () => remove());
  let certificates: Certificates;
  let workspace: Workspace;
  let plain: URL;

  /** The address of the server, with parameters. */
  function address(
    parameters: Record<string, string>,
    changes: Partial<Pick<URL, 'username' | 'password' | 'hostname'>> = {},
  ): string {
    const url = new URL(plain);
    url.hostname = 'localhost';
    Object.assign(url, changes);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  before(async () => {
    mkdirSync(directory, { recursive: true });
    certificates = makeCertificates(directory);
    workspace = openWorkspace(owner);
    const stack = await ownStack(owner, { parts: ['postgres'] });
    plain = new URL((await stack.environment()).DATABASE_URL!);
    await speakTls(plain.href, certificates);
  });

  const run = (DATABASE_URL: string, ...args: string[]): Promise<Ended> => workspace.run(args, { DATABASE_URL });
  const ONCE = ['run', ...MAKING, '--rate', 'max', '--once', '--port', '0'];

  test('an election with sslmode=verify-full and sslrootcert ends exact', async () => {
    const url = address({ sslmode: 'verify-full', sslrootcert: certificates.authority.cert });
    const ended = await run(url, ...ONCE, '--id', 'verified');
    succeeded(ended);
    assert.match(ended.stderr, /600 ballots cast of 600 registered voters/);
    assert.match(succeeded(await run(url, 'verify', '--id', 'verified')), /Everything agrees: 600 votes/);
  });

  test('a client certificate takes the place of a password', async () => {
    const { authority, client } = certificates;
    const files = { sslrootcert: authority.cert, sslcert: client.cert, sslkey: client.key };
    const url = new URL(address({ sslmode: 'verify-full', ...files }, { username: 'office' }));
    url.password = '';
    url.pathname = '/office';
    const ended = await run(url.href, ...ONCE, '--id', 'certified');
    succeeded(ended);
    assert.match(ended.stderr, /600 ballots cast/);
  });

  type Parameters = (certificates: Certificates) => Record<string, string>;
  const verified: Parameters = ({ authority }) => ({ sslmode: 'verify-full', sslrootcert: authority.cert });
  const insecure = /^Next: .*DATABASE_URL.*sslrootcert/;
  for (const [name, parameters, changes, sentence, next] of [
    [
      'an unknown authority',
      ({ other }) => ({ sslmode: 'verify-full', sslrootcert: other.cert }),
      {},
      /PostgreSQL at \S+ is not secure: .*certificate/,
      insecure,
    ],
    [
      'the authorities of the system',
      () => ({ sslmode: 'verify-full' }),
      {},
      /PostgreSQL at \S+ is not secure: .*certificate/,
      insecure,
    ],
    [
      'a host that its certificate does not name',
      verified,
      { hostname: '127.0.0.1' },
      /PostgreSQL at \S+ is not secure: .*altnames/,
      insecure,
    ],
    [
      'no TLS to a server that takes nothing else',
      () => ({}),
      {},
      /PostgreSQL at \S+ refuses us: .*no encryption/,
      /sslmode/,
    ],
    [
      'no certificate where one is asked for',
      verified,
      { username: 'office' },
      /PostgreSQL at \S+ refuses us: .*certificate/,
      /DATABASE_URL/,
    ],
    [
      'a certificate of an unknown authority',
      (all) => ({ ...verified(all), sslcert: all.stranger.cert, sslkey: all.stranger.key }),
      { username: 'office' },
      /PostgreSQL at \S+ is not secure: .*/,
      /sslcert and sslkey/,
    ],
    ['a wrong password', verified, { password: WRONG }, /PostgreSQL at \S+ refuses us: password/, /DATABASE_URL/],
  ] as const satisfies readonly (readonly [string, Parameters, object, RegExp, RegExp])[])
    test(`refused in one sentence, at once: ${name}`, async () => {
      const url = address(parameters(certificates), changes);
      for (const more of [[], ['--debug']]) {
        const ended = await run(url, 'register', '--id', 'refused', ...MAKING, ...more);
        assertRefused(ended, sentence, next, certificates);
        assert.ok(!(ended.stdout + ended.stderr).includes(plain.password));
      }
    });

  test('a file that is not a certificate, and one that cannot be read, are reported', async () => {
    const { authority, client } = certificates;
    const files = { sslrootcert: authority.cert, sslcert: client.cert, sslkey: client.cert };
    const ended = await run(address({ sslmode: 'verify-full', ...files }), 'verify');
    assertRefused(ended, /PostgreSQL at \S+ is not secure: /, /sslcert and sslkey/, certificates);

    const { code, stderr } = await run(address({ sslrootcert: '/none/ca.pem' }), 'verify');
    assert.equal(code, 2);
    assert.match(stderr, /^Error: .*\/none\/ca\.pem.*\nNext: .*sslrootcert/);
  });
});

/**
 * Sets a server of the stack to accept connections by TLS alone. The user `office` needs a
 * certificate instead of a password.
 */
async function speakTls(url: string, { authority, named }: Certificates): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<{ directory: string }>(`SELECT current_setting('data_directory') AS directory`);
    const { directory } = rows[0]!;
    const { uid, gid } = statSync(directory);
    const put = (name: string, content: string | Buffer): void => {
      const path = join(directory, name);
      writeFileSync(path, content, { mode: 0o600 });
      chownSync(path, uid, gid);
    };
    put('server.key', readFileSync(named.key));
    put('server.crt', readFileSync(named.cert));
    put('root.crt', readFileSync(authority.cert));
    put('pg_hba.conf', 'local all all trust\nhostssl all office all cert\nhostssl all all all scram-sha-256\n');
    await client.query('CREATE ROLE office LOGIN');
    await client.query('CREATE DATABASE office OWNER office');
    await client.query(`ALTER SYSTEM SET ssl_ca_file = 'root.crt'`);
    await client.query('ALTER SYSTEM SET ssl = on');
    await client.query('SELECT pg_reload_conf()');
    // A session sees the setting once the server has read its files.
    while ((await client.query('SHOW ssl')).rows[0].ssl !== 'on');
  } finally {
    await client.end();
  }
}
