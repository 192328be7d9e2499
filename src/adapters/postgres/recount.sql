-- The tally of an election from table `votes` alone: a second way beside the fold of the counter.
-- $1 is the number of the election and $2 that of its partitions. $3 has the number of batches of
-- each partition that are counted. `kind` is the meaning of a row: ballots of a location; votes of
-- a candidate there; ballots overvoted in a contest there.
WITH styles AS (
  SELECT location_no, selections, count(*) AS ballots FROM votes
  WHERE election_no = $1 AND batch_no / $2 < ($3::bigint[])[batch_no % $2 + 1]
  GROUP BY location_no, selections
),
marks AS (
  SELECT s.location_no, s.selections, s.ballots, c.contest_no, c.candidate_no, k.vote_for,
         count(*) OVER (PARTITION BY s.location_no, s.selections, c.contest_no) AS selected
  FROM styles s
  CROSS JOIN LATERAL unnest(s.selections) AS mark (candidate_no)
  JOIN candidates c ON c.election_no = $1 AND c.candidate_no = mark.candidate_no
  JOIN contests k ON k.election_no = $1 AND k.contest_no = c.contest_no
)
SELECT 'ballots' AS kind, location_no, NULL::integer AS contest_no, NULL::integer AS candidate_no, sum(ballots) AS n
  FROM styles GROUP BY location_no
UNION ALL
SELECT 'votes', location_no, contest_no, candidate_no, sum(ballots)
  FROM marks WHERE selected <= vote_for GROUP BY location_no, contest_no, candidate_no
UNION ALL
SELECT 'overvoted', location_no, contest_no, NULL, sum(ballots)
  FROM (SELECT DISTINCT location_no, selections, ballots, contest_no FROM marks WHERE selected > vote_for) AS overvotes
  GROUP BY location_no, contest_no;
