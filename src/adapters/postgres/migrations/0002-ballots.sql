-- Voters, who has voted, what was voted, and the log. participation and votes share no key, no order and no fine time.

CREATE SEQUENCE voter_id_blocks AS bigint;

-- The only table with personal data. A replayed voter has a number and a location, and is no invented person.
CREATE TABLE voters (
  voter_id            bigint  PRIMARY KEY,
  election_no         integer NOT NULL,
  location_no         integer NOT NULL,
  registration_number text,
  uuid                text,
  first_name          text,
  last_name           text,
  birth_date          date,
  gender              text,
  nationality         text,
  street              text,
  city                text,
  state               text,
  country             text,
  postcode            text,
  email               text,
  phone               text,
  cell                text,
  picture             text,
  registered_age      integer
);
CREATE UNIQUE INDEX voters_registration_number ON voters (election_no, registration_number)
  WHERE registration_number IS NOT NULL;
CREATE UNIQUE INDEX voters_uuid ON voters (election_no, uuid) WHERE uuid IS NOT NULL;

-- That a voter has voted. One partition an election, each with its own unique index on voter_id: one voter, one vote.
CREATE TABLE participation (
  voter_id    bigint  NOT NULL,
  election_no integer NOT NULL
) PARTITION BY LIST (election_no);

-- One ballot as cast. `selections` holds candidate numbers; a batch's rows are in the order of its shuffle.
CREATE TABLE votes (
  election_no integer   NOT NULL,
  batch_no    integer   NOT NULL,
  location_no integer   NOT NULL,
  selections  integer[] NOT NULL
) PARTITION BY LIST (election_no);

-- `hash` is chained to the batch before it in its partition; the log's boxes carry the same chain.
CREATE TABLE batches (
  election_no     integer     NOT NULL REFERENCES elections,
  batch_no        integer     NOT NULL,
  partition       smallint    NOT NULL,
  source          text        NOT NULL,
  first_seq       bigint      NOT NULL,
  votes           integer     NOT NULL CHECK (votes > 0),
  definition_hash text        NOT NULL,
  hash            text        NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
  cast_at         timestamptz NOT NULL CHECK (date_trunc('minute', cast_at) = cast_at),
  PRIMARY KEY (election_no, batch_no),
  UNIQUE (election_no, partition, first_seq)
);

-- A cast vote that was refused: where it stood in its source and why. Never whose it was or what it chose.
CREATE TABLE rejections (
  election_no   integer     NOT NULL REFERENCES elections,
  source        text        NOT NULL,
  partition     smallint    NOT NULL,
  source_offset bigint      NOT NULL,
  reason        text        NOT NULL,
  rejected_at   timestamptz NOT NULL,
  PRIMARY KEY (election_no, source, partition, source_offset)
);

-- How far each source has been taken in: moved in the same transaction as what was taken.
CREATE TABLE source_offsets (
  election_no integer  NOT NULL REFERENCES elections,
  source      text     NOT NULL,
  partition   smallint NOT NULL,
  next_offset bigint   NOT NULL CHECK (next_offset >= 0),
  PRIMARY KEY (election_no, source, partition)
);

-- The log: one row a batch of records; `payload` is Zstandard over lines of key TAB value NEWLINE.
CREATE TABLE log (
  election_no  integer  NOT NULL REFERENCES elections,
  topic        text     NOT NULL,
  partition    smallint NOT NULL,
  base_offset  bigint   NOT NULL,
  record_count integer  NOT NULL CHECK (record_count > 0),
  payload      bytea    NOT NULL,
  PRIMARY KEY (election_no, topic, partition, base_offset)
);
ALTER TABLE log ALTER payload SET STORAGE EXTERNAL;

-- The end of each partition of the log. `next_seq` counts voters or votes, `next_offset` records; `hash` is the end of the chain.
CREATE TABLE log_ends (
  election_no integer  NOT NULL REFERENCES elections,
  topic       text     NOT NULL,
  partition   smallint NOT NULL,
  next_offset bigint   NOT NULL DEFAULT 0,
  next_seq    bigint   NOT NULL DEFAULT 0,
  next_batch  integer  NOT NULL DEFAULT 0,
  hash        text,
  PRIMARY KEY (election_no, topic, partition)
);

-- The writer of compacted topics: a later one has a greater epoch and fences the earlier.
CREATE TABLE writers (
  election_no integer NOT NULL REFERENCES elections,
  name        text    NOT NULL,
  epoch       integer NOT NULL,
  PRIMARY KEY (election_no, name)
);

-- What a batch needs besides its COPYs, each a single round trip.

CREATE FUNCTION advance_source(e integer, s text, p integer, expected bigint, following bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE source_offsets SET next_offset = following
    WHERE election_no = e AND source = s AND partition = p AND next_offset = expected;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another process has taken partition % of % from offset %', p, s, expected USING ERRCODE = 'TR001';
  END IF;
END $$;

-- Appends records to the log at the expected end, and moves the end. Wakes readers at commit.
CREATE FUNCTION append_log(
  e integer, t text, p integer, expected_offset bigint, records integer, entries integer, batches_added integer,
  new_hash text, data bytea
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE log_ends
    SET next_offset = next_offset + records, next_seq = next_seq + entries, next_batch = next_batch + batches_added,
        hash = coalesce(new_hash, hash)
    WHERE election_no = e AND topic = t AND partition = p AND next_offset = expected_offset;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another process has appended to %/% after offset %', t, p, expected_offset USING ERRCODE = 'TR001';
  END IF;
  INSERT INTO log VALUES (e, t, p, expected_offset, records, data);
  PERFORM pg_notify('tallyroom_log', e || '/' || t || '/' || p || '/' || expected_offset + records);
END $$;
