import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../../base/errors.ts';
import { parseSparkRemote } from './remote.ts';

const plain = { token: null, use_ssl: false, user_id: null };

for (const [text, expected] of [
  ['sc://localhost', { host: 'localhost', port: 15002, ...plain }],
  ['sc://spark.example.org:7077', { host: 'spark.example.org', port: 7077, ...plain }],
  ['sc://10.0.0.1:443/', { host: '10.0.0.1', port: 443, ...plain }],
  ['sc://[::1]:443/;', { host: '[::1]', port: 443, ...plain }],
  ['sc://h/;use_ssl=true', { host: 'h', port: 15002, ...plain, use_ssl: true }],
  ['sc://h/;use_ssl=TRUE;user_id=office', { host: 'h', port: 15002, token: null, use_ssl: true, user_id: 'office' }],
  ['sc://h/;token=abc%3D%3D', { host: 'h', port: 15002, token: 'abc==', use_ssl: true, user_id: null }],
  ['sc://h/;token=abc==;', { host: 'h', port: 15002, token: 'abc==', use_ssl: true, user_id: null }],
] as const)
  test(`reads ${text}`, () => assert.deepEqual(parseSparkRemote(text), expected));

for (const [text, reason] of [
  ['', /does not begin with sc:\/\//],
  ['spark://h:7077', /does not begin with sc:\/\//],
  ['sc:///;token=hidden', /does not begin with sc:\/\/ and a host/],
  ['sc://h:0', /0 is not a port/],
  ['sc://h:70000', /70000 is not a port/],
  ['sc://h:x', /not a host with a port/],
  ['sc://user:hidden@h', /not a host with a port/],
  ['sc://a b', /not a host with a port/],
  ['sc://h/path', /must begin with \/;/],
  ['sc://h/;tokn=hidden', /"tokn" is not a parameter/],
  ['sc://h/;use_ssl=yes', /use_ssl is neither true nor false/],
  ['sc://h/;use_ssl=true;use_ssl=true', /use_ssl is given twice/],
  ['sc://h/;token=', /value of token is empty/],
  ['sc://h/;token=hid%0Aden', /value of token is empty, or has characters/],
  ['sc://h/;token=hidden%', /percent-encoding/],
  ['sc://h/;token=hidden;use_ssl=false', /a token is given with use_ssl=false/],
] as const)
  test(`refuses "${text}"`, () => {
    assert.throws(
      () => parseSparkRemote(text),
      (error) =>
        error instanceof OperationalError &&
        error.code === 'USAGE' &&
        reason.test(error.message) &&
        !error.message.includes('hidden') &&
        error.nextStep.includes('sc://'),
    );
  });
