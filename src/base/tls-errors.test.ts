import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTrustError, wordsOf } from './tls-errors.ts';

for (const [name, code, isRefused] of [
  ['an authority that is not known', 'SELF_SIGNED_CERT_IN_CHAIN', true],
  ['a certificate that vouches for itself', 'DEPTH_ZERO_SELF_SIGNED_CERT', true],
  ['an issuer that is missing', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', true],
  ['a certificate that has expired', 'CERT_HAS_EXPIRED', true],
  ['a certificate of another host', 'ERR_TLS_CERT_ALTNAME_INVALID', true],
  ['a key that does not fit its certificate', 'ERR_OSSL_X509_KEY_VALUES_MISMATCH', true],
  ['a certificate of ours that the server does not know', 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', true],
  ['a server that wants a certificate', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', true],
  ['a server that does not speak TLS', 'ERR_SSL_WRONG_VERSION_NUMBER', true],
  ['a server that speaks an older TLS alone', 'ERR_SSL_UNSUPPORTED_PROTOCOL', true],
  ['a record that was damaged on its way', 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', false],
  ['a record that was damaged, as the peer reports it', 'ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC', false],
  ['data after the end of the connection', 'ERR_SSL_APPLICATION_DATA_AFTER_CLOSE_NOTIFY', false],
  ['a connection that was shut down', 'ERR_SSL_PROTOCOL_IS_SHUTDOWN', false],
  ['a length that is no record of TLS', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', false],
  ['a failure of OpenSSL while writing', 'EPROTO', false],
  ['a record that was cut off', 'ERR_SSL_UNEXPECTED_EOF_WHILE_READING', false],
  ['a connection that was cut', 'ECONNRESET', false],
  ['nobody listening', 'ECONNREFUSED', false],
] as const)
  test(`${name}: ${isRefused ? 'refused' : 'lost'}`, () =>
    assert.equal(isTrustError(Object.assign(new Error('it says why'), { code })), isRefused));

test('the reason of OpenSSL is told without the place in its source', () => {
  const openssl = Object.assign(new Error('C0:error:0A:SSL routines:ssl3_read:unknown ca:ssl/record.c:916:'), {
    library: 'SSL routines',
    reason: 'unknown ca',
  });
  assert.equal(wordsOf(openssl), 'unknown ca');
  assert.equal(wordsOf(new Error('it says why')), 'it says why');
});
