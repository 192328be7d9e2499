-- Official returns: every delivery, and every number in it. None of this is ever changed.

CREATE TABLE uploads (
  election_no  integer     NOT NULL REFERENCES elections,
  upload_no    integer     NOT NULL CHECK (upload_no > 0),
  source       text        NOT NULL,
  sha256       text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  bytes        bigint      NOT NULL CHECK (bytes >= 0),
  -- Where the times of its numbers come from: its bytes, a person, or the moment of its receipt.
  times        text        NOT NULL CHECK (times IN ('bytes', 'given', 'receipt')),
  received_at  timestamptz NOT NULL,
  rows         integer     NOT NULL CHECK (rows >= 0),
  refused      integer     NOT NULL CHECK (refused >= 0),
  accepted     integer     NOT NULL CHECK (accepted >= 0),
  repeated     integer     NOT NULL CHECK (repeated >= 0),
  quarantined  integer     NOT NULL CHECK (quarantined >= 0),
  PRIMARY KEY (election_no, upload_no)
);
CREATE INDEX uploads_sha256 ON uploads (election_no, sha256);

-- A version of a cell. `seq` is its place in topic `returns`; without one it is in quarantine, for the fault.
CREATE TABLE returns (
  election_no  integer     NOT NULL,
  upload_no    integer     NOT NULL,
  line         integer     NOT NULL CHECK (line > 0),
  location_no  integer     NOT NULL,
  contest_no   integer     NOT NULL,
  count_type   text        NOT NULL,
  field        text        NOT NULL CHECK (field IN ('votes', 'units_reporting', 'units_total')),
  candidate_no integer     CHECK ((candidate_no IS NOT NULL) = (field = 'votes')),
  value        bigint      NOT NULL CHECK (value >= 0),
  reported_at  timestamptz NOT NULL,
  seq          bigint      CHECK (seq >= 0),
  fault        text        CHECK ((fault IS NULL) = (seq IS NOT NULL)),
  FOREIGN KEY (election_no, upload_no) REFERENCES uploads
);
CREATE UNIQUE INDEX returns_seq ON returns (election_no, seq) WHERE seq IS NOT NULL;
-- One number for a cell at a time.
CREATE UNIQUE INDEX returns_cell ON returns
  (election_no, location_no, contest_no, count_type, field, coalesce(candidate_no, -1), reported_at) WHERE seq IS NOT NULL;

-- A row of an upload that could not be read.
CREATE TABLE refused_returns (
  election_no integer NOT NULL,
  upload_no   integer NOT NULL,
  line        integer NOT NULL,
  reason      text    NOT NULL,
  FOREIGN KEY (election_no, upload_no) REFERENCES uploads
);

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'table % keeps every row as it was written', TG_TABLE_NAME;
END $$;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON uploads FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON returns FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON refused_returns FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
