/**
 * The codes where a retry cannot help: one side does not accept the certificate of the other, a
 * certificate cannot be read, or the peer speaks no TLS that we speak. Every other code of OpenSSL
 * (a record that was cut off or damaged, data after the end) is a lost connection, and a retry can
 * help.
 */
const REFUSED =
  /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|CERT_|ERR_TLS_|ERR_OSSL_|ERR_SSL_(.*_ALERT_(?!BAD_RECORD)|WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS|.*CERTIFICATE))/;

/** The code that Node, a driver or a library gave an error; empty where it has none. */
export const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '');

/** Whether a connection was given up because one side does not trust the other. */
export const isTrustError = (error: Error): boolean => REFUSED.test(codeOf(error));

/**
 * The message of an error. A message of OpenSSL is a line with numbers and a place in its source;
 * the readable part is its reason.
 */
export const wordsOf = (error: Error): string =>
  'reason' in error && 'library' in error ? String(error.reason) : error.message;
