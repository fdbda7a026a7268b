"""Goal: whoever broke into the web server has the database role sigsentry_api, and gets no further (design §1, doc/security.md).

In sessions of that role, with all that a worker knows: the digests of keys that he saw, and ids.  What tests/sql/test_roles.py
tries (tables, functions of other schemas, other roles) is not tried again here.
"""

import hashlib
import itertools
import json
import secrets
import time
import uuid

import psycopg2
import psycopg2.extras
import pytest
from psycopg2 import errors

import courier
import stack
from holders import ALL, EVENTS, Holder, rows_where, tables
from stack import PATH, at

# Each is refused for want of a right; the names are of what it would be good for.
REFUSED = {
    "files": [
        "SELECT pg_read_binary_file('/etc/hostname')", "SELECT pg_read_file('postgresql.conf')", "SELECT pg_ls_dir('.')",
        "SELECT pg_stat_file('PG_VERSION')", "SELECT * FROM pg_ls_logdir()", "SELECT * FROM pg_ls_waldir()", "SELECT pg_current_logfile()",
        "COPY (SELECT 1) TO '/tmp/attack'", "COPY pg_class FROM '/etc/hostname'", "COPY pg_class FROM PROGRAM 'true'",
        "SELECT lo_import('/etc/hostname')", "SELECT lo_export(1, '/tmp/attack')", "SELECT * FROM pg_largeobject",
        "SELECT * FROM pg_hba_file_rules", "SELECT * FROM pg_file_settings"],
    "others' sessions": [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sigsentry_owner'",
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'sigsentry_owner'",
        "SELECT * FROM pg_backend_memory_contexts", "SELECT pg_log_backend_memory_contexts(pg_backend_pid())"],
    "the server": [
        "SELECT pg_reload_conf()", "SELECT pg_rotate_logfile()", "SELECT pg_switch_wal()", "SELECT pg_promote()", "CHECKPOINT",
        "ALTER SYSTEM SET fsync = off", "LOAD 'auto_explain'", "CREATE TABLESPACE t LOCATION '/tmp'",
        "SELECT pg_create_physical_replication_slot('x')", "SELECT pg_create_logical_replication_slot('x', 'test_decoding')",
        "SELECT pg_stat_reset()", "SELECT * FROM pg_config", "UPDATE pg_settings SET setting = 'all' WHERE name = 'log_statement'"],
    "settings": [
        "SET session_replication_role = replica", "SET log_statement = 'all'", "SET log_min_duration_statement = 0",
        "SELECT set_config('log_statement', 'all', false)", "SET allow_system_table_mods = on", "SET session_preload_libraries = 'x'",
        "SET zero_damaged_pages = on", "SET lc_messages = 'C'"],
    "the catalog": [
        "SELECT * FROM pg_shadow", "SELECT * FROM pg_statistic", "SELECT * FROM pg_user_mapping", "UPDATE pg_proc SET prosecdef = false",
        "DO $$ BEGIN LOCK TABLE pg_catalog.pg_class IN ACCESS EXCLUSIVE MODE; END $$"],
    "names that would be found first": [
        "CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql AS 'SELECT 1'", "CREATE TYPE pg_temp.uuid AS (a integer)",
        "CREATE DOMAIN pg_temp.uuid AS text", "CREATE OPERATOR pg_temp.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_ne)",
        "CREATE OPERATOR public.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_ne)", "CREATE CAST (text AS uuid) WITH INOUT",
        "CREATE AGGREGATE public.count (*) (SFUNC = int8inc, STYPE = int8)", 'CREATE COLLATION public.c FROM "C"',
        "CREATE FUNCTION pg_catalog.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'", "CREATE EXTENSION pgcrypto",
        "CREATE SCHEMA mine"],
    "what hangs on a table": [
        "CREATE TRIGGER t AFTER INSERT ON sigsentry.channel EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE r AS ON INSERT TO sigsentry.credential DO ALSO NOTIFY x", "CREATE POLICY p ON sigsentry.channel USING (true)",
        "ALTER TABLE sigsentry.channel DISABLE TRIGGER ALL", "ALTER TABLE sigsentry.api_key DROP CONSTRAINT api_key_tenant_fkey",
        "CREATE INDEX ON sigsentry.channel (name)", "CREATE STATISTICS public.s ON id, name FROM sigsentry.channel",
        "COMMENT ON TABLE sigsentry.channel IS 'x'", "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION pg_catalog.now()",
        "CREATE PUBLICATION p FOR ALL TABLES", "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "CREATE FOREIGN DATA WRAPPER f",
        "VACUUM sigsentry.channel", "REINDEX TABLE sigsentry.channel"],
    "our functions": [
        "ALTER FUNCTION api.ready() SET search_path = public", "ALTER FUNCTION api.ready() OWNER TO sigsentry_api",
        "ALTER FUNCTION api.ready() SECURITY INVOKER", "SELECT sigsentry.publish(gen_random_uuid(), '{}')"],
    "rights": [
        "GRANT SELECT ON sigsentry.credential TO sigsentry_api", "GRANT USAGE ON SCHEMA sigsentry TO sigsentry_api",
        "DROP OWNED BY sigsentry_owner", "REASSIGN OWNED BY sigsentry_owner TO sigsentry_api",
        "ALTER DEFAULT PRIVILEGES FOR ROLE sigsentry_owner GRANT SELECT ON TABLES TO sigsentry_api",
        "ALTER ROLE sigsentry_api SUPERUSER", "ALTER ROLE sigsentry_api CREATEROLE", "ALTER ROLE sigsentry_owner PASSWORD 'x'",
        "ALTER ROLE sigsentry_courier SET search_path = public", "ALTER DATABASE sigsentry OWNER TO sigsentry_api",
        "ALTER DATABASE sigsentry SET search_path = public"],
    "rows by another way": [
        "SELECT query_to_xml('SELECT * FROM sigsentry.credential', true, true, '')", "SELECT table_to_xml('sigsentry.credential', true, true, '')",
        "SELECT * FROM ts_stat('SELECT to_tsvector(name) FROM sigsentry.channel')", "SELECT NULL::sigsentry.channel",
        "SELECT currtid2('sigsentry.channel', '(0,1)')", "SELECT pg_relation_size('sigsentry.credential')",
        "DO $$ BEGIN EXECUTE 'SELECT 1 FROM sigsentry.channel'; END $$", "SELECT brin_summarize_new_values('sigsentry.channel_project_idx')"],
}


