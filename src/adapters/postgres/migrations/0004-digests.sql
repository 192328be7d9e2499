-- Digests that the chain of hashes carries: of the ballots of each batch, of the participants, and of the roll.

-- `digest` is the SHA-256 of the batch's ballots; `participation` the sum over all participants of its partition so far.
-- Both are null in batches cast before digests.
ALTER TABLE batches
  ADD COLUMN digest        text CHECK (digest ~ '^[0-9a-f]{64}$'),
  ADD COLUMN participation text CHECK (length(participation) = 256 AND participation ~ '^[0-9a-f]*$');
ALTER TABLE log_ends ADD COLUMN participation text CHECK (length(participation) = 256 AND participation ~ '^[0-9a-f]*$');

-- The secret of an election, which keeps digests of voter numbers from being guessed. It never leaves the database.
-- An election made before has none, and so no digests of participants and of the roll.
CREATE TABLE nonces (
  election_no integer PRIMARY KEY REFERENCES elections,
  nonce       bytea   NOT NULL CHECK (length(nonce) = 32)
);

-- As before, and moves the sum of participants.
DROP FUNCTION append_log(integer, text, integer, bigint, integer, integer, integer, text, bytea);
CREATE FUNCTION append_log(
  e integer, t text, p integer, expected_offset bigint, records integer, entries integer, batches_added integer,
  new_hash text, data bytea, new_participation text
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE log_ends
    SET next_offset = next_offset + records, next_seq = next_seq + entries, next_batch = next_batch + batches_added,
        hash = coalesce(new_hash, hash), participation = coalesce(new_participation, participation)
    WHERE election_no = e AND topic = t AND partition = p AND next_offset = expected_offset;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another process has appended to %/% after offset %', t, p, expected_offset USING ERRCODE = 'TR001';
  END IF;
  INSERT INTO log VALUES (e, t, p, expected_offset, records, data);
  PERFORM pg_notify('tallyroom_log', e || '/' || t || '/' || p || '/' || expected_offset + records);
END $$;
