-- compatible with 1
-- Wide typed tables: a column for what is asked for, a blob for what is answered. Text columns
-- hold query.Canon of the first value, '' where there is none, and compare byte by byte, so that
-- = and LIKE decide as query.Match does.
--
-- An id is tenant << 40 | a number of the tenant's own, handed out under the lock of its row in
-- tenants. That row is what every writer of a tenant takes first.

CREATE TABLE tenants (
	id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name       TEXT COLLATE "C" NOT NULL UNIQUE,
	seq        BIGINT NOT NULL DEFAULT 0,      -- last change
	row        BIGINT NOT NULL DEFAULT 0,      -- last number given to a row of another table
	latest     BIGINT NOT NULL DEFAULT 0,      -- study with the highest arrived, 0: not known
	patients   BIGINT NOT NULL DEFAULT 0,      -- what the tenant keeps
	studies    BIGINT NOT NULL DEFAULT 0,
	series     BIGINT NOT NULL DEFAULT 0,
	instances  BIGINT NOT NULL DEFAULT 0,      -- discarded ones too
	bytes      BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- SOP classes, transfer syntaxes and AE titles: long, few, and in every instance.
CREATE TABLE terms (
	id      BIGINT PRIMARY KEY,
	tenant  BIGINT NOT NULL,
	term    TEXT COLLATE "C" NOT NULL,
	UNIQUE (tenant, term)
);

-- A patient is tenant + Patient ID + issuer; without Patient ID each study has one of its own.
CREATE TABLE patients (
	id          BIGINT PRIMARY KEY,
	tenant      BIGINT NOT NULL,
	patient_id  TEXT COLLATE "C" NOT NULL,
	issuer      TEXT COLLATE "C" NOT NULL,
	only_study  TEXT COLLATE "C" NOT NULL,     -- its StudyInstanceUID where patient_id is ''
	name        TEXT COLLATE "C" NOT NULL,     -- all component groups
	birth_date  TEXT COLLATE "C" NOT NULL,
	sex         TEXT COLLATE "C" NOT NULL,
	attrs       BYTEA NOT NULL,
	UNIQUE (tenant, patient_id, issuer, only_study)
);

-- Counters change with every store: room on the page and no index over them keep such an update
-- on its page (HOT).
CREATE TABLE studies (
	id           BIGINT PRIMARY KEY,
	tenant       BIGINT NOT NULL,
	patient      BIGINT NOT NULL,
	uid          TEXT COLLATE "C" NOT NULL,
	study_date   TEXT COLLATE "C" NOT NULL,
	study_time   TEXT COLLATE "C" NOT NULL,
	accession    TEXT COLLATE "C" NOT NULL,
	study_id     TEXT COLLATE "C" NOT NULL,
	description  TEXT COLLATE "C" NOT NULL,
	patient_id   TEXT COLLATE "C" NOT NULL,
	issuer       TEXT COLLATE "C" NOT NULL,
	name         TEXT COLLATE "C" NOT NULL,
	birth_date   TEXT COLLATE "C" NOT NULL,
	sex          TEXT COLLATE "C" NOT NULL,
	modalities   TEXT COLLATE "C" NOT NULL,    -- \CT\SR\, as they came
	classes      TEXT COLLATE "C" NOT NULL,    -- \1.2.840...\
	series       BIGINT NOT NULL,
	instances    BIGINT NOT NULL,
	changed      BIGINT NOT NULL,              -- ns since 1970
	arrived      BIGINT NOT NULL,              -- change that made it the last to arrive
	announced    BOOLEAN NOT NULL,             -- as complete, in this state
	attrs        BYTEA NOT NULL                -- of patient and study
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX studies_uid ON studies (tenant, uid);
CREATE INDEX studies_newest ON studies (tenant, study_date, study_time, id);
CREATE INDEX studies_accession ON studies (tenant, accession);
CREATE INDEX studies_patient_id ON studies (tenant, patient_id);
CREATE INDEX studies_patient ON studies (patient);
CREATE INDEX studies_arrived ON studies (tenant, arrived);
CREATE INDEX studies_open ON studies (id) WHERE NOT announced;

-- Component groups (kind 0) and words (kind 1) of patient names.
CREATE TABLE study_names (
	tenant  BIGINT NOT NULL,
	kind    SMALLINT NOT NULL,
	name    TEXT COLLATE "C" NOT NULL,
	study   BIGINT NOT NULL,
	PRIMARY KEY (tenant, kind, name, study)
);

CREATE TABLE series (
	id           BIGINT PRIMARY KEY,
	tenant       BIGINT NOT NULL,
	study        BIGINT NOT NULL,
	uid          TEXT COLLATE "C" NOT NULL,
	number       BIGINT NOT NULL,              -- a large one where there is none
	modality     TEXT COLLATE "C" NOT NULL,
	description  TEXT COLLATE "C" NOT NULL,
	body_part    TEXT COLLATE "C" NOT NULL,
	series_date  TEXT COLLATE "C" NOT NULL,
	instances    BIGINT NOT NULL,
	revision     BIGINT NOT NULL,              -- last change
	changed      BIGINT NOT NULL,              -- ns since 1970
	sealed       BOOLEAN NOT NULL,             -- it has a row in seals
	attrs        BYTEA NOT NULL,
	CONSTRAINT series_uid UNIQUE (uid, tenant, study) -- uid first: as instances_uid
) WITH (fillfactor = 70);
CREATE INDEX series_order ON series (study, number, id);
CREATE INDEX series_unsealed ON series (id) WHERE NOT sealed;

-- id is tenant << 40 | sequence of the change that stored it: rows are appended, and the feed of
-- what was stored is this table.
CREATE TABLE instances (
	id              BIGINT PRIMARY KEY,
	tenant          BIGINT NOT NULL,
	series          BIGINT NOT NULL,
	study           BIGINT NOT NULL,
	number          BIGINT NOT NULL,
	class           BIGINT NOT NULL,           -- terms
	syntax          BIGINT NOT NULL,           -- terms
	source          BIGINT NOT NULL,           -- terms
	object          BIGINT NOT NULL,           -- objects
	"offset"        BIGINT NOT NULL,
	length          BIGINT NOT NULL,
	dataset_offset  BIGINT NOT NULL,
	dataset_crc     BIGINT NOT NULL,
	received        BIGINT NOT NULL,           -- ns since 1970
	uid             TEXT COLLATE "C" NOT NULL,
	attrs           BYTEA NOT NULL
);
-- Not (tenant, uid): while there are no statistics (a restore, a first bulk load) the server would
-- go through all of the tenant's to help another index along.
CREATE UNIQUE INDEX instances_uid ON instances (uid, tenant);
CREATE INDEX instances_order ON instances (series, number, id);
CREATE INDEX instances_location ON instances (object, "offset");

-- The heavy part, apart so that the rows above stay narrow. Headers are compressed already.
CREATE TABLE instance_data (
	id      BIGINT PRIMARY KEY,
	tenant  BIGINT NOT NULL,
	header  BYTEA,
	frames  BYTEA
);
ALTER TABLE instance_data ALTER COLUMN header SET STORAGE EXTERNAL;

CREATE TABLE objects (
	id      BIGINT PRIMARY KEY,
	tenant  BIGINT NOT NULL,
	key     TEXT COLLATE "C" NOT NULL,
	tail    BIGINT NOT NULL,                   -- every record before it has been seen
	UNIQUE (key, tenant)
);

-- The changes that have no row in instances: deletions, completions, and what was stored and
-- deleted since. id is tenant << 40 | sequence.
CREATE TABLE changes (
	id      BIGINT PRIMARY KEY,
	tenant  BIGINT NOT NULL,
	time    BIGINT NOT NULL,
	kind    SMALLINT NOT NULL,                 -- 0 stored, 1 deleted, 2 completed
	study   TEXT COLLATE "C" NOT NULL,
	series  TEXT COLLATE "C" NOT NULL,
	uid     TEXT COLLATE "C" NOT NULL,
	class   BIGINT NOT NULL
);

CREATE TABLE pending_erasures (
	tenant    BIGINT NOT NULL,
	object    TEXT COLLATE "C" NOT NULL,
	"offset"  BIGINT NOT NULL,
	length    BIGINT NOT NULL,
	PRIMARY KEY (object, "offset", tenant)
);

-- Discarded instances: everything that Add needs to take them in again. Their parents may be
-- gone, so names stand as text. id is that of the change that discarded them.
CREATE TABLE trash (
	id              BIGINT PRIMARY KEY,
	tenant          BIGINT NOT NULL,
	study           TEXT COLLATE "C" NOT NULL,
	series          TEXT COLLATE "C" NOT NULL,
	uid             TEXT COLLATE "C" NOT NULL,
	class           BIGINT NOT NULL,
	syntax          BIGINT NOT NULL,
	source          BIGINT NOT NULL,
	object          BIGINT NOT NULL,
	"offset"        BIGINT NOT NULL,
	length          BIGINT NOT NULL,
	dataset_offset  BIGINT NOT NULL,
	dataset_crc     BIGINT NOT NULL,
	received        BIGINT NOT NULL,
	discarded       BIGINT NOT NULL,
	until           BIGINT NOT NULL,
	header          BYTEA,
	frames          BYTEA
);
ALTER TABLE trash ALTER COLUMN header SET STORAGE EXTERNAL;
CREATE INDEX trash_until ON trash (until);
CREATE INDEX trash_location ON trash (object, "offset");
CREATE INDEX trash_uid ON trash (tenant, uid);
CREATE INDEX trash_series ON trash (tenant, series);
CREATE INDEX trash_study ON trash (tenant, study);

CREATE TABLE seals (
	series    BIGINT PRIMARY KEY,
	tenant    BIGINT NOT NULL,
	revision  BIGINT NOT NULL,                 -- the series' own as long as the row is there
	object    TEXT COLLATE "C" NOT NULL,       -- in the store of derived objects
	"offset"  BIGINT NOT NULL,
	length    BIGINT NOT NULL,
	etag      TEXT NOT NULL,
	UNIQUE (object, "offset")
);

-- Derived objects no series uses any more, until their bytes are gone.
CREATE TABLE stale_seals (
	tenant    BIGINT NOT NULL,
	object    TEXT COLLATE "C" NOT NULL,
	"offset"  BIGINT NOT NULL,
	length    BIGINT NOT NULL,
	PRIMARY KEY (object, "offset")
);

-- Row-level security, for the owner of the tables too. A transaction says whose rows it is about
-- (aurelius.tenant); 0 is the maintenance that spans tenants; a connection that says nothing gets
-- an error. The sub-select makes it one look per statement instead of one per row.
DO $$
DECLARE
	t TEXT;
	col TEXT;
BEGIN
	FOREACH t IN ARRAY ARRAY['tenants', 'terms', 'patients', 'studies', 'study_names', 'series', 'instances',
		'instance_data', 'objects', 'changes', 'pending_erasures', 'trash', 'seals', 'stale_seals']
	LOOP
		col := CASE t WHEN 'tenants' THEN 'id' ELSE 'tenant' END;
		EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY tenant ON %I USING (%I = (SELECT current_setting(''aurelius.tenant'')::bigint)
			OR (SELECT current_setting(''aurelius.tenant'')::bigint) = 0)', t, col);
	END LOOP;
END $$;
