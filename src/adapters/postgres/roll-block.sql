-- The voters of election $1 from id $2 to $3, as RollText writes them: their number and SHA-256.
SELECT count(*)::integer AS voters, sha256(convert_to(string_agg(line, '' ORDER BY voter_id), 'UTF8')) AS hash
FROM (
  SELECT voter_id,
    (voter_id - $2) || ' ' || location_no
      || coalesce(' ' || octet_length(registration_number) || ':' || registration_number, ' -')
      || coalesce(' ' || octet_length(uuid) || ':' || uuid, ' -') || E'\n' AS line
  FROM voters WHERE election_no = $1 AND voter_id BETWEEN $2 AND $3
) AS lines
