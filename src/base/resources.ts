import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The places of the files that the program reads beside its code. This is the only file of `src`
 * that makes a path from its own place, so a build that moves the code has one file to change.
 * `src` and the folders named here keep their places relative to it.
 */
const ROOT = new URL('../../', import.meta.url);
const pathOf = (name: string): string => fileURLToPath(new URL(name, ROOT));

/** The built page, a directory. */
export const PAGE_DIRECTORY = pathOf('dist/web');
/** Names the jars of Kafka and Spark. */
export const JARS_POM = pathOf('stack/pom.xml');
/** The numbered migrations of the database, a directory. */
export const MIGRATIONS_DIRECTORY = pathOf('src/adapters/postgres/migrations');

/** The text of an SQL file of an adapter. @param name the path of the file below `src/adapters` */
export const readSql = (name: `${string}.sql`): string => readFileSync(pathOf(`src/adapters/${name}`), 'utf8');
