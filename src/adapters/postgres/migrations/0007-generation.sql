-- The generation of the results. A recount that a person orders begins the next one, from the first vote.
ALTER TABLE elections ADD COLUMN generation integer NOT NULL DEFAULT 1 CHECK (generation > 0);
