-- Where the feed of a tenant begins: behind that of an index this one takes the place of.
ALTER TABLE tenants ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
