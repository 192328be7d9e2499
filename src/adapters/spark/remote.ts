import { OperationalError } from '../../base/errors.ts';

/** The address of a Spark Connect server and the settings of the connection. */
export interface SparkRemote {
  readonly host: string;
  readonly port: number;
  /** The token, which is sent as `authorization: Bearer`, only over TLS. */
  readonly token: string | null;
  readonly use_ssl: boolean;
  /** Spark separates the sessions of users; null means the name of the counter. */
  readonly user_id: string | null;
}

const PORT_DEFAULT = 15002;
const PARAMETERS = ['token', 'use_ssl', 'user_id'] as const;
const EXAMPLE = 'sc://spark.example.org:15002/;token=SECRET;use_ssl=true';

/**
 * Reads a Spark Connect connection string: `sc://host:port/;token=...;use_ssl=true;user_id=...`. A
 * token needs TLS and turns it on.
 * @throws OperationalError USAGE with the part that is wrong. It never repeats a token.
 */
export function parseSparkRemote(text: string): SparkRemote {
  const [, authority = '', path = ''] = /^sc:\/\/([^/]*)(.*)$/.exec(text) ?? [];
  if (authority === '') throw refused('it does not begin with sc:// and a host');
  const address = /^(\[[0-9a-fA-F:.]+\]|[^:@;\s[\]]+)(?::(\d{1,5}))?$/.exec(authority);
  if (address === null) throw refused('the part between sc:// and the next slash is not a host with a port');
  const port = address[2] === undefined ? PORT_DEFAULT : Number(address[2]);
  if (port < 1 || port > 65_535) throw refused(`${port} is not a port`);
  const parameters = parseParameters(path);
  const useSsl = parameters.get('use_ssl')?.toLowerCase() ?? null;
  const token = parameters.get('token') ?? null;
  if (useSsl !== null && useSsl !== 'true' && useSsl !== 'false') throw refused('use_ssl is neither true nor false');
  if (token !== null && useSsl === 'false')
    throw refused('a token is given with use_ssl=false, and would be sent unencrypted');
  return {
    host: address[1]!,
    port,
    token,
    use_ssl: useSsl === 'true' || token !== null,
    user_id: parameters.get('user_id') ?? null,
  };
}

function parseParameters(path: string): Map<string, string> {
  const parameters = new Map<string, string>();
  if (path !== '' && path !== '/' && !path.startsWith('/;'))
    throw refused('the part after the host must begin with /; and hold parameters separated by semicolons');
  for (const part of path.slice(2).split(';')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = equals === -1 ? part : part.slice(0, equals);
    if (!PARAMETERS.some((each) => each === name))
      throw refused(`"${name}" is not a parameter; there are ${PARAMETERS.join(', ')}`);
    if (parameters.has(name)) throw refused(`${name} is given twice`);
    parameters.set(name, parseValue(name, equals === -1 ? '' : part.slice(equals + 1)));
  }
  return parameters;
}

/** A value may be percent-encoded, as in a URL. It must be allowed in a header. */
function parseValue(name: string, text: string): string {
  let value: string;
  try {
    value = decodeURIComponent(text);
  } catch {
    throw refused(`the percent-encoding of the value of ${name} is wrong`);
  }
  if (!/^[\x21-\x7e]+$/.test(value)) throw refused(`the value of ${name} is empty, or has characters other than ASCII`);
  return value;
}

const refused = (reason: string): OperationalError =>
  new OperationalError('USAGE', {
    message: `SPARK_REMOTE cannot be used: ${reason}`,
    nextStep: `Give it as in ${EXAMPLE}, where everything after the host may be left out.`,
  });
