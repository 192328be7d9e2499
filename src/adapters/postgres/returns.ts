import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { OperationalError } from '../../base/errors.ts';
import { sha256 } from '../../base/sha256.ts';
import { createTally } from '../../domain/counting/tally.ts';
import {
  candidateAt,
  cellAt,
  contestAt,
  type ElectionIndex,
  indexElection,
  slotAt,
} from '../../domain/election/election-index.ts';
import { chainStart } from '../../domain/log/box.ts';
import type { CountType } from '../../domain/returns/count-type.ts';
import type { ReturnFault } from '../../domain/returns/plausibility.ts';
import { locationsOfSlots, slotOfCell, writeReturns } from '../../domain/returns/return-record.ts';
import type { Upload, UploadedVersion } from '../../domain/returns/upload.ts';
import { UNIT_FIELDS, unitPlace, type Version } from '../../domain/returns/version.ts';
import { definitionOf, type ElectionEntry } from '../../ports/elections.ts';
import type { AcceptedVersion, Returns, StoredReturns, TakenUpload } from '../../ports/returns.ts';
import { appendLog, type LogEnd, readLogEnd } from './append.ts';
import { type Database, inTransaction } from './database.ts';

export function openReturns(database: Database): Returns {
  return {
    async take(entry, upload) {
      await using client = await database.connect();
      const taken = await inTransaction(client, async () => {
        const outcome = await takeUpload(client, entry, upload);
        crashPoint('report.before-commit');
        return outcome;
      });
      crashPoint('report.after-commit');
      return taken;
    },
    accepted: (entry, seq, count) => readAccepted(database, entry, seq, count),
    recount: (entry, seqEnd, signal) => recount(database, entry, seqEnd, signal),
  };
}

/** A batch of the log is read whole, so a large upload is several: some 20 MB each. */
const VERSIONS_PER_APPEND_MAX = 100_000;

/** A version as table `returns` has it. */
interface Row {
  readonly location_no: number;
  readonly contest_no: number;
  readonly field: string;
  readonly candidate_no: number | null;
}

async function takeUpload(client: pg.Client, entry: ElectionEntry, upload: Upload): Promise<TakenUpload> {
  const number = entry.election_no;
  await assertUnique(client);
  // A declaration locks the election against uploads; uploads lock each other out by the end of the
  // topic.
  await client.query('SELECT FROM elections WHERE election_no = $1 FOR SHARE', [number]);
  await client.query("SELECT FROM log_ends WHERE election_no = $1 AND topic = 'returns' AND partition = 0 FOR UPDATE", [
    number,
  ]);
  const before = await takenBefore(client, number, upload);
  if (before !== null) return before;
  const index = indexElection(definitionOf(entry));
  const rows = rowsOf(index, upload.versions);
  const sorted = await sort(client, number, upload.versions, rows);
  const uploadNo = await insertUpload(client, number, upload, sorted);
  const end = await readLogEnd(client, number, 'returns', 0);
  await insertVersions(client, number, uploadNo, upload.versions, rows, [
    ...sorted.accepted.map((position, i): Kept => [position, end.next_seq + i, null]),
    ...sorted.quarantined.map(({ position, fault }): Kept => [position, null, fault]),
  ]);
  const accepted = sorted.accepted.map((position) => upload.versions[position]!);
  if (accepted.length > 0) await appendReturns(client, entry, index, uploadNo, accepted, end);
  return {
    upload: uploadNo,
    was_taken_before: false,
    accepted: accepted.length,
    repeated: sorted.repeated,
    quarantined: sorted.quarantined.map(({ position, fault }) => ({ line: upload.versions[position]!.line, fault })),
  };
}