def session(user="sigsentry_api"):
    link = psycopg2.connect(stack.env("SIGSENTRY_DSN"), user=user)
    link.autocommit = True
    return link


@pytest.fixture
def api():
    link = session()
    yield link
    link.close()


@pytest.mark.parametrize("statement", [pytest.param(s, id=s[:60]) for group in REFUSED.values() for s in group])
def test_refused(api, statement):
    stack.sql("SELECT 1")  # so that the owner has a session
    with pytest.raises(errors.InsufficientPrivilege), api.cursor() as cursor:
        cursor.execute(statement)


def test_nothing_is_seen_of_others(api):
    """Neither what other roles' sessions do, nor what the planner has learned of our tables."""
    stack.sql("ANALYZE sigsentry.tenant")  # so that something was learned
    with api.cursor() as cursor:
        cursor.execute("SELECT DISTINCT query FROM pg_stat_activity WHERE usename IN ('sigsentry_owner', 'sigsentry_courier')")
        assert cursor.fetchall() == [("<insufficient privilege>",)]
        cursor.execute("SELECT count(*) FROM pg_stats WHERE schemaname IN ('sigsentry', 'admin')")
        assert cursor.fetchone() == (0,)
    assert stack.sql("SELECT FROM pg_stats WHERE schemaname = 'sigsentry'")


# Our functions, with what they are not meant to be given ----------------------------------------------


class Cast:
    def __init__(self):
        self.victim, self.stranger = (Holder(secrets.token_hex(8)) for _ in range(2))
        with stack.Client(self.victim.key) as c:
            assert c.post(stack.channel("victim's"), headers=[("Idempotency-Key", self.victim.mark)]).status == 201
        self.org = stack.new_key(tenant=self.stranger.tenant, kind="org", permissions=ALL)["key"]
        revoked = stack.new_key(project=self.victim.project, permissions=ALL)
        stack.sql("UPDATE sigsentry.api_key SET revoked_at = now() WHERE id = %s", revoked["id"])
        self.digests = {"none": None, "empty": b"", "zeroes": bytes(32), "a revoked key's": digest(revoked["key"]),
                        "a stranger's": digest(self.stranger.key), "a stranger's organization's": digest(self.org)}

    def rows(self):
        return rows_where("tenant_id = %(victim)s", victim=self.victim.tenant)

    def shown(self):
        """All that the victim is shown of his own."""
        v = self.victim
        paths = [PATH, at(v.channel), at(v.channel) + "/deliveries", "%s/deliveries/%s" % (at(v.channel), v.delivery),
                 "%s/%s" % (EVENTS, v.event), PATH + "/settings"]
        with stack.Client(v.key) as c:
            return [stack.ok(c.send("GET", path), 200) for path in paths]

    def values(self, name, function, kind):
        """What is given for a parameter of this name.  A name that is new must be added here: KeyError."""
        v = self.victim
        event = function.startswith("event_")
        return {
            "p_digest": list(self.digests.values()), "p_project": [None, v.project], "p_project_bad": [False],
            "p_permission": ["config:read", "analysis:create"], "p_need_project": [False, True], "p_kind": ["read"], "p_take": [False],
            "p_channel": [v.channel], "p_id": [b"12345678"] if kind == "bytea" else [v.event] if event else [v.channel, v.wide],
            "p_delivery": [v.delivery, v.waiting, v.of_wide], "p_before": [None, v.delivery], "p_after": [None, v.delivery],
            "p_call": [call_id(), v.audit], "p_inactive": [True], "p_page": [1], "p_limit": [100], "p_batch": [100],
            "p_type": ["slack"], "p_name": ["x"], "p_threshold": [1], "p_destination": ["hooks.slack.com"],
            "p_fields": [["webhookUrl"]], "p_sealed": [[b"sealed"]], "p_key": [None, v.once], "p_mac": [b"m" * 32],
            "p_answer": ["{}"], "p_location": ["/x"], "p_active": [True, False], "p_replace": [True], "p_overlap_s": [0],
            "p_since": ["2000-01-01Z"], "p_until": [None], "p_status": [["failed", "cancelled"]] if kind == "text[]" else [None, "failed"],
            "p_payload": [json.dumps({"event": "x", "severity": "critical", "summary": "stranger"})],
        }[name]


