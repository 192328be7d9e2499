/** The connection to the server, as the page tells it. */
export type Connection = 'connecting' | 'live' | 'reconnecting' | 'lost';

/**
 * - `contact`: something arrived.
 * - `break`: a try to follow the results ended, or could not begin; another follows by itself.
 * - `silence`: nothing has arrived for `LOST_AFTER_MS`. It is repeated while that lasts.
 */
export type ConnectionEvent = 'contact' | 'break' | 'silence';

/** A connection that is silent for longer is not being mended any more: it is lost. */
export const LOST_AFTER_MS = 10_000;

/** An open stream may be silent. Only its end, or a contact, says whether it still lives. */
const NEXT: Record<Connection, Record<ConnectionEvent, Connection>> = {
  connecting: { contact: 'live', break: 'connecting', silence: 'lost' },
  live: { contact: 'live', break: 'reconnecting', silence: 'live' },
  reconnecting: { contact: 'live', break: 'reconnecting', silence: 'lost' },
  lost: { contact: 'live', break: 'lost', silence: 'lost' },
};

export const nextConnection = (connection: Connection, event: ConnectionEvent): Connection => NEXT[connection][event];
