-- Every batch of an election with the SHA-256 of its ballots in table `votes`, as
-- src/domain/log/batch-text.ts writes them. $1 is the number of the election. A batch that only
-- votes name has no partition, and comes last.
WITH lines AS (
  SELECT batch_no, location_no || ' ' || array_to_string(selections, ',', '?') || ' ' || count(*) AS line
  FROM votes WHERE election_no = $1 GROUP BY batch_no, location_no, selections
),
texts AS (
  SELECT batch_no, encode(sha256(convert_to(string_agg(line, E'\n' ORDER BY line COLLATE "C"), 'UTF8')), 'hex') AS ballots
  FROM lines GROUP BY batch_no
)
SELECT batch_no, partition, source, first_seq::float8, votes, definition_hash, hash,
       extract(epoch FROM cast_at)::float8 * 1000 AS cast_at, ballots, digest, participation
FROM (SELECT * FROM batches WHERE election_no = $1) AS stored FULL JOIN texts USING (batch_no)
ORDER BY partition NULLS LAST, first_seq
