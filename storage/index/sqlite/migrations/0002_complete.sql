-- When a study last changed, and whether that state of it was announced as complete. Both lie in
-- the row that every store writes anyway; the index holds the studies still to be announced, and
-- is touched when one opens or is announced, not per instance.
ALTER TABLE studies ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;    -- ns since 1970
ALTER TABLE studies ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
CREATE INDEX studies_open ON studies (id) WHERE announced=0;
