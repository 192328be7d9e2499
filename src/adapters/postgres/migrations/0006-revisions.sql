-- The description of an election changes by numbered revisions; voters join and leave the roll late.

-- Format 1: one hash over the whole definition. Format 2: `definition_hash` covers the counting definition alone.
ALTER TABLE elections
  ADD COLUMN format   smallint NOT NULL DEFAULT 1 CHECK (format IN (1, 2)),
  ADD COLUMN revision integer  NOT NULL DEFAULT 0 CHECK (revision >= 0);

-- Revision n of the description, as topic `definition` carries it under key `revision:<n>`.
CREATE TABLE revisions (
  election_no      integer     NOT NULL REFERENCES elections,
  revision         integer     NOT NULL CHECK (revision > 0),
  description_hash text        NOT NULL CHECK (description_hash ~ '^[0-9a-f]{64}$'),
  reason           text        NOT NULL,
  -- The file that voters were added or removed by, and what it did.
  source           text,
  voters_added     integer     NOT NULL DEFAULT 0,
  voters_removed   integer     NOT NULL DEFAULT 0,
  made_at          timestamptz NOT NULL,
  PRIMARY KEY (election_no, revision)
);
-- A file of additions or removals counts once, however often it is given.
CREATE UNIQUE INDEX revisions_source ON revisions (election_no, source) WHERE source IS NOT NULL;

-- A voter who was removed keeps the row, so that nobody else gets the number; the registration number is free again.
ALTER TABLE voters
  ADD COLUMN removed_in     integer,
  ADD COLUMN removal_reason text;
ALTER TABLE voters ADD CHECK ((removed_in IS NULL) = (removal_reason IS NULL));
CREATE INDEX voters_removed ON voters (election_no, voter_id) WHERE removed_in IS NOT NULL;
DROP INDEX voters_registration_number;
CREATE UNIQUE INDEX voters_registration_number ON voters (election_no, registration_number)
  WHERE registration_number IS NOT NULL AND removed_in IS NULL;
DROP INDEX voters_uuid;
CREATE UNIQUE INDEX voters_uuid ON voters (election_no, uuid) WHERE uuid IS NOT NULL AND removed_in IS NULL;

-- What a batch of votes begins with: moves the source, and takes the election's row FOR SHARE. A change of the roll takes
-- it FOR UPDATE, so a voter is removed either before the batch looks, or after it is committed.
-- Returns whether any voter was removed.
CREATE FUNCTION begin_batch(e integer, s text, p integer, expected bigint, following bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM elections WHERE election_no = e FOR SHARE;
  PERFORM advance_source(e, s, p, expected, following);
  RETURN EXISTS (SELECT 1 FROM voters WHERE election_no = e AND removed_in IS NOT NULL);
END $$;
