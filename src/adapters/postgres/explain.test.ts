import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { type ErrorCode, OperationalError } from '../../base/errors.ts';
import { explain, sqlState } from './explain.ts';

const sqlError = (code: string): Error => Object.assign(new pg.DatabaseError('it says why', 0, 'error'), { code });
const systemError = (code: string): Error => Object.assign(new Error('it says why'), { code });
const full = (code: string, what: string): Error =>
  Object.assign(new pg.DatabaseError(`${what}: No space left on device`, 0, 'error'), { code });

for (const [name, cause, code, canRetry] of [
  ['a full disk', sqlError('53100'), 'DISK_FULL', false],
  ['a full disk here', systemError('ENOSPC'), 'DISK_FULL', false],
  ['a used-up quota here', systemError('EDQUOT'), 'DISK_FULL', false],
  ['a log of changes that cannot grow', full('XX000', 'could not write to file "pg_wal/x"'), 'DISK_FULL', false],
  ['a table that cannot be flushed', full('58030', 'could not fsync file "base/1/2"'), 'DISK_FULL', false],
  ['another internal error', sqlError('XX000'), 'DATABASE_FAILED', false],
  ['a server that stops', sqlError('57P01'), 'DATABASE_UNREACHABLE', true],
  ['a server that starts', sqlError('57P03'), 'DATABASE_UNREACHABLE', true],
  ['a broken connection', sqlError('08006'), 'DATABASE_UNREACHABLE', true],
  ['nobody listening', systemError('ECONNREFUSED'), 'DATABASE_UNREACHABLE', true],
  ['a cut connection', new Error('Connection terminated unexpectedly'), 'DATABASE_UNREACHABLE', true],
  ['a server that takes connections and says nothing', new Error('timeout expired'), 'DATABASE_UNREACHABLE', true],
  ['a wrong password', sqlError('28P01'), 'DATABASE_UNREACHABLE', false],
  ['a certificate of an unknown authority', systemError('SELF_SIGNED_CERT_IN_CHAIN'), 'DATABASE_UNREACHABLE', false],
  ['a certificate of another host', systemError('ERR_TLS_CERT_ALTNAME_INVALID'), 'DATABASE_UNREACHABLE', false],
  [
    'a certificate of ours that it refuses',
    systemError('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'),
    'DATABASE_UNREACHABLE',
    false,
  ],
  ['a record cut off', systemError('ERR_SSL_UNEXPECTED_EOF_WHILE_READING'), 'DATABASE_UNREACHABLE', true],
  ['no free connection', sqlError('53300'), 'DATABASE_UNREACHABLE', true],
  ['another process on the partition', sqlError('TR001'), 'FENCED', false],
] as const satisfies readonly (readonly [string, Error, ErrorCode, boolean])[])
  test(`${name}: ${code}`, () => {
    const error = explain(cause);
    assert.ok(error instanceof OperationalError);
    assert.deepEqual([error.code, error.canRetry, error.cause], [code, canRetry, cause]);
    assert.notEqual(error.nextStep, '');
  });

test('of what is not known the code is told and no value; the SQL state stays at hand', () => {
  const error = explain(sqlError('23505'));
  assert.ok(error instanceof OperationalError && error.code === 'DATABASE_FAILED');
  assert.doesNotMatch(error.message, /it says why/);
  assert.equal(sqlState(error), '23505');
});

test('an error that is not one of a database stays unchanged', () => {
  const bug = new TypeError('a bug');
  assert.equal(explain(bug), bug);
});
