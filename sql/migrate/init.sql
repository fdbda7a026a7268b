-- The place where applied files are noted; may run any number of times.  Under the lock, since IF NOT EXISTS alone loses races.
CREATE SCHEMA IF NOT EXISTS sigsentry;
CREATE TABLE IF NOT EXISTS sigsentry.migration (
	version integer CONSTRAINT migration_pkey PRIMARY KEY,
	name text NOT NULL,
	sha256 text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT now(),
	program_version text NOT NULL
);
