import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../../base/errors.ts';
import { openDatabase } from './database.ts';

test('once closed nothing connects any more, so that no server is started for it', async () => {
  const database = openDatabase(async () => assert.fail('it asks where the server is'));
  await database.close();
  for (const ask of [() => database.query('SELECT 1'), () => database.connect()])
    await assert.rejects(ask, (error) => error instanceof OperationalError && error.code === 'DATABASE_UNREACHABLE');
});
