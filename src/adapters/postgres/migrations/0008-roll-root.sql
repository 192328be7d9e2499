-- The root of the roll: a hash over the digests of its blocks, under the election's nonce.

-- The blocks of the roll: SHA-256 over the voters of each, under the nonce. A block is what one transaction registered.
CREATE TABLE roll_blocks (
  election_no integer NOT NULL REFERENCES elections,
  first_voter bigint  NOT NULL,
  voters      integer NOT NULL CHECK (voters > 0),
  digest      text    NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
  PRIMARY KEY (election_no, first_voter)
);

-- The root over the blocks, as topic `definition` carries it under key `roll:<revision>`.
CREATE TABLE roll_roots (
  election_no integer NOT NULL REFERENCES elections,
  revision    integer NOT NULL,
  voters      bigint  NOT NULL,
  root        text    NOT NULL CHECK (root ~ '^[0-9a-f]{64}$'),
  PRIMARY KEY (election_no, revision)
);

CREATE FUNCTION roll_key(e integer) RETURNS bytea
LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to('tallyroom roll ', 'UTF8') || nonce) FROM nonces WHERE election_no = e
$$;

-- The digest of the voters with ids from `first` to `last`, as src/domain/log/roll-text.ts writes them.
CREATE FUNCTION roll_block(e integer, first bigint, last bigint) RETURNS TABLE (voters integer, digest text)
LANGUAGE sql STABLE AS $$
  SELECT count(*)::integer, encode(sha256(roll_key(e) || convert_to(coalesce(string_agg(
      voter_id || E'\t' || location_no || E'\t' || coalesce(to_json(registration_number)::text, 'null')
      || E'\t' || coalesce(to_json(uuid)::text, 'null') || E'\n', '' ORDER BY voter_id), ''), 'UTF8')), 'hex')
  FROM voters WHERE election_no = e AND voter_id BETWEEN first AND last
$$;

-- The root over the blocks in the order of their voters, and then over the voters who were removed.
CREATE FUNCTION roll_root(e integer) RETURNS TABLE (voters bigint, root text)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(b.voters), 0)::bigint, encode(sha256(roll_key(e) || convert_to(
      coalesce(string_agg(first_voter || E'\t' || b.voters || E'\t' || digest || E'\n', '' ORDER BY first_voter), '')
      || coalesce((SELECT string_agg(voter_id || E'\t' || removed_in || E'\t' || to_json(removal_reason)::text || E'\n', ''
                     ORDER BY voter_id)
                   FROM voters WHERE election_no = e AND removed_in IS NOT NULL), ''), 'UTF8')), 'hex')
  FROM roll_blocks AS b WHERE election_no = e
$$;
