import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { claimDataDirectory } from '../bundled-postgres/places.ts';

/** The places of the files of a stack. */
export interface StackPlaces {
  /** The directory of the stack. Only the jars may be kept elsewhere. */
  readonly directory: string;
  /** A folder with one log a server. */
  readonly logs: string;
  /** A folder with one file a server, which holds the id of its process. */
  readonly processes: string;
  /** A folder with a folder for each set of jars. */
  readonly jars: string;
}

/** The paths of a stack. Makes none of them. */
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
 * Makes the folders that are missing.
 * @throws OperationalError DATA_DIRECTORY_UNUSABLE where the directory holds files that are not
 * ours.
 */
export async function preparePlaces(places: StackPlaces): Promise<void> {
  await claimDataDirectory(places.directory);
  for (const directory of [places.logs, places.processes, places.jars]) await mkdir(directory, { recursive: true });
}
