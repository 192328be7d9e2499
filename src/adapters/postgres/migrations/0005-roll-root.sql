-- Digests of the roll: of each block of voters as it was registered, and of all blocks at each revision of the roll.
-- An election without a nonce has neither.

-- A block is the voters whose ids were given together. `revision` is 0, or the revision that added them to a complete roll;
-- it is null only inside the transaction that adds them.
CREATE TABLE roll_blocks (
  election_no integer NOT NULL REFERENCES elections,
  block       bigint  NOT NULL,
  revision    integer CHECK (revision >= 0),
  voters      integer NOT NULL CHECK (voters > 0),
  digest      text    NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
  PRIMARY KEY (election_no, block)
);

-- Revision 0 is the roll as it was when registration ended. Topic `definition` carries each root.
CREATE TABLE roll_roots (
  election_no integer NOT NULL REFERENCES elections,
  revision    integer NOT NULL CHECK (revision >= 0),
  root        text    NOT NULL CHECK (root ~ '^[0-9a-f]{64}$'),
  PRIMARY KEY (election_no, revision)
);
