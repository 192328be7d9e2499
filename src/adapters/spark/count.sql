-- The counting of an election by Spark: from the boxes of topic `votes` to the records of the three
-- result topics, as one streaming query with one checkpoint. Spark runs it as a stream in update
-- mode, so every row is an absolute total that replaces the last row of its key.
--
-- View `records` is the Kafka source (key, value, partition). The counter puts in these literals:
--   :election         the id of the election, which is the first part of the names of its topics
--   :definition       the hash of its definition; boxes with another hash are only numbered
--   :epoch            a fixed number; a later generation of the results has a greater one
--   :revision         the number of the description that the names and electorates come from
--   :vote_for_usual   the most selections of a ballot in a contest
--   :vote_for_others  the same for the contests of this map
--   :names            the members of location records (grouping 2) and candidate records (grouping
--                     4) besides ids and numbers, as JSON, in buckets
--   :name_buckets     the number of these buckets
--
-- How it is fast: a record is parsed once. Each vote, contest and selection becomes one row, and
-- each row goes only to its own totals, by an explosion of plain numbers and a filter. Spark
-- compiles all of it to one loop, which makes no objects after the parser's. GROUPING SETS would
-- send every row to all totals. Higher-order functions (transform, aggregate) are not compiled and
-- ten times slower.
WITH parsed AS (
  SELECT
    partition,
    CAST(key AS STRING) RLIKE '^(0|[1-9][0-9]{0,15})$' AS is_numbered,
    from_json(
      CAST(value AS STRING),
      'seq BIGINT, definition STRING, votes ARRAY<STRUCT<location_id: STRING, selections: MAP<STRING, ARRAY<STRING>>>>, damage STRING',
      map('mode', 'PERMISSIVE', 'columnNameOfCorruptRecord', 'damage')
    ) AS box
  FROM records
),

-- Judges each record. The limit of three billion for a seq keeps the sums below within 64 bits.
judged AS (
  SELECT
    partition, box,
    coalesce(
      is_numbered AND box.damage IS NULL AND box.definition IS NOT NULL
      AND box.seq BETWEEN 0 AND 2999999000 AND size(box.votes) BETWEEN 1 AND 500, false) AS is_box,
    box.definition <=> :definition AS is_ours
  FROM parsed
),

boxes AS (
  SELECT
    partition, is_box, is_ours,
    IF(is_box AND is_ours, box.votes, NULL) AS votes,
    IF(is_box AND is_ours, box.seq, 0L) AS seq,
    IF(is_box AND is_ours, CAST(size(box.votes) AS BIGINT), 0L) AS box_votes
  FROM judged
),

-- One row for each vote. A record that is not counted is one row without a vote.
cast_votes AS (
  SELECT partition, is_box, is_ours, seq, box_votes, vote_no, vote.location_id, vote.selections
  FROM boxes
  LATERAL VIEW OUTER posexplode(votes) exploded AS vote_no, vote
),

-- One row for each contest of a vote. A blank ballot is one row without a contest. A candidate who
-- is selected twice counts once.
contests AS (
  SELECT
    partition, is_box, is_ours, seq, box_votes, vote_no, location_id, contest_no, contest_id,
    IF(size(marked) > 1, array_distinct(marked), marked) AS candidate_ids,
    coalesce(element_at(:vote_for_others, contest_id), :vote_for_usual) AS vote_for
  FROM cast_votes
  LATERAL VIEW OUTER posexplode(selections) exploded AS contest_no, contest_id, marked
),

-- One row for each selection. An overvoted contest, or an empty one, is one row without a
-- selection.
selections AS (
  SELECT
    partition, is_box, is_ours, seq, box_votes, location_id, contest_id, candidate_id,
    coalesce(size(candidate_ids), 0) AS selected,
    coalesce(size(candidate_ids) > vote_for, false) AS is_overvoted,
    coalesce(selection_no, 0) = 0 AS is_first_of_contest,
    coalesce(selection_no, 0) = 0 AND coalesce(contest_no, 0) = 0 AND vote_no IS NOT NULL AS is_first_of_vote,
    coalesce(selection_no, 0) = 0 AND coalesce(contest_no, 0) = 0 AND coalesce(vote_no, 0) = 0 AS is_first_of_record,
    selection_no IS NOT NULL AS is_selection
  FROM contests
  LATERAL VIEW OUTER posexplode(IF(size(candidate_ids) > vote_for, NULL, candidate_ids)) exploded AS selection_no, candidate_id
),

-- The totals that each row adds to: 0 everything, 1 the progress of a partition, 2 a location, 3 a
-- candidate in a location, 4 a candidate, 5 the overvotes of a contest in a location.
parts AS (
  SELECT *
  FROM selections
  LATERAL VIEW explode(array(0, 1, 2, 3, 4, 5)) exploded AS grouping
  WHERE CASE grouping
    WHEN 0 THEN is_first_of_contest
    WHEN 1 THEN is_first_of_record AND box_votes > 0
    WHEN 2 THEN is_first_of_vote
    WHEN 5 THEN is_overvoted
    ELSE is_selection
  END
),

