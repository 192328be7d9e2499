import { sha256 } from '../../base/sha256.ts';
import { countingDifference, hashedDefinition } from '../../domain/election/definition.ts';
import { canonicalDefinition, type Election } from '../../domain/election/election.ts';
import {
  DEFINITION_KEY,
  type DefinitionRecord,
  REVISION_KEY_PREFIX,
  type RevisionRecord,
} from '../../domain/log/records.ts';
import { definitionOf, type ElectionEntry } from '../../ports/elections.ts';
import type { LogRecord } from '../../ports/log.ts';

/**
 * Compares the definition in table `elections` and in topic `definition` with their hashes and with
 * each other, and follows the revisions of the description from the first to the one in force.
 * @returns the places that differ.
 */
export function differingDefinitions(entry: ElectionEntry, records: ReadonlyMap<string, LogRecord>): string[] {
  const value = records.get(DEFINITION_KEY)?.value;
  const record = value === undefined ? null : (JSON.parse(value) as DefinitionRecord);
  const inForce = definitionOf(entry);
  if (record === null) return ['in topic definition'];
  const made = record.election;
  const differing: string[] = [];
  if (
    record.hash !== entry.definition_hash ||
    (record.format ?? 1) !== entry.format ||
    sha256(hashedDefinition(made, entry.format)) !== entry.definition_hash
  )
    differing.push('in topic definition');
  let described: Election = made;
  for (let revision = 1; revision <= entry.revision; revision++) {
    const revised = readRevision(records.get(`${REVISION_KEY_PREFIX}${revision}`)?.value, revision, made);
    if (revised === null) differing.push(`in topic definition, revision ${revision}`);
    described = revised ?? described;
  }
  const difference = countingDifference(made, inForce);
  if (difference !== null) differing.push(`in table elections: ${difference}`);
  else if (canonicalDefinition(described) !== canonicalDefinition(inForce))
    differing.push(`in table elections: not as in topic definition, revision ${entry.revision}`);
  return differing;
}

/** @returns null where the record is missing or is not that revision of the definition. */
function readRevision(value: string | undefined, revision: number, made: Election): Election | null {
  if (value === undefined) return null;
  const record = JSON.parse(value) as RevisionRecord;
  const isSound =
    record.revision === revision &&
    sha256(canonicalDefinition(record.election)) === record.description_hash &&
    countingDifference(made, record.election) === null;
  return isSound ? record.election : null;
}