def call_id():
    """A version 7 UUID, as a worker makes one for each call; the audit is in the order of them."""
    return str(uuid.UUID(int=(time.time_ns() // 1000000 << 80) | (7 << 76) | (2 << 62) | secrets.randbits(62)))


def digest(key):
    return hashlib.sha256(key.encode()).digest()


@pytest.fixture(scope="module")
def cast():
    with courier.alone():
        made = Cast()
        made.victim.audit = stack.sql("SELECT id::text FROM sigsentry.audit WHERE tenant_id = %s LIMIT 1", made.victim.tenant)[0]["id"]
        made.victim.once = stack.sql("SELECT key_mac FROM sigsentry.idempotency WHERE tenant_id = %s LIMIT 1", made.victim.tenant)[0]["key_mac"]
        yield made


@pytest.fixture(scope="module")
def apart():
    """Another cast, among whom nobody has taken anybody's ids."""
    with courier.alone():
        yield Cast()


def functions():
    """Of schema api, those that are asked in the name of a key: name, [(parameter, type)]."""
    rows = stack.sql("""SELECT p.proname AS name, p.proargnames[1:p.pronargs] AS names,
                               ARRAY (SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY u (t, n) ORDER BY n) AS kinds
                          FROM pg_proc p WHERE p.pronamespace = 'api'::regnamespace ORDER BY 1""")
    assert len(rows) > 15
    return [(r["name"], list(zip(r["names"], r["kinds"]))) for r in rows]


@pytest.mark.parametrize("name, parameters", [pytest.param(*f, id=f[0]) for f in functions()])
def test_functions_show_and_change_nothing_of_others(cast, api, name, parameters):
    """Every function of the role's, called by hand: with no key, a revoked one's digest, and a stranger's, and the victim's ids.

    A stranger may make things under ids of the victim's, since workers make ids; they are in his own tenant.
    """
    shown = cast.shown()
    before = cast.rows()
    marks = (cast.victim.mark, cast.victim.tenant)
    is_keyed = "p_digest" in dict(parameters)
    if not is_keyed:
        assert name in ("held", "key_retired", "metrics", "ready"), "it asks for no key: is it for everybody?"
    text = "SELECT * FROM api.%s(%s)" % (name, ", ".join("%%s::%s" % kind for _, kind in parameters))
    with api.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        for given in itertools.product(*(cast.values(n, name, kind) for n, kind in parameters)):
            try:
                cursor.execute(text, given)
                said = [dict(r) for r in cursor.fetchall()]
            except psycopg2.Error as e:  # as good an answer as another one
                said = str(e)
            assert not [m for m in marks if m in str(said)] or given[0] == cast.digests["a revoked key's"], (given, said)
            if is_keyed and given[0] in (None, b"", bytes(32)):
                assert {r["status"] for r in said} == {"unauthorized"}, (given, said)
            if is_keyed and given[0] == cast.digests["a revoked key's"]:
                assert {r["status"] for r in said} == {"key_revoked"} and cast.victim.mark not in str(said), (given, said)
    assert cast.rows() == before, "rows of the victim's are not what they were: %s" % (cast.rows() ^ before)
    assert cast.shown() == shown


def test_a_channel_with_anothers_id_is_sent_its_own_secrets(cast, api):
    """A stranger's channel with the id of the victim's stands beside it: what the courier gets for the victim's is still his."""
    with api.cursor() as cursor:
        cursor.execute("SELECT status FROM api.channel_create(%s, NULL, %s, 'webhook', 'x', 1::smallint, 'x', '{url}', %s::bytea[],"
                       " NULL, NULL, '{}', '/x')", (digest(cast.stranger.key), cast.victim.channel, [b"planted"]))
    assert stack.sql("SELECT FROM sigsentry.channel WHERE tenant_id = %s AND id = %s", cast.stranger.tenant, cast.victim.channel)
    row, = courier.Courier().take(cast.victim.waiting)
    sealed = stack.sql("SELECT string_agg(encode(sealed, 'hex'), ',') AS hex FROM sigsentry.credential WHERE tenant_id = %s AND channel_id = %s",
                       cast.victim.tenant, cast.victim.channel)[0]["hex"]
    assert str(row["tenant_id"]) == cast.victim.tenant and b"planted".hex() not in row["credentials"]
    assert all(one in row["credentials"] for one in sealed.split(","))


SETTINGS = [
    "SET search_path = public, pg_temp, pg_catalog", "SET transform_null_equals = on", "SET row_security = off", "SET array_nulls = off",
    "SET standard_conforming_strings = off", "SET escape_string_warning = off", "SET bytea_output = 'escape'", "SET DateStyle = 'German'",
    "SET IntervalStyle = 'iso_8601'", "SET TimeZone = 'Pacific/Kiritimati'", "SET extra_float_digits = -15", "SET client_encoding = 'SQL_ASCII'",
    "SET default_transaction_isolation = 'serializable'", "SET default_transaction_read_only = on", "SET plpgsql.variable_conflict = 'use_column'",
    "SET plan_cache_mode = force_custom_plan", "SET check_function_bodies = off", "SET quote_all_identifiers = on", "SET xmloption = 'document'",
    "SET enable_indexscan = off", "SET synchronous_commit = off", "SET constraint_exclusion = on", "SET jit = on", "SET work_mem = '64kB'",
    "SET from_collapse_limit = 1", "SET geqo_threshold = 2", "SET vacuum_cost_delay = 100", "SET default_tablespace = ''"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_sessions_settings_open_nothing(apart, setting):
    """Whatever a session is set to, a key reaches what is its own, and a revoked one nothing."""
    link = session()
    try:
        with link.cursor() as cursor:
            cursor.execute(setting)
            for key, channel, wanted in ((apart.victim.key, apart.victim.channel, "ok"), (apart.victim.key, apart.stranger.wide, "not_found"),
                                         (apart.stranger.key, apart.victim.wide, "not_found"), ("none", apart.victim.channel, "unauthorized")):
                cursor.execute("SELECT status FROM api.channel_get(%s, NULL, %s)", (digest(key), channel))
                assert cursor.fetchone() == (wanted,)
            cursor.execute("SELECT status FROM api.channel_get(%s, NULL, %s)", (apart.digests["a revoked key's"], apart.victim.channel))
            assert cursor.fetchone() == ("key_revoked",)
            cursor.execute("SELECT status FROM api.channel_get(%s, %s, %s)", (digest(apart.org), apart.victim.project, apart.victim.channel))
            assert cursor.fetchone() == ("wrong_project",)
    finally:
        link.close()


def test_temporary_tables_stand_in_for_nothing(apart):
    """Where somebody may make them after all (here the owner), our functions look into none: every name of theirs is a schema's."""
    link = session("sigsentry_owner")
    try:
        with link.cursor() as cursor:
            for table in tables():
                cursor.execute("CREATE TEMPORARY TABLE %s (LIKE %s)" % (table.split(".")[1], table))
            cursor.execute("INSERT INTO pg_temp.api_key SELECT * FROM sigsentry.api_key WHERE digest = %s", (digest(apart.stranger.key),))
            cursor.execute("UPDATE pg_temp.api_key SET tenant_id = %s, project_id = %s", (apart.victim.tenant, apart.victim.project))
            cursor.execute("SELECT status, tenant_id::text FROM api.channel_get(%s, NULL, %s)",
                           (digest(apart.stranger.key), apart.victim.delivery))
            assert cursor.fetchone() == ("not_found", apart.stranger.tenant)
    finally:
        link.close()


# What is not promised -----------------------------------------------------------------------------------


def test_what_he_can_do(api):
    """doc/broken-on-purpose.md says so: PostgreSQL lets each role do these.  Where that changes, so must the page."""
    with api.cursor() as cursor:
        cursor.execute("SELECT lo_from_bytea(0, 'x')")
        cursor.execute("SELECT lo_unlink(%s)", cursor.fetchone())
        cursor.execute("SELECT pg_advisory_lock(1), pg_advisory_unlock(1)")
        cursor.execute("ALTER ROLE sigsentry_api SET work_mem = '1MB'")
        cursor.execute("ALTER ROLE sigsentry_api RESET work_mem")
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'channel'")
        assert cursor.fetchone()
