-- Elections and what they are about. Numbers (`..._no`) are places in the definition, never shown outside;
-- ids are the input's own text.

CREATE TABLE elections (
  election_no     integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  election_id     text        NOT NULL UNIQUE,
  name            text        NOT NULL,
  source          text        NOT NULL CHECK (source IN ('ballots', 'returns')),
  -- What the election was made from: a second start compares them and goes on, or refuses.
  arguments       jsonb       NOT NULL,
  seed            text        NOT NULL,
  partitions      smallint    NOT NULL CHECK (partitions > 0),
  -- Fixed at the first count.
  engine          text        CHECK (engine IN ('local', 'spark')),
  definition      jsonb,
  definition_hash text        CHECK (definition_hash ~ '^[0-9a-f]{64}$'),
  -- Set once the last voter is in the log.
  voters_total    bigint,
  created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE contests (
  election_no integer NOT NULL REFERENCES elections,
  contest_no  integer NOT NULL,
  contest_id  text    NOT NULL,
  name        text    NOT NULL,
  vote_for    integer NOT NULL CHECK (vote_for > 0),
  seats       integer NOT NULL CHECK (seats > 0),
  PRIMARY KEY (election_no, contest_no),
  UNIQUE (election_no, contest_id)
);

CREATE TABLE parties (
  election_no integer NOT NULL REFERENCES elections,
  party_id    text    NOT NULL,
  name        text    NOT NULL,
  PRIMARY KEY (election_no, party_id)
);

CREATE TABLE candidates (
  election_no  integer NOT NULL,
  candidate_no integer NOT NULL,
  contest_no   integer NOT NULL,
  candidate_id text    NOT NULL,
  name         text    NOT NULL,
  party_id     text,
  biography    text,
  platform     text,
  photo        text,
  aggregate    boolean NOT NULL,
  PRIMARY KEY (election_no, candidate_no),
  UNIQUE (election_no, contest_no, candidate_id),
  FOREIGN KEY (election_no, contest_no) REFERENCES contests,
  FOREIGN KEY (election_no, party_id) REFERENCES parties
);

CREATE TABLE locations (
  election_no       integer NOT NULL REFERENCES elections,
  location_no       integer NOT NULL,
  location_id       text    NOT NULL,
  name              text    NOT NULL,
  type              text    NOT NULL,
  parent_id         text,
  registered_voters bigint  CHECK (registered_voters >= 0),
  PRIMARY KEY (election_no, location_no),
  UNIQUE (election_no, location_id)
);

-- The real result that a replay casts again.
CREATE TABLE replayed_votes (
  election_no  integer NOT NULL REFERENCES elections,
  location_no  integer NOT NULL,
  candidate_no integer NOT NULL,
  votes        bigint  NOT NULL CHECK (votes >= 0),
  PRIMARY KEY (election_no, location_no, candidate_no)
);