/** @returns the number of the upload */
async function insertUpload(
  client: pg.Client,
  electionNo: number,
  upload: Upload,
  { accepted, repeated, quarantined }: Sorted,
): Promise<number> {
  const { source, bytes, times, received_at, refused, rows } = upload;
  const { rows: inserted } = await client.query<{ upload_no: number }>(
    `INSERT INTO uploads
     SELECT $1, coalesce(max(upload_no), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
     FROM uploads WHERE election_no = $1 RETURNING upload_no`,
    [
      electionNo,
      source,
      upload.sha256,
      bytes,
      times,
      new Date(received_at),
      rows,
      refused.length,
      accepted.length,
      repeated,
      quarantined.length,
    ],
  );
  const uploadNo = inserted[0]!.upload_no;
  await client.query('INSERT INTO refused_returns SELECT $1, $2, * FROM unnest($3::integer[], $4::text[])', [
    electionNo,
    uploadNo,
    refused.map(({ line }) => line),
    refused.map(({ reason }) => reason),
  ]);
  return uploadNo;
}

async function appendReturns(
  client: pg.Client,
  entry: ElectionEntry,
  index: ElectionIndex,
  upload: number,
  versions: readonly Version[],
  end: LogEnd,
): Promise<void> {
  const definition = entry.definition_hash!;
  let hash = end.hash ?? chainStart(sha256, entry.id, definition, 0);
  let offset = end.next_offset;
  for (let first = 0; first < versions.length; first += VERSIONS_PER_APPEND_MAX) {
    const part = versions.slice(first, first + VERSIONS_PER_APPEND_MAX);
    const written = writeReturns(index, { upload, definition }, part, { seq: end.next_seq + first, hash }, sha256);
    await appendLog(client, {
      election_no: entry.election_no,
      topic: 'returns',
      partition: 0,
      expected_offset: offset,
      records: written.records,
      entries: part.length,
      batches: 1,
      hash: written.hash,
      text: written.text,
    });
    hash = written.hash;
    offset += written.records;
  }
}

