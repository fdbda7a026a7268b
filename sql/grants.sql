-- What each role may do.  Run by the owner after every migration, in one transaction; any number of times.
-- sigsentry_owner owns all; sigsentry_api may call the functions of schema api; sigsentry_courier those of schema
-- courier; nobody else may do anything, and no role but the owner sees a table.

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

REVOKE ALL ON SCHEMA sigsentry, api, admin, courier FROM PUBLIC, sigsentry_api, sigsentry_courier;
REVOKE ALL ON ALL TABLES IN SCHEMA sigsentry, api, admin, courier FROM PUBLIC, sigsentry_api, sigsentry_courier;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA sigsentry, api, admin, courier FROM PUBLIC, sigsentry_api, sigsentry_courier;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sigsentry, api, admin, courier FROM PUBLIC, sigsentry_api, sigsentry_courier;

GRANT USAGE ON SCHEMA api TO sigsentry_api;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA api TO sigsentry_api;

GRANT USAGE ON SCHEMA courier TO sigsentry_courier;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA courier TO sigsentry_courier;

-- Nobody makes tables, temporary ones included, nor anything in schema public.  Before PostgreSQL 15 that schema belongs
-- to the superuser, who alone can close it.
DO $$
BEGIN
	EXECUTE pg_catalog.format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', pg_catalog.current_database());
	IF EXISTS (SELECT 1 FROM pg_catalog.pg_namespace n
	            WHERE n.nspname = 'public' AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')) THEN
		REVOKE CREATE ON SCHEMA public FROM PUBLIC;
	END IF;
END
$$;

-- Who is a member of sigsentry_producer may publish, and nothing else (contract §5).  Installations that were set up before
-- there was this role get it from the next `sigsentryctl setup`.
DO $$
BEGIN
	IF pg_catalog.to_regrole('sigsentry_producer') IS NOT NULL THEN
		REVOKE ALL ON SCHEMA sigsentry, api, admin, courier FROM sigsentry_producer;
		REVOKE ALL ON ALL TABLES IN SCHEMA sigsentry, api, admin, courier FROM sigsentry_producer;
		REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sigsentry, api, admin, courier FROM sigsentry_producer;
		GRANT USAGE ON SCHEMA sigsentry TO sigsentry_producer;
		GRANT EXECUTE ON FUNCTION sigsentry.publish(uuid, jsonb) TO sigsentry_producer;
	END IF;
END
$$;

SELECT sigsentry.partitions_make(400);
