SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.advance_source(e integer, s text, p integer, expected bigint, following bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE source_offsets SET next_offset = following
    WHERE election_no = e AND source = s AND partition = p AND next_offset = expected;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another process has taken partition % of % from offset %', p, s, expected USING ERRCODE = 'TR001';
  END IF;
END $$;
CREATE FUNCTION public.append_log(e integer, t text, p integer, expected_offset bigint, records integer, entries integer, batches_added integer, new_hash text, data bytea) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE log_ends
    SET next_offset = next_offset + records, next_seq = next_seq + entries, next_batch = next_batch + batches_added,
        hash = coalesce(new_hash, hash)
    WHERE election_no = e AND topic = t AND partition = p AND next_offset = expected_offset;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another process has appended to %/% after offset %', t, p, expected_offset USING ERRCODE = 'TR001';
  END IF;
  INSERT INTO log VALUES (e, t, p, expected_offset, records, data);
  PERFORM pg_notify('tallyroom_log', e || '/' || t || '/' || p || '/' || expected_offset + records);
END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.batches (
    election_no integer NOT NULL,
    batch_no integer NOT NULL,
    partition smallint NOT NULL,
    source text NOT NULL,
    first_seq bigint NOT NULL,
    votes integer NOT NULL,
    definition_hash text NOT NULL,
    hash text NOT NULL,
    cast_at timestamp with time zone NOT NULL,
    CONSTRAINT batches_cast_at_check CHECK ((date_trunc('minute'::text, cast_at) = cast_at)),
    CONSTRAINT batches_hash_check CHECK ((hash ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT batches_votes_check CHECK ((votes > 0))
);
CREATE TABLE public.candidates (
    election_no integer NOT NULL,
    candidate_no integer NOT NULL,
    contest_no integer NOT NULL,
    candidate_id text NOT NULL,
    name text NOT NULL,
    party_id text,
    biography text,
    platform text,
    photo text,
    aggregate boolean NOT NULL
);
CREATE TABLE public.contests (
    election_no integer NOT NULL,
    contest_no integer NOT NULL,
    contest_id text NOT NULL,
    name text NOT NULL,
    vote_for integer NOT NULL,
    seats integer NOT NULL,
    CONSTRAINT contests_seats_check CHECK ((seats > 0)),
    CONSTRAINT contests_vote_for_check CHECK ((vote_for > 0))
);
CREATE TABLE public.elections (
    election_no integer NOT NULL,
    election_id text NOT NULL,
    name text NOT NULL,
    source text NOT NULL,
    arguments jsonb NOT NULL,
    seed text NOT NULL,
    partitions smallint NOT NULL,
    engine text,
    definition jsonb,
    definition_hash text,
    voters_total bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT elections_definition_hash_check CHECK ((definition_hash ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT elections_engine_check CHECK ((engine = ANY (ARRAY['local'::text, 'spark'::text]))),
    CONSTRAINT elections_partitions_check CHECK ((partitions > 0)),
    CONSTRAINT elections_source_check CHECK ((source = ANY (ARRAY['ballots'::text, 'returns'::text])))
);
ALTER TABLE public.elections ALTER COLUMN election_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.elections_election_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.locations (
    election_no integer NOT NULL,
    location_no integer NOT NULL,
    location_id text NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    parent_id text,
    registered_voters bigint,
    CONSTRAINT locations_registered_voters_check CHECK ((registered_voters >= 0))
);
CREATE TABLE public.log (
    election_no integer NOT NULL,
    topic text NOT NULL,
    partition smallint NOT NULL,
    base_offset bigint NOT NULL,
    record_count integer NOT NULL,
    payload bytea NOT NULL,
    CONSTRAINT log_record_count_check CHECK ((record_count > 0))
);
ALTER TABLE ONLY public.log ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE TABLE public.log_ends (
    election_no integer NOT NULL,
    topic text NOT NULL,
    partition smallint NOT NULL,
    next_offset bigint DEFAULT 0 NOT NULL,
    next_seq bigint DEFAULT 0 NOT NULL,
    next_batch integer DEFAULT 0 NOT NULL,
    hash text
);
CREATE TABLE public.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.participation (
    voter_id bigint NOT NULL,
    election_no integer NOT NULL
)
PARTITION BY LIST (election_no);
CREATE TABLE public.participation_1 (
    voter_id bigint NOT NULL,
    election_no integer DEFAULT 1 NOT NULL
);
CREATE TABLE public.parties (
    election_no integer NOT NULL,
    party_id text NOT NULL,
    name text NOT NULL
);
CREATE TABLE public.rejections (
    election_no integer NOT NULL,
    source text NOT NULL,
    partition smallint NOT NULL,
    source_offset bigint NOT NULL,
    reason text NOT NULL,
    rejected_at timestamp with time zone NOT NULL
);
CREATE TABLE public.replayed_votes (
    election_no integer NOT NULL,
    location_no integer NOT NULL,
    candidate_no integer NOT NULL,
    votes bigint NOT NULL,
    CONSTRAINT replayed_votes_votes_check CHECK ((votes >= 0))
);
CREATE TABLE public.source_offsets (
    election_no integer NOT NULL,
    source text NOT NULL,
    partition smallint NOT NULL,
    next_offset bigint NOT NULL,
    CONSTRAINT source_offsets_next_offset_check CHECK ((next_offset >= 0))
);
CREATE SEQUENCE public.voter_id_blocks
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.voters (
    voter_id bigint NOT NULL,
    election_no integer NOT NULL,
    location_no integer NOT NULL,
    registration_number text,
    uuid text,
    first_name text,
    last_name text,
    birth_date date,
    gender text,
    nationality text,
    street text,
    city text,
    state text,
    country text,
    postcode text,
    email text,
    phone text,
    cell text,
    picture text,
    registered_age integer
);
CREATE TABLE public.votes (
    election_no integer NOT NULL,
    batch_no integer NOT NULL,
    location_no integer NOT NULL,
    selections integer[] NOT NULL
)
PARTITION BY LIST (election_no);
CREATE TABLE public.votes_1 (
    election_no integer DEFAULT 1 NOT NULL,
    batch_no integer NOT NULL,
    location_no integer NOT NULL,
    selections integer[] NOT NULL
);
CREATE TABLE public.writers (
    election_no integer NOT NULL,
    name text NOT NULL,
    epoch integer NOT NULL
);
ALTER TABLE ONLY public.participation ATTACH PARTITION public.participation_1 FOR VALUES IN (1);
ALTER TABLE ONLY public.votes ATTACH PARTITION public.votes_1 FOR VALUES IN (1);
INSERT INTO public.batches VALUES (1, 0, 0, 'file:c4521e9984aee57cb0ba7102dbc043c5bcc2928bcce021e4994c65b97982499b', 0, 6, '4f42abd602dc593743bce499b4901022de048bb67f9c3bd4af5aaf3c763f4976', '30787c75fc199785418b4efa99af6c37c2b9247e7cbf855a166eaa771b4d18ec', '2026-11-27 10:25:00+00');
INSERT INTO public.batches VALUES (1, 2, 0, 'file:3d599212f254f464e0269e3be8d8e2a15a13732e601b4f8c5e8810592226f85e', 6, 3, '4f42abd602dc593743bce499b4901022de048bb67f9c3bd4af5aaf3c763f4976', '7a19b153294eaa8b63bc02c79d1072f7fe2b0506b15624b6f7bf060395135fda', '2026-11-27 10:25:00+00');
INSERT INTO public.candidates VALUES (1, 0, 0, 'Ada', 'Ada', NULL, NULL, NULL, NULL, false);
INSERT INTO public.candidates VALUES (1, 1, 0, 'Bob', 'Bob', NULL, NULL, NULL, NULL, false);
INSERT INTO public.candidates VALUES (1, 2, 1, 'Cy', 'Cy', NULL, NULL, NULL, NULL, false);
INSERT INTO public.candidates VALUES (1, 3, 1, 'Di', 'Di', NULL, NULL, NULL, NULL, false);
INSERT INTO public.candidates VALUES (1, 4, 1, 'Ed', 'Ed', NULL, NULL, NULL, NULL, false);
INSERT INTO public.contests VALUES (1, 0, 'mayor', 'mayor', 1, 1);
INSERT INTO public.contests VALUES (1, 1, 'board', 'board', 2, 2);
INSERT INTO public.elections OVERRIDING SYSTEM VALUE VALUES (1, 'council', 'Council', 'ballots', '{"api": null, "kind": "roll", "files": {"roll": "4886c35fbf38f2490b3d8f3c8b19ca2b8a56b43cb27f132da4fa04fae3c69c44", "election": "92a3df03a8e15cd3cfb7f2ccbee1eed77ecf174a0b4373ca0d9a1d19db8146dd"}, "paths": {"roll": "/tmp/old/roll.csv", "election": "/tmp/old/council.json"}, "scale": null, "voters": null, "turnout": 0.7}', '911936496', 2, 'local', '{"id": "council", "date": null, "name": "Council", "source": "ballots", "is_test": false, "parents": [], "parties": [], "contests": [{"id": "mayor", "name": "mayor", "seats": 1, "vote_for": 1, "location_ids": null}, {"id": "board", "name": "board", "seats": 2, "vote_for": 2, "location_ids": ["north"]}], "locations": [{"id": "north", "name": "North", "type": "location", "parent_id": null, "registered_voters": 10}, {"id": "south", "name": "South", "type": "location", "parent_id": null, "registered_voters": 10}], "candidates": [{"id": "Ada", "name": "Ada", "photo": null, "party_id": null, "platform": null, "aggregate": false, "biography": null, "contest_id": "mayor"}, {"id": "Bob", "name": "Bob", "photo": null, "party_id": null, "platform": null, "aggregate": false, "biography": null, "contest_id": "mayor"}, {"id": "Cy", "name": "Cy", "photo": null, "party_id": null, "platform": null, "aggregate": false, "biography": null, "contest_id": "board"}, {"id": "Di", "name": "Di", "photo": null, "party_id": null, "platform": null, "aggregate": false, "biography": null, "contest_id": "board"}, {"id": "Ed", "name": "Ed", "photo": null, "party_id": null, "platform": null, "aggregate": false, "biography": null, "contest_id": "board"}]}', '4f42abd602dc593743bce499b4901022de048bb67f9c3bd4af5aaf3c763f4976', 20, '2026-11-27 10:25:43.26233+00');
INSERT INTO public.locations VALUES (1, 0, 'north', 'North', 'location', NULL, 10);
INSERT INTO public.locations VALUES (1, 1, 'south', 'South', 'location', NULL, 10);
INSERT INTO public.log VALUES (1, 'definition', 0, 0, 1, '\x28b52ffd60ea037d0d00f6d74721504bf4438b21f7352da4b46db8e54353c54e9122f3f86b06beac58406366f1981e3a003c003f006ed3d67729b92ddb7694e1755357c990edd7fea6c64d523226db7e7e07cbb6173c37ad8c6e32dc2ddb17f781edf4f8ae65ef03c0f4f87146d82f4f196af8153cbff826bb4d8a04dbdaf129439b140dc53e4f7d6e42a947d95b6ad4179be9f1d9b9accf5d37216ca9c3a6df1da847bc48b0ad5ffba707ea505e63b5e05ab64fe56753e3672f30bc1e08db4afbdda1794dfb6b749afe6cb60d45afa0780911213a686ee0efcf823a7c9650f4404c1d8fcd69ea381c05018d6d488e6420590ca1d881302c4a0041041475a865fbdcbc9e11f67b6561164c94c52590190179bd9638062e4a6b04ebe8a7d4811ccc6a0cb3dab5642d0983702f3b2080223154550fd4c9402db9a7749933d7a532987542ec6ebb0bccc5f8450a4344338b1880a694309f9d9590c50186c4c02bb6635128801ba427d8023448804d901bd8815b5f1000419a19450310ac0dfb0200830c156e44ae040968da6aa40846362dc231820c3a1298ef756e4f7b024ddb075d85b54d24415b33c858af93b41b02623b6fad9f33042a2814');
INSERT INTO public.log VALUES (1, 'voters', 0, 0, 20, '\x28b52ffd60ba038d0600d2c6161a80b73ada02c92ce29755ecf66a82da8908d9eead42394903c01045b3bbaafaffffffff7f0132ffeeaa6a6b8d31b6d6524aa5941042ff8b269ddf6124031f0be202152b1089c601139fcc4ce41c4000cb8bd0e093ce84c7f84004412070a3d43a8d4067b03702881046001d64be3111cb306017984f0c621a06e8c2f385414cc3005d783e30886918a00bcff705310d0374e1f9bc20a661802e3c5f172400a7f37141cc26cd456c93cd217693e622b6c9e610bb497311db647388dda4b9886db239c46ed25c45ec8f6479972603');
INSERT INTO public.log VALUES (1, 'votes', 0, 0, 1, '\x28b52ffd605d01cd0600565033205049ac0341a84376aef5669cbb49321699796dbced866cc8c2a1f8a8aa8205182a002a002b004f157392856bc75118c54a5e2b5d734a4d0be97614aaf11ef9f2ec4c840e64e073eda8604770cd1300014c844ebb836b8e6e701091397b83064c84ce763c3ca1b037ce890a4757baf225a59dde2ef2361ba75e018916e9ec86660d47cbf32ce73890101bf43ccb61c1d11708aeb037c4463e5abe4de00a3b222eecc113ec4d01cfdb25464b3654779d52c62248f2b8d5691e8b8fd6d4eaed5afb5c72622492e85a463f445b030200c00c578ea30629');
INSERT INTO public.log VALUES (1, 'results-by-location', 0, 0, 3, '\x28b52ffd60d501350b00b6594b20306dea80b2be9cf5af35ae256ac2cc7c86746943c3ba5ece065103070354e004460044003d00cb3a8592e0f9c02b12421f4e1d32e235e8c3e954e62b896c35eb5499af1753918dc6836a16d6ac82d3e97808d96a8e53464b8757a3ead491853e00188a43262e9188f25a36026abdeaa41864a5dcfdb423f687e35b46899f59fdae82fd54c1e9f4f70ce5678cf201a024887460e8677462591ee4748965f103c420a2c01d4fc285434835eb784f1ed404ac4ea35ccca76641d13968e37e6f3aafff3105555bc8a8b735f4ddbf4dd17c995aec9c4d6f717bd80daaf56ab9d5e86a052f6c50a1d55ab7df7eb6fc038945176b29a2c51ac5f7547cc921ea16d9825091f69d79cfb6045b4bdf1025869a6ae75d0e1fa798d4299220f15d8d26705a01959c62b7078171c039018b3714003908b272b7a270d9d541da1cc1e23f91b311330a042c8558a5e1a90266c2d1a4237021e39843132a55526d8c9a62725e98880906');
INSERT INTO public.log VALUES (1, 'turnout-by-location', 0, 0, 2, '\x28b52ffd20f4950300c246161990a939b3682d0562a8025b23ddbbb016da5ec54034c652aa4e03e42db028942b84e4c867a0137a22913345d657d0db0e326dbfd631f88a816e9afbc41ca9b94d1d52054627e2309fd3ea99d18732ec6a0ffab2029056cf0208000a10c8740760e408a0c7895875bf5f46b164930c');
INSERT INTO public.log VALUES (1, 'votes-per-candidate', 0, 0, 5, '\x28b52ffd605401ed0400c287191b70c73a2164cad2174a4b8508118a4f4fcd30e4ef004d800a1950048b2cc20e7644231acfafd356aa0bd5450a1c929327a13fc74dafa7009db09ae1e7417f0cbb792a4aa1a147e894e145dbf3ba04435db64d17fab2017c0c5baf1b00c97589e75d475d9e0216008100d000803100e1c1092000d83080f07938f112400f1b821e3f04d8b18783083007806de0038ef84281300bd2398ea0504e');
INSERT INTO public.log VALUES (1, 'results-by-location', 0, 3, 3, '\x28b52ffd60d501950b00869a4d20404deb684ed853708d13b442296110dee1276fe5f2cb2d6dc5fba12abac22e08480047003e004fe124d0b39e761c78664268e3a93223ba411b4f1766792699ae673d6596f6c5c24c0686867a14f630c5d3457988e97af829c3a7c3eb517d1a91853600188c3293974c84699f0c01c85b7226dbb996afe0c16a1dcd3976b99ab7a36d52c5d325f63358f174617e917236009804990e0bfe0c4f340d2f3fcce5259a261e2006110551e909171162ea59e563f2a0a7d9722e96d6a3a08939addcf755dcfedd165c6e214abecea577ff75878bdb166bccab9a21f7d01d5cecd722d7a3fe074705b9b5ee678c7bad43426fdf147230894659734a26d63cc9ee255b4598dcc9c6203cd47e4468799d82cea97798544b6e7944cb226ca4a4d2a74882c88f7a3481b11558ea2df496111a0a600e6068913e0d1600390859b99757b8ec0a1401ee010f0760396dc07f226723661408580ab1aae12504cc84a34947e042c631872654b651b3999c0226628201');
INSERT INTO public.log VALUES (1, 'turnout-by-location', 0, 2, 2, '\x28b52ffd20f8d503006207181a7049dc867fd71ac49218749f6dc08183e20ab231be2ffd784011c614deba40e350706048361d4d5ea55de8f110947cbf6dfcfa78e4dba1745c2f6308712c26ef587b9383286bbb9550263caf0ad48e57cddb9e47d669bb1aa565670054f3b609002014701cf042663eb091d3821f270e585d63c92619');
INSERT INTO public.log VALUES (1, 'votes-per-candidate', 0, 5, 4, '\x28b52ffd60de00dd0400a247191b70c76d61c0a299b69d3c88481785fdbf1e43f517a07d967ed8802245ea23f5b192953ce421c76fd34e478184224002ca3b8d9f56c7226f50ddf0719077d8f5735c9603cb3fd7b46146d9f1ba063bddb54c557e57c139ec58ab2300ca758de35b3f658e021500100a1f28c060b0e36d4007a004d0c3cfd2226010001a003006103e0f275e02e86143d0e38700bc630f6116a4731c41a19c');
INSERT INTO public.log VALUES (1, 'votes', 0, 1, 1, '\x28b52ffd607200350600720f2e1e6049aa03a08cfa7b8f7ffbbf6c2d19d11164607a132ccb1e019320c3702201896fec95ce72c930d3dc9ab1426c1d66661946b25ba3664e740d220339312eec4ae5505a87ddd9f677a3aef162481878f11e91a5fc82d0a3241286331578f18ed0842d38e2bd1e7426501e647db9911cd0faf738090e3a9385f47044f15e6542115ece9a539d5883a97757af8a9ca0ebc6980bcac8889039c629764e49c849b5e4168cc8b0c88b54abbf1f7426f3982de30b7b3790f5088003009704f483716834a2a4');
INSERT INTO public.log_ends VALUES (1, 'voters', 1, 0, 0, 0, NULL);
INSERT INTO public.log_ends VALUES (1, 'votes', 1, 0, 0, 0, NULL);
INSERT INTO public.log_ends VALUES (1, 'returns', 0, 0, 0, 0, NULL);
INSERT INTO public.log_ends VALUES (1, 'returns', 1, 0, 0, 0, NULL);
INSERT INTO public.log_ends VALUES (1, 'definition', 0, 1, 0, 0, NULL);
INSERT INTO public.log_ends VALUES (1, 'voters', 0, 20, 20, 0, NULL);
INSERT INTO public.log_ends VALUES (1, 'results-by-location', 0, 6, 0, 0, NULL);
INSERT INTO public.log_ends VALUES (1, 'turnout-by-location', 0, 4, 0, 0, NULL);
INSERT INTO public.log_ends VALUES (1, 'votes-per-candidate', 0, 9, 0, 0, NULL);
INSERT INTO public.log_ends VALUES (1, 'votes', 0, 2, 9, 2, '7a19b153294eaa8b63bc02c79d1072f7fe2b0506b15624b6f7bf060395135fda');
INSERT INTO public.migrations VALUES (1, '0001-elections.sql', '2026-11-27 10:25:43.176689+00');
INSERT INTO public.migrations VALUES (2, '0002-ballots.sql', '2026-11-27 10:25:43.176689+00');
INSERT INTO public.participation_1 VALUES (20000, 1);
INSERT INTO public.participation_1 VALUES (20001, 1);
INSERT INTO public.participation_1 VALUES (20002, 1);
INSERT INTO public.participation_1 VALUES (20003, 1);
INSERT INTO public.participation_1 VALUES (20004, 1);
INSERT INTO public.participation_1 VALUES (20010, 1);
INSERT INTO public.participation_1 VALUES (20005, 1);
INSERT INTO public.participation_1 VALUES (20006, 1);
INSERT INTO public.participation_1 VALUES (20011, 1);
INSERT INTO public.rejections VALUES (1, 'file:c4521e9984aee57cb0ba7102dbc043c5bcc2928bcce021e4994c65b97982499b', 0, 8, 'already-voted', '2026-11-27 10:25:44.23+00');
INSERT INTO public.source_offsets VALUES (1, 'stage', 0, 22);
INSERT INTO public.source_offsets VALUES (1, 'publish', 0, 20020);
INSERT INTO public.source_offsets VALUES (1, 'file:c4521e9984aee57cb0ba7102dbc043c5bcc2928bcce021e4994c65b97982499b', 0, 9);
INSERT INTO public.source_offsets VALUES (1, 'file:3d599212f254f464e0269e3be8d8e2a15a13732e601b4f8c5e8810592226f85e', 0, 5);
INSERT INTO public.voters VALUES (20000, 1, 0, 'N0001', NULL, 'Voter 1 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20001, 1, 0, 'N0002', NULL, 'Voter 2 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20002, 1, 0, 'N0003', NULL, 'Voter 3 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20003, 1, 0, 'N0004', NULL, 'Voter 4 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20004, 1, 0, 'N0005', NULL, 'Voter 5 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20005, 1, 0, 'N0006', NULL, 'Voter 6 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20006, 1, 0, 'N0007', NULL, 'Voter 7 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20007, 1, 0, 'N0008', NULL, 'Voter 8 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20008, 1, 0, 'N0009', NULL, 'Voter 9 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20009, 1, 0, 'N0010', NULL, 'Voter 10 of', 'north', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20010, 1, 1, 'S0001', NULL, 'Voter 1 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20011, 1, 1, 'S0002', NULL, 'Voter 2 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20012, 1, 1, 'S0003', NULL, 'Voter 3 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20013, 1, 1, 'S0004', NULL, 'Voter 4 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20014, 1, 1, 'S0005', NULL, 'Voter 5 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20015, 1, 1, 'S0006', NULL, 'Voter 6 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20016, 1, 1, 'S0007', NULL, 'Voter 7 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20017, 1, 1, 'S0008', NULL, 'Voter 8 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20018, 1, 1, 'S0009', NULL, 'Voter 9 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.voters VALUES (20019, 1, 1, 'S0010', NULL, 'Voter 10 of', 'south', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.votes_1 VALUES (1, 0, 0, '{0,2,3}');
INSERT INTO public.votes_1 VALUES (1, 0, 0, '{0,2,3}');
INSERT INTO public.votes_1 VALUES (1, 0, 0, '{0,2,3}');
INSERT INTO public.votes_1 VALUES (1, 0, 0, '{0,2,3}');
INSERT INTO public.votes_1 VALUES (1, 0, 0, '{0,2,3}');
INSERT INTO public.votes_1 VALUES (1, 0, 1, '{1}');
INSERT INTO public.votes_1 VALUES (1, 2, 1, '{1}');
INSERT INTO public.votes_1 VALUES (1, 2, 0, '{1,2}');
INSERT INTO public.votes_1 VALUES (1, 2, 0, '{1,2}');
INSERT INTO public.writers VALUES (1, 'count', 1);
SELECT pg_catalog.setval('public.elections_election_no_seq', 1, true);
SELECT pg_catalog.setval('public.voter_id_blocks', 1, true);
ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_election_no_partition_first_seq_key UNIQUE (election_no, partition, first_seq);
ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_pkey PRIMARY KEY (election_no, batch_no);
ALTER TABLE ONLY public.candidates
    ADD CONSTRAINT candidates_election_no_contest_no_candidate_id_key UNIQUE (election_no, contest_no, candidate_id);
ALTER TABLE ONLY public.candidates
    ADD CONSTRAINT candidates_pkey PRIMARY KEY (election_no, candidate_no);
ALTER TABLE ONLY public.contests
    ADD CONSTRAINT contests_election_no_contest_id_key UNIQUE (election_no, contest_id);
ALTER TABLE ONLY public.contests
    ADD CONSTRAINT contests_pkey PRIMARY KEY (election_no, contest_no);
ALTER TABLE ONLY public.elections
    ADD CONSTRAINT elections_election_id_key UNIQUE (election_id);
ALTER TABLE ONLY public.elections
    ADD CONSTRAINT elections_pkey PRIMARY KEY (election_no);
ALTER TABLE ONLY public.locations
    ADD CONSTRAINT locations_election_no_location_id_key UNIQUE (election_no, location_id);
ALTER TABLE ONLY public.locations
    ADD CONSTRAINT locations_pkey PRIMARY KEY (election_no, location_no);
ALTER TABLE ONLY public.log_ends
    ADD CONSTRAINT log_ends_pkey PRIMARY KEY (election_no, topic, partition);
ALTER TABLE ONLY public.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (election_no, topic, partition, base_offset);
ALTER TABLE ONLY public.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.participation_1
    ADD CONSTRAINT participation_1_pkey PRIMARY KEY (voter_id);
ALTER TABLE ONLY public.parties
    ADD CONSTRAINT parties_pkey PRIMARY KEY (election_no, party_id);
ALTER TABLE ONLY public.rejections
    ADD CONSTRAINT rejections_pkey PRIMARY KEY (election_no, source, partition, source_offset);
ALTER TABLE ONLY public.replayed_votes
    ADD CONSTRAINT replayed_votes_pkey PRIMARY KEY (election_no, location_no, candidate_no);
ALTER TABLE ONLY public.source_offsets
    ADD CONSTRAINT source_offsets_pkey PRIMARY KEY (election_no, source, partition);
ALTER TABLE ONLY public.voters
    ADD CONSTRAINT voters_pkey PRIMARY KEY (voter_id);
ALTER TABLE ONLY public.writers
    ADD CONSTRAINT writers_pkey PRIMARY KEY (election_no, name);
CREATE UNIQUE INDEX voters_registration_number ON public.voters USING btree (election_no, registration_number) WHERE (registration_number IS NOT NULL);
CREATE UNIQUE INDEX voters_uuid ON public.voters USING btree (election_no, uuid) WHERE (uuid IS NOT NULL);
ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
ALTER TABLE ONLY public.candidates
    ADD CONSTRAINT candidates_election_no_contest_no_fkey FOREIGN KEY (election_no, contest_no) REFERENCES public.contests(election_no, contest_no);
ALTER TABLE ONLY public.candidates
    ADD CONSTRAINT candidates_election_no_party_id_fkey FOREIGN KEY (election_no, party_id) REFERENCES public.parties(election_no, party_id);
ALTER TABLE ONLY public.contests
    ADD CONSTRAINT contests_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
ALTER TABLE ONLY public.locations
    ADD CONSTRAINT locations_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
ALTER TABLE ONLY public.log
    ADD CONSTRAINT log_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
ALTER TABLE ONLY public.log_ends
    ADD CONSTRAINT log_ends_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
ALTER TABLE ONLY public.parties
    ADD CONSTRAINT parties_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
ALTER TABLE ONLY public.rejections
    ADD CONSTRAINT rejections_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
ALTER TABLE ONLY public.replayed_votes
    ADD CONSTRAINT replayed_votes_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
ALTER TABLE ONLY public.source_offsets
    ADD CONSTRAINT source_offsets_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
ALTER TABLE ONLY public.writers
    ADD CONSTRAINT writers_election_no_fkey FOREIGN KEY (election_no) REFERENCES public.elections(election_no);
