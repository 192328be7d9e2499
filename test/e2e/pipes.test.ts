import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isServing, openWorkspace, succeeded } from '../support/workspace.ts';

for (const command of [['topics', 'voters'], ['verify'], ['doctor'], ['topics']])
  test(`${command.join(' ')} with a reader that has gone: no stack trace, and no server is left behind`, async (t) => {
    const workspace = openWorkspace(t);
    succeeded(await workspace.run(['run', '--voters', '3000', '--rate', 'max', '--once', '--port', '0']));
    const { child, ended } = workspace.start(command);
    child.stdout!.destroy();
    const { stderr } = await ended;
    assert.doesNotMatch(stderr, /Unhandled|EPIPE|\bat .*:\d+:\d+|defect/);
    assert.ok(!isServing(workspace.dataDir));
  });
