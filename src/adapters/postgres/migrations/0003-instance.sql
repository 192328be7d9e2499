-- What tells an election from another one that was made of the same inputs; both are in the definition record too.
ALTER TABLE elections
  ADD COLUMN instance   text CHECK (instance ~ '^[0-9a-f]{32}$'),
  ADD COLUMN defined_at timestamptz;
