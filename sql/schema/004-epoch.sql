-- What tells a database that was restored from a backup, and holds its queue until an admin has decided.
-- Couriers remember a mark that they have seen here, outside of the database.  One that is not here any more, though its time is still
-- kept: then this database is older than what they have seen, and what its queue holds may have been sent already.

CREATE TABLE sigsentry.epoch (
	mark uuid CONSTRAINT epoch_pkey PRIMARY KEY,
	made_at timestamptz NOT NULL DEFAULT now(),
	is_lost boolean NOT NULL DEFAULT false
);
CREATE INDEX epoch_made_idx ON sigsentry.epoch (made_at);
COMMENT ON TABLE sigsentry.epoch IS 'Marks, four a minute at the most, of the last seven days.';
COMMENT ON COLUMN sigsentry.epoch.mark IS 'Made at random: no other history of this database has the same.';
COMMENT ON COLUMN sigsentry.epoch.made_at IS 'When.';
COMMENT ON COLUMN sigsentry.epoch.is_lost IS 'It was not made here: a courier remembers it, and the queue is held for it.  With the queue''s release it is as any.';

CREATE TABLE sigsentry.hold (
	id smallint DEFAULT 1 CONSTRAINT hold_pkey PRIMARY KEY CONSTRAINT hold_id_check CHECK (id = 1),
	held_at timestamptz,
	held_by text,
	why text,
	released_at timestamptz NOT NULL DEFAULT '-infinity',
	forgotten_at timestamptz NOT NULL DEFAULT '-infinity',
	CONSTRAINT hold_whole_check CHECK ((held_at IS NULL) = (held_by IS NULL) AND (held_at IS NULL) = (why IS NULL))
) WITH (fillfactor = 50);
COMMENT ON TABLE sigsentry.hold IS 'One row: is the queue held?  Then no courier gets anything of it, of whatever version it is.';
COMMENT ON COLUMN sigsentry.hold.id IS '1.';
COMMENT ON COLUMN sigsentry.hold.held_at IS 'Since when it is held; NULL: it is not.';
COMMENT ON COLUMN sigsentry.hold.held_by IS 'A courier''s name, or the local user''s.';
COMMENT ON COLUMN sigsentry.hold.why IS 'The reason, for people.';
COMMENT ON COLUMN sigsentry.hold.released_at IS 'When it was last released: marks of before hold it no more.';
COMMENT ON COLUMN sigsentry.hold.forgotten_at IS 'All marks that were made before then are deleted: of these nobody can say whether they were here.';
INSERT INTO sigsentry.hold DEFAULT VALUES;

COMMENT ON COLUMN sigsentry.audit.object_kind IS 'What was changed: channel, apikey, project, tenant, plan; a delivery that was sent again; the queue.';
