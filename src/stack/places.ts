import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { claimDataDirectory } from '../bundled-postgres/places.ts';

/** Where the files of a stack are. */
export interface StackPlaces {
  /** Holds everything but the jars where they are kept elsewhere. */
  readonly directory: string;
  /** One log a server. */
  readonly logs: string;
  /** One file a server with the id of its process. */
  readonly processes: string;
  /** A folder for each set of jars. */
  readonly jars: string;
}

/** The names of the places of a stack; nothing is made. */
export function placesOf(directory: string, jars: string | null): StackPlaces {
  const root = resolve(directory);
  return {
    directory: root,
    logs: join(root, 'logs'),
    processes: join(root, 'processes'),
    jars: jars === null ? join(root, 'jars') : resolve(jars),
  };
}

/**
 * Makes what is not there.
 * @throws OperationalError DATA_DIRECTORY_UNUSABLE where the directory holds what is not ours.
 */
export async function preparePlaces(places: StackPlaces): Promise<void> {
  await claimDataDirectory(places.directory);
  for (const directory of [places.logs, places.processes, places.jars]) await mkdir(directory, { recursive: true });
}
