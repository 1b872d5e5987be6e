-- Discarded instances: everything that Add needs to take them in again. Their parents may be
-- gone, so names stand as text. id is that of the change that discarded them.
CREATE TABLE trash (
	id              INTEGER PRIMARY KEY,       -- tenant << 40 | sequence
	study           TEXT NOT NULL,
	series          TEXT NOT NULL,
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
	discarded       INTEGER NOT NULL,
	until           INTEGER NOT NULL,
	header          BLOB,
	frames          BLOB
);
CREATE INDEX trash_until ON trash (until);
CREATE INDEX trash_location ON trash (object, offset);
CREATE INDEX trash_uid ON trash (uid);
CREATE INDEX trash_series ON trash (series);
CREATE INDEX trash_study ON trash (study);

-- What each tenant keeps, so that nobody has to count it.
CREATE TABLE usage (
	tenant     INTEGER PRIMARY KEY,
	patients   INTEGER NOT NULL,
	studies    INTEGER NOT NULL,
	series     INTEGER NOT NULL,
	instances  INTEGER NOT NULL,               -- discarded ones too
	bytes      INTEGER NOT NULL
);
INSERT INTO usage (tenant, patients, studies, series, instances, bytes)
	SELECT t.id, (SELECT count(*) FROM patients p WHERE p.tenant=t.id),
		(SELECT count(*) FROM studies s WHERE s.tenant=t.id),
		coalesce((SELECT sum(s.series) FROM studies s WHERE s.tenant=t.id), 0),
		coalesce((SELECT sum(s.instances) FROM studies s WHERE s.tenant=t.id), 0),
		coalesce((SELECT sum(i.length) FROM instances i WHERE i.id BETWEEN t.id<<40 AND (t.id+1<<40)-1), 0)
	FROM tenants t;
