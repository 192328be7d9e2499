-- The participants beside the votes, at one moment. $1 is the number of the election. A vote is
-- cast in the location of its voter, so each location has as many participants as ballots.
WITH participants AS (
  SELECT location_no, count(*) AS voters, count(*) FILTER (WHERE v.voter_id IS NULL) AS strangers,
         count(*) FILTER (WHERE removed_in IS NOT NULL) AS removed
  FROM participation AS p LEFT JOIN voters AS v ON v.voter_id = p.voter_id AND v.election_no = p.election_no
  WHERE p.election_no = $1 GROUP BY location_no
),
ballots AS (
  SELECT location_no, count(*) AS cast FROM votes WHERE election_no = $1 GROUP BY location_no
),
places AS (
  SELECT coalesce(p.location_no, b.location_no) AS location, coalesce(voters, 0) AS participants, coalesce("cast", 0) AS ballots
  FROM participants AS p FULL JOIN ballots AS b USING (location_no)
)
SELECT
  (SELECT coalesce(sum(voters), 0)::float8 FROM participants) AS participants,
  (SELECT coalesce(sum(votes), 0)::float8 FROM batches WHERE election_no = $1) AS batched,
  (SELECT coalesce(sum(strangers), 0)::float8 FROM participants) AS strangers,
  (SELECT coalesce(sum(removed), 0)::float8 FROM participants) AS removed,
  (SELECT coalesce(jsonb_agg(to_jsonb(d)), '[]') FROM (
      SELECT * FROM places WHERE participants <> ballots ORDER BY location LIMIT $2) AS d) AS differing