-- Ids are never empty. An empty id marks a damaged box, and no reader knows it.
totals AS (
  SELECT
    grouping, key1, key2, key3,
    sum(number) AS number,
    sum(marks) AS marks,
    sum(overvotes) AS overvotes,
    sum(malformed) AS malformed,
    sum(other_definition) AS other_definition,
    max(seq_end) AS seq_end,
    try_sum(seq_sum) AS seq_sum
  FROM (
    SELECT
      grouping,
      CASE grouping WHEN 0 THEN '' WHEN 1 THEN CAST(partition AS STRING) WHEN 4 THEN contest_id ELSE coalesce(location_id, '') END AS key1,
      CASE grouping WHEN 3 THEN contest_id WHEN 4 THEN coalesce(candidate_id, '') WHEN 5 THEN contest_id ELSE '' END AS key2,
      CASE grouping WHEN 3 THEN coalesce(candidate_id, '') ELSE '' END AS key3,
      CASE WHEN grouping > 1 THEN 1L WHEN is_first_of_record THEN box_votes ELSE 0L END AS number,
      IF(grouping = 0 AND NOT is_overvoted, CAST(selected AS BIGINT), 0L) AS marks,
      IF(grouping = 0 AND is_overvoted, 1L, 0L) AS overvotes,
      IF(grouping = 0 AND NOT is_box, 1L, 0L) AS malformed,
      IF(grouping = 0 AND is_box AND NOT is_ours, 1L, 0L) AS other_definition,
      IF(grouping = 1, seq + box_votes, 0L) AS seq_end,
      IF(grouping = 1, box_votes * seq + box_votes * (box_votes - 1L) DIV 2L, 0L) AS seq_sum
    FROM parts
  )
  GROUP BY grouping, key1, key2, key3
),

-- Names come from a literal instead of a join: a join with even the smallest table is another job
-- in each micro-batch, and 8 MB of memory. The names are in buckets by the hash of their key, since
-- Spark searches a map from its first entry to its last.
keyed AS (
  SELECT totals.*, IF(grouping IN (2, 4), concat(grouping, ' ', length(key1), ' ', key1, key2), NULL) AS name_key
  FROM totals
),

found AS (
  SELECT
    keyed.*,
    element_at(
      get(
        from_json(:names, 'ARRAY<MAP<STRING, STRUCT<name: STRING, party: STRING, registered_voters: BIGINT>>>'),
        CAST(crc32(CAST(name_key AS BINARY)) % :name_buckets AS INT)
      ),
      name_key
    ) AS known
  FROM keyed
),

named AS (
  SELECT
    grouping, key1, key2, key3, number, marks, overvotes, malformed, other_definition, seq_end, seq_sum,
    known.name, known.party, known.registered_voters,
    :revision AS revision,
    :epoch AS epoch,
    -- Spark does not compile a function over an array. Without it the moment would be a number in
    -- the code that Spark generates, which would then be compiled again in each micro-batch. That
    -- takes 50 ms, and the code never gets warm.
    element_at(transform(array(current_timestamp()), now -> date_format(now, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")), 1) AS as_of
  FROM found
)

SELECT concat(:election, '.', record.topic) AS topic, record.key, record.value
FROM named
LATERAL VIEW stack(2,
  CASE grouping WHEN 4 THEN 'votes-per-candidate' ELSE 'results-by-location' END,
  CASE grouping
    WHEN 0 THEN 'totals'
    WHEN 1 THEN concat('progress:', key1)
    WHEN 2 THEN concat('ballots:', key1)
    WHEN 3 THEN concat('cell:', to_json(array(key1, key2, key3)))
    WHEN 4 THEN to_json(array(key1, key2))
    WHEN 5 THEN concat('overvotes:', to_json(array(key1, key2)))
  END,
  CASE grouping
    WHEN 0 THEN to_json(named_struct(
      'ballots', number, 'marks', marks, 'overvotes', overvotes, 'malformed', malformed, 'other_definition', other_definition,
      'definition', :definition, 'revision', revision, 'epoch', epoch, 'as_of', as_of))
    -- Dense: the seqs counted are 0 to seq_end - 1, each once (docs/exactness.md, "Counting by
    -- Spark").
    WHEN 1 THEN to_json(named_struct(
      'partition', CAST(key1 AS INT), 'votes', number, 'seq_end', seq_end,
      'is_dense', coalesce(number = seq_end AND seq_sum = seq_end * (seq_end - 1L) DIV 2L, false), 'epoch', epoch, 'as_of', as_of))
    WHEN 2 THEN to_json(named_struct('location_id', key1, 'ballots_cast', number, 'epoch', epoch, 'as_of', as_of))
    WHEN 3 THEN to_json(named_struct(
      'location_id', key1, 'contest_id', key2, 'candidate_id', key3, 'votes', number, 'epoch', epoch, 'as_of', as_of))
    WHEN 4 THEN to_json(named_struct(
      'contest_id', key1, 'candidate_id', key2, 'name', name, 'party', party, 'votes', number, 'revision', revision,
      'epoch', epoch, 'as_of', as_of),
      map('ignoreNullFields', 'false'))
    WHEN 5 THEN to_json(named_struct(
      'location_id', key1, 'contest_id', key2, 'overvoted_ballots', number, 'epoch', epoch, 'as_of', as_of))
  END,

  'turnout-by-location', IF(grouping = 2, key1, NULL),
  IF(grouping = 2,
    to_json(named_struct(
      'location_id', key1, 'name', name, 'registered_voters', registered_voters, 'ballots_cast', number,
      'turnout', IF(registered_voters > 0, number / registered_voters, NULL), 'revision', revision, 'epoch', epoch, 'as_of', as_of),
      map('ignoreNullFields', 'false')),
    NULL)
) record AS topic, key, value
WHERE record.key IS NOT NULL