/** @throws OperationalError DATABASE_UNSAFE where a number could be accepted twice. */
async function assertUnique(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
     WHERE indrelid = 'returns'::regclass AND relname = ANY($1) AND indisunique AND indisvalid`,
    [UNIQUE_INDEXES],
  );
  if (rowCount === UNIQUE_INDEXES.length) return;
  throw new OperationalError('DATABASE_UNSAFE', {
    message: 'table returns lacks a unique index, so a number could be counted twice',
    nextStep: 'Restore the backup with its indexes returns_seq and returns_cell.',
  });
}

const UNIQUE_INDEXES = ['returns_seq', 'returns_cell'];

/** The outcome of the same upload where it was taken before; see {@link TimesFrom}. */
async function takenBefore(client: pg.Client, electionNo: number, upload: Upload): Promise<TakenUpload | null> {
  const { times, source, sha256: hash, received_at } = upload;
  if (times === 'given') return null;
  const where = times === 'bytes' ? 'sha256 = $2 ORDER BY upload_no' : 'source = $2 ORDER BY upload_no DESC';
  const { rows } = await client.query<{
    upload_no: number;
    accepted: number;
    repeated: number;
    sha256: string;
    received_at: Date;
  }>(
    `SELECT upload_no, accepted, repeated, sha256, received_at FROM uploads WHERE election_no = $1 AND ${where} LIMIT 1`,
    [electionNo, times === 'bytes' ? hash : source],
  );
  const [row] = rows;
  if (row?.sha256 !== hash) return null;
  const { upload_no, accepted, repeated } = row;
  // Where the answer to the COMMIT of a first try was lost, this is the upload itself.
  const isItself = row.received_at.getTime() === received_at;
  return { upload: upload_no, was_taken_before: !isItself, accepted, repeated, quarantined: [] };
}

function rowsOf(index: ElectionIndex, versions: readonly UploadedVersion[]): Row[] {
  const locations = locationsOfSlots(index);
  return versions.map(({ place }) => {
    const unit = place - index.cellCount;
    const slot = unit < 0 ? slotOfCell(index, place) : Math.floor(unit / UNIT_FIELDS.length);
    return {
      location_no: locations[slot]!,
      contest_no: contestAt(index, slot),
      field: unit < 0 ? 'votes' : UNIT_FIELDS[unit % UNIT_FIELDS.length]!,
      candidate_no: unit < 0 ? candidateAt(index, slot, place) : null,
    };
  });
}

interface Sorted {
  /** Positions in the upload. */
  readonly accepted: readonly number[];
  readonly repeated: number;
  readonly quarantined: readonly { readonly position: number; readonly fault: ReturnFault }[];
}

/** Compares the versions with those of the same cell and time that are accepted already. */
async function sort(
  client: pg.Client,
  electionNo: number,
  versions: readonly UploadedVersion[],
  rows: readonly Row[],
): Promise<Sorted> {
  const { rows: known } = await client.query<{ position: number; value: string }>(
    `SELECT staged.position::integer - 1 AS position, returns.value
     FROM unnest($2::integer[], $3::integer[], $4::text[], $5::text[], $6::integer[], $7::timestamptz[])
       WITH ORDINALITY AS staged (location_no, contest_no, count_type, field, candidate_no, reported_at, position)
     JOIN returns ON returns.election_no = $1 AND returns.location_no = staged.location_no
       AND returns.contest_no = staged.contest_no AND returns.count_type = staged.count_type
       AND returns.field = staged.field AND coalesce(returns.candidate_no, -1) = coalesce(staged.candidate_no, -1)
       AND returns.reported_at = staged.reported_at AND returns.seq IS NOT NULL`,
    [electionNo, ...columnsOf(versions, rows)],
  );
  const values = new Map(known.map(({ position, value }) => [position, Number(value)]));
  const accepted: number[] = [];
  const quarantined: { position: number; fault: ReturnFault }[] = [];
  let repeated = 0;
  for (const [position, { fault, value }] of versions.entries()) {
    const same = values.get(position);
    if (fault !== null) quarantined.push({ position, fault });
    else if (same === undefined) accepted.push(position);
    else if (same === value) repeated++;
    else quarantined.push({ position, fault: 'SAME_TIME' });
  }
  return { accepted, repeated, quarantined };
}

const columnsOf = (versions: readonly UploadedVersion[], rows: readonly Row[]): unknown[] => [
  rows.map((row) => row.location_no),
  rows.map((row) => row.contest_no),
  versions.map(({ count_type }) => count_type),
  rows.map((row) => row.field),
  rows.map((row) => row.candidate_no),
  versions.map(({ reported_at }) => new Date(reported_at)),
];

/** A position in the upload, with its `seq` or its fault. */
type Kept = readonly [position: number, seq: number | null, fault: ReturnFault | null];

async function insertVersions(
  client: pg.Client,
  electionNo: number,
  uploadNo: number,
  versions: readonly UploadedVersion[],
  rows: readonly Row[],
  kept: readonly Kept[],
): Promise<void> {
  const keptVersions = kept.map(([position]) => versions[position]!);
  await client.query(
    `INSERT INTO returns SELECT $1, $2, line, location_no, contest_no, count_type, field, candidate_no, value, reported_at, seq, fault
     FROM unnest($3::integer[], $4::integer[], $5::text[], $6::text[], $7::integer[], $8::timestamptz[],
       $9::integer[], $10::bigint[], $11::bigint[], $12::text[])
       AS kept (location_no, contest_no, count_type, field, candidate_no, reported_at, line, value, seq, fault)`,
    [
      electionNo,
      uploadNo,
      ...columnsOf(
        keptVersions,
        kept.map(([position]) => rows[position]!),
      ),
      keptVersions.map(({ line }) => line),
      keptVersions.map(({ value }) => value),
      kept.map(([, seq]) => seq),
      kept.map(([, , fault]) => fault),
    ],
  );
}

async function readAccepted(
  database: Database,
  entry: ElectionEntry,
  seq: number,
  count: number,
): Promise<AcceptedVersion[]> {
  const index = indexElection(definitionOf(entry));
  const rows = await database.query<StoredRow & { upload_no: number; reported_at: Date }>(
    `SELECT upload_no, location_no, contest_no, count_type, field, candidate_no, value::float8 AS value, reported_at
     FROM returns WHERE election_no = $1 AND seq >= $2 AND seq < $3 ORDER BY seq`,
    [entry.election_no, seq, seq + count],
  );
  return rows.map((row) => ({
    count_type: row.count_type,
    place: placeOf(index, row),
    value: row.value,
    reported_at: row.reported_at.getTime(),
    upload: row.upload_no,
  }));
}

type StoredRow = Row & { readonly count_type: CountType; readonly value: number };

/** The place of the cell of a row; -1 where the election has no such cell. */
function placeOf(index: ElectionIndex, { location_no, contest_no, field, candidate_no }: Row): number {
  const slot = slotAt(index, location_no, contest_no);
  if (slot === -1) return -1;
  if (candidate_no !== null) return cellAt(index, location_no, candidate_no);
  return unitPlace(index, slot, (UNIT_FIELDS as readonly string[]).indexOf(field));
}

/** The newest number of each cell; a total is not added to its parts. */
const NEWEST = `
  WITH newest AS (
    SELECT DISTINCT ON (location_no, contest_no, count_type, field, candidate_no)
      location_no, contest_no, count_type, field, candidate_no, value
    FROM returns WHERE election_no = $1 AND seq < $2
    ORDER BY location_no, contest_no, count_type, field, candidate_no, reported_at DESC
  )
  SELECT location_no, contest_no, field, candidate_no,
    coalesce(sum(value) FILTER (WHERE count_type <> 'total'), sum(value))::float8 AS value
  FROM newest GROUP BY location_no, contest_no, field, candidate_no`;

const TABLES = ['uploads', 'returns', 'refused_returns'];

async function recount(
  database: Database,
  entry: ElectionEntry,
  seqEnd: number,
  signal: AbortSignal,
): Promise<StoredReturns> {
  signal.throwIfAborted();
  const index = indexElection(definitionOf(entry));
  const tally = createTally(index);
  const rows = await database.query<Omit<StoredRow, 'count_type'>>(NEWEST, [entry.election_no, seqEnd]);
  for (const row of rows) {
    const place = placeOf(index, row);
    const unit = place - index.cellCount;
    if (place === -1) continue;
    if (unit < 0) tally.votes[place] = row.value;
    else {
      const { reporting, total } = tally.units!;
      const counts = unit % UNIT_FIELDS.length === 0 ? reporting : total;
      counts[Math.floor(unit / UNIT_FIELDS.length)] = row.value;
    }
  }
  const [counted] = await database.query<{ accepted: number }>(
    'SELECT count(*)::float8 AS accepted FROM returns WHERE election_no = $1 AND seq < $2',
    [entry.election_no, seqEnd],
  );
  const differing = await database.query<{ upload_no: number }>(
    `SELECT upload_no FROM uploads WHERE election_no = $1 AND (
       accepted <> (SELECT count(*) FROM returns r WHERE r.election_no = $1 AND r.upload_no = uploads.upload_no AND seq IS NOT NULL)
       OR quarantined <> (SELECT count(*) FROM returns r WHERE r.election_no = $1 AND r.upload_no = uploads.upload_no AND seq IS NULL)
       OR refused <> (SELECT count(*) FROM refused_returns r WHERE r.election_no = $1 AND r.upload_no = uploads.upload_no))
     ORDER BY upload_no LIMIT 5`,
    [entry.election_no],
  );
  // One look: an upload that is taken meanwhile moves both.
  const [strays] = await database.query<{ n: number }>(
    `SELECT count(*)::float8 AS n FROM returns WHERE election_no = $1
       AND seq >= (SELECT next_seq FROM log_ends WHERE election_no = $1 AND topic = 'returns' AND partition = 0)`,
    [entry.election_no],
  );
  const triggers = await database.query<{ relname: string }>(
    `SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
     WHERE tgname = 'keep' AND tgenabled IN ('O', 'A') AND tgrelid = ANY($1::text[]::regclass[])`,
    [TABLES],
  );
  return {
    accepted: counted!.accepted,
    tally,
    differing: differing.map(
      ({ upload_no }) => `upload ${upload_no} has other numbers of rows than table uploads says`,
    ),
    strays: strays!.n,
    unprotected: TABLES.filter((table) => !triggers.some(({ relname }) => relname === table)),
  };
}
