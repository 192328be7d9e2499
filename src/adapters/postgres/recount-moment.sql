-- The ends of the log and the small tables of an election, all of one moment. $1 is its number.
SELECT
  to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS now,
  (SELECT to_jsonb(e) FROM elections AS e WHERE election_no = $1) AS election,
  (SELECT coalesce(jsonb_agg(to_jsonb(l) || jsonb_build_object('stored_end', (
      SELECT base_offset + record_count FROM log WHERE election_no = $1 AND topic = l.topic AND partition = l.partition
      ORDER BY base_offset DESC LIMIT 1))), '[]') FROM log_ends AS l WHERE election_no = $1) AS log_ends,
  (SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]') FROM source_offsets AS s WHERE election_no = $1) AS sources,
  (SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM (
      SELECT source, partition, reason, max(source_offset) AS last_offset, min(rejected_at) AS first_at,
             max(rejected_at) AS last_at, count(*) AS votes
      FROM rejections WHERE election_no = $1 GROUP BY source, partition, reason) AS r) AS rejections,
  (SELECT coalesce(jsonb_agg(to_jsonb(w)), '[]') FROM writers AS w WHERE election_no = $1) AS writers,
  (SELECT jsonb_build_object('rows', count(*), 'votes', coalesce(sum(votes), 0)) FROM batches WHERE election_no = $1) AS batches,
  (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY revision), '[]') FROM revisions AS r WHERE election_no = $1) AS revisions,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('voter_id', voter_id, 'reason', removal_reason, 'revision', removed_in)
      ORDER BY voter_id), '[]')
   FROM voters WHERE election_no = $1 AND removed_in IS NOT NULL) AS removals,
  EXISTS (SELECT 1 FROM nonces WHERE election_no = $1) AS has_nonce,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('block', block, 'revision', revision, 'voters', voters, 'digest', digest)
      ORDER BY block), '[]') FROM roll_blocks WHERE election_no = $1) AS roll_blocks,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('revision', revision, 'root', root) ORDER BY revision), '[]')
   FROM roll_roots WHERE election_no = $1) AS roll_roots,
  (SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY contest_no), '[]') FROM contests AS c WHERE election_no = $1) AS contests,
  (SELECT coalesce(jsonb_agg(to_jsonb(p)), '[]') FROM parties AS p WHERE election_no = $1) AS parties,
  (SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY candidate_no), '[]') FROM candidates AS c WHERE election_no = $1) AS candidates,
  (SELECT coalesce(jsonb_agg(to_jsonb(l) ORDER BY location_no), '[]') FROM locations AS l WHERE election_no = $1) AS locations
