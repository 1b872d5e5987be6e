-- What was made of a series while it was quiet. When a series last changed and whether it is
-- sealed lie in the row that every store writes anyway; the index holds the series still to be
-- sealed, and is touched when one opens or is sealed, not per instance.
ALTER TABLE series ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;    -- ns since 1970
ALTER TABLE series ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;     -- 1: it has a row in seals
CREATE INDEX series_unsealed ON series (id) WHERE sealed=0;

CREATE TABLE seals (
	series    INTEGER PRIMARY KEY,
	revision  INTEGER NOT NULL,                -- the series' own as long as the row is there
	object    TEXT NOT NULL,                   -- in the store of derived objects
	offset    INTEGER NOT NULL,
	length    INTEGER NOT NULL,
	etag      TEXT NOT NULL,
	UNIQUE (object, offset)
);

-- Derived objects no series uses any more, until their bytes are gone.
CREATE TABLE stale_seals (
	object  TEXT NOT NULL,
	offset  INTEGER NOT NULL,
	length  INTEGER NOT NULL,
	PRIMARY KEY (object, offset)
) WITHOUT ROWID;
