-- Wide typed tables: a column for what is asked for, a blob for what is answered. Every row of
-- patients, studies, series and instances carries its tenant. Text columns hold query.Canon of
-- the first value, '' where there is none, so that = and GLOB decide as query.Match does.

CREATE TABLE tenants (
	id    INTEGER PRIMARY KEY,
	name  TEXT NOT NULL UNIQUE
);

-- SOP classes, transfer syntaxes and AE titles: long, few, and in every instance.
CREATE TABLE terms (
	id    INTEGER PRIMARY KEY,
	term  TEXT NOT NULL UNIQUE
);

-- A patient is tenant + Patient ID + issuer; without Patient ID each study has one of its own.
CREATE TABLE patients (
	id          INTEGER PRIMARY KEY,
	tenant      INTEGER NOT NULL,
	patient_id  TEXT NOT NULL,
	issuer      TEXT NOT NULL,
	only_study  TEXT NOT NULL,                 -- its StudyInstanceUID where patient_id is ''
	name        TEXT NOT NULL,                 -- all component groups
	birth_date  TEXT NOT NULL,
	sex         TEXT NOT NULL,
	attrs       BLOB NOT NULL,
	UNIQUE (tenant, patient_id, issuer, only_study)
);

CREATE TABLE studies (
	id           INTEGER PRIMARY KEY,
	tenant       INTEGER NOT NULL,
	patient      INTEGER NOT NULL,
	uid          TEXT NOT NULL,
	study_date   TEXT NOT NULL,
	study_time   TEXT NOT NULL,
	accession    TEXT NOT NULL,
	study_id     TEXT NOT NULL,
	description  TEXT NOT NULL,
	patient_id   TEXT NOT NULL,
	issuer       TEXT NOT NULL,
	name         TEXT NOT NULL,
	birth_date   TEXT NOT NULL,
	sex          TEXT NOT NULL,
	modalities   TEXT NOT NULL,                -- \CT\SR\, as they came
	classes      TEXT NOT NULL,                -- \1.2.840...\
	series       INTEGER NOT NULL,
	instances    INTEGER NOT NULL,
	arrived      INTEGER NOT NULL,             -- last change that stored an instance
	attrs        BLOB NOT NULL                 -- of patient and study
);
CREATE UNIQUE INDEX studies_uid ON studies (tenant, uid);

-- The order of answers, newest first (read backwards), with every column that filters: a scan
-- touches the wide rows of matches only.
CREATE INDEX studies_newest ON studies (tenant, study_date, study_time, id, name, modalities,
	description, accession, patient_id, issuer, study_id, birth_date, sex);
CREATE INDEX studies_accession ON studies (tenant, accession);
CREATE INDEX studies_patient_id ON studies (tenant, patient_id);
CREATE INDEX studies_patient ON studies (patient);
CREATE INDEX studies_arrived ON studies (tenant, arrived);

-- Component groups (kind 0) and words (kind 1) of patient names.
CREATE TABLE study_names (
	tenant  INTEGER NOT NULL,
	kind    INTEGER NOT NULL,
	name    TEXT NOT NULL,
	study   INTEGER NOT NULL,
	PRIMARY KEY (tenant, kind, name, study)
) WITHOUT ROWID;

CREATE TABLE series (
	id           INTEGER PRIMARY KEY,
	tenant       INTEGER NOT NULL,
	study        INTEGER NOT NULL,
	uid          TEXT NOT NULL,
	number       INTEGER NOT NULL,             -- a large one where there is none
	modality     TEXT NOT NULL,
	description  TEXT NOT NULL,
	body_part    TEXT NOT NULL,
	series_date  TEXT NOT NULL,
	instances    INTEGER NOT NULL,
	revision     INTEGER NOT NULL,             -- last change
	attrs        BLOB NOT NULL,
	UNIQUE (tenant, uid, study)
);
CREATE INDEX series_order ON series (study, number, id);

-- id is tenant << 40 | sequence of the change that stored it: rows are appended, and the feed of
-- what was stored is this table.
CREATE TABLE instances (
	id              INTEGER PRIMARY KEY,
	tenant          INTEGER NOT NULL,
	series          INTEGER NOT NULL,
	study           INTEGER NOT NULL,
	number          INTEGER NOT NULL,
	uid             TEXT NOT NULL,
	class           INTEGER NOT NULL,          -- terms
	syntax          INTEGER NOT NULL,          -- terms
	source          INTEGER NOT NULL,          -- terms
	object          INTEGER NOT NULL,          -- objects
	offset          INTEGER NOT NULL,
	length          INTEGER NOT NULL,
	dataset_offset  INTEGER NOT NULL,
	dataset_crc     INTEGER NOT NULL,
	received        INTEGER NOT NULL,          -- ns since 1970
	attrs           BLOB NOT NULL,
	UNIQUE (tenant, uid)
);
CREATE INDEX instances_order ON instances (series, number, id);
CREATE INDEX instances_location ON instances (object, offset);

-- The heavy part, apart so that the rows above stay narrow.
CREATE TABLE instance_data (
	id      INTEGER PRIMARY KEY,
	header  BLOB,
	frames  BLOB
);

CREATE TABLE objects (
	id    INTEGER PRIMARY KEY,
	key   TEXT NOT NULL UNIQUE,
	tail  INTEGER NOT NULL                     -- every record before it has been seen
);

-- The changes that have no row in instances any more: deletions, and what was stored and
-- deleted since. id is tenant << 40 | sequence.
CREATE TABLE changes (
	id      INTEGER PRIMARY KEY,
	time    INTEGER NOT NULL,
	kind    INTEGER NOT NULL,                  -- 0 stored, 1 deleted
	study   TEXT NOT NULL,
	series  TEXT NOT NULL,
	uid     TEXT NOT NULL,
	class   INTEGER NOT NULL
);

CREATE TABLE pending_erasures (
	object  TEXT NOT NULL,
	offset  INTEGER NOT NULL,
	length  INTEGER NOT NULL,
	PRIMARY KEY (object, offset)
) WITHOUT ROWID;
