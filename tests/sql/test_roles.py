"""Goal: each role may do what its program needs, and nothing else; tried in a session of that role."""
import json
import pathlib
import uuid

import pytest
from psycopg2 import errors

from conftest import Database, admit, call, call_id, create, delete, get, query, update, until

ROLES = ["sigsentry_api", "sigsentry_courier"]
SCHEMAS = ["sigsentry", "api", "admin", "courier"]


def refused(conn, sql, *args, error=errors.InsufficientPrivilege):
    with pytest.raises(error):
        with conn.cursor() as cursor:
            cursor.execute(sql, args)
            pytest.fail("allowed: " + sql)


def tables(db):
    rows = db.rows("""SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')""", SCHEMAS)
    return [row["name"] for row in rows]


def functions(db):
    """(schema, name, a call with NULLs of the right types) of every function of ours."""
    return db.rows("""
        SELECT n.nspname AS schema, p.proname AS name,
               format('SELECT %%I.%%I(%%s)', n.nspname, p.proname,
                      (SELECT string_agg('NULL::' || format_type(a.type, NULL), ', ' ORDER BY a.n)
                         FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n))) AS call
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = ANY (%s)""", SCHEMAS)


def test_the_catalog_has_what_is_tested_here(db):
    assert {"sigsentry." + name for name in
            ("plan", "tenant", "project", "api_key", "channel", "credential", "audit", "migration",
             "idempotency", "permit", "gauge")} <= set(tables(db))
    assert {"api", "admin", "courier", "sigsentry"} == {row["schema"] for row in functions(db)}


@pytest.mark.parametrize("role", ROLES)
def test_tables_are_closed(db, session, role):
    conn = session(role)
    for table in tables(db):
        refused(conn, "SELECT 1 FROM %s" % table)
        refused(conn, "SELECT count(*) FROM %s" % table)
        refused(conn, "DELETE FROM %s" % table)
        refused(conn, "TRUNCATE %s" % table)
        refused(conn, "DO $$ BEGIN LOCK TABLE %s IN ACCESS SHARE MODE; END $$" % table)
        refused(conn, "COPY %s TO STDOUT" % table)
    refused(conn, "SELECT sealed FROM sigsentry.credential")
    refused(conn, "SELECT previous_sealed FROM sigsentry.credential")
    refused(conn, "SELECT digest FROM sigsentry.api_key")
    refused(conn, "SELECT answer FROM sigsentry.idempotency")
    refused(conn, "UPDATE sigsentry.permit SET taken = 0")
    refused(conn, "INSERT INTO sigsentry.gauge VALUES ('mine', '', 1)")
    refused(conn, "UPDATE sigsentry.plan SET channel_limit = NULL")
    refused(conn, "INSERT INTO sigsentry.plan (name) VALUES ('mine')")
    refused(conn, "UPDATE sigsentry.api_key SET permissions = '{config:write}'")


@pytest.mark.parametrize("role", ROLES)
def test_tables_are_closed_by_themselves(db, role):
    """The schema's door is not the only one: without it the tables would be closed as well."""
    for table in tables(db):
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            assert not db.value("SELECT has_table_privilege(%s, %s, %s)", role, table, privilege), (table, privilege)
        assert not db.value("SELECT has_any_column_privilege(%s, %s, 'SELECT, INSERT, UPDATE, REFERENCES')", role, table)


@pytest.mark.parametrize("role,own", [("sigsentry_api", "api"), ("sigsentry_courier", "courier")])
def test_functions_of_other_schemas_are_closed(db, session, role, own):
    conn = session(role)
    tried = 0
    for f in functions(db):
        if f["schema"] != own:
            refused(conn, f["call"])
            tried += 1
    assert tried > 20


def test_execute_is_granted_by_schema_alone(db):
    """PUBLIC may execute nothing of ours, each program's role only what is in its own schema."""
    for f in db.rows("""SELECT p.oid, n.nspname AS schema, p.oid::regprocedure::text AS name, p.proacl::text AS acl
                          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY (%s)""",
                     SCHEMAS):
        assert f["acl"] is not None, f["name"]
        assert not f["acl"].startswith("{=") and ",=" not in f["acl"], f
        for role, own in (("sigsentry_api", "api"), ("sigsentry_courier", "courier")):
            may = db.value("SELECT has_function_privilege(%s, %s::oid, 'EXECUTE')", role, f["oid"])
            assert may == (f["schema"] == own), (role, f["name"])


def test_schemas_are_granted_one_by_one(db):
    for role, own in (("sigsentry_api", "api"), ("sigsentry_courier", "courier")):
        for schema in SCHEMAS:
            assert db.value("SELECT has_schema_privilege(%s, %s, 'USAGE')", role, schema) == (schema == own), (role, schema)
            assert not db.value("SELECT has_schema_privilege(%s, %s, 'CREATE')", role, schema), (role, schema)


def test_a_new_function_is_closed_to_public(session):
    conn = session(autocommit=False)
    with conn.cursor() as cursor:
        cursor.execute("CREATE FUNCTION admin.fresh() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
        cursor.execute("SELECT has_function_privilege('sigsentry_api', 'admin.fresh()', 'EXECUTE')")
        assert cursor.fetchone() == (False,)
    conn.rollback()


@pytest.mark.parametrize("role", ROLES)
def test_nothing_can_be_made(session, role):
    conn = session(role)
    database = Database(conn).value("SELECT current_database()")
    for schema in SCHEMAS + ["public"]:
        refused(conn, "CREATE TABLE %s.mine (i integer)" % schema)
        refused(conn, "CREATE FUNCTION %s.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'" % schema)
        refused(conn, "CREATE VIEW %s.mine AS SELECT 1" % schema)
    refused(conn, "CREATE TEMP TABLE mine (i integer)")
    refused(conn, "CREATE TEMP VIEW mine AS SELECT 1")
    refused(conn, "CREATE SCHEMA mine")
    refused(conn, 'CREATE SCHEMA "%s"' % role)
    refused(conn, "CREATE EXTENSION dblink")
    refused(conn, "CREATE ROLE mine")
    refused(conn, 'ALTER DATABASE "%s" SET work_mem = 64' % database)
    refused(conn, "DROP FUNCTION api.ready()")
    refused(conn, "CREATE OR REPLACE FUNCTION api.ready() RETURNS integer LANGUAGE sql AS 'SELECT 9'")


@pytest.mark.parametrize("role", ROLES)
def test_nobody_becomes_another(session, role):
    conn = session(role)
    for other in {"sigsentry_owner", *ROLES} - {role}:
        refused(conn, "SET ROLE %s" % other)
        refused(conn, "SET SESSION AUTHORIZATION %s" % other)
        refused(conn, "GRANT %s TO %s" % (other, role))
    refused(conn, "SELECT rolpassword FROM pg_authid")
    refused(conn, "SELECT pg_read_file('/etc/hostname')")
    refused(conn, "COPY (SELECT 1) TO PROGRAM 'true'")
    attributes = Database(conn).row("""SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
                                         FROM pg_roles WHERE rolname = current_user""")
    assert not any(attributes.values()), attributes


@pytest.mark.parametrize("role", ROLES)
def test_no_role_is_a_member_of_another(db, role):
    assert db.rows("SELECT 1 FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = %s", role) == []


def test_the_api_role_can_do_its_work(db, api, home):
    """Every function of schema api, in a session of the role that has it alone."""
    channel, event = uuid.uuid4(), call_id()
    writer, _ = db.key(home.tenant, home.project, permissions=["analysis:create"])
    body = {"event": "custom", "severity": "critical", "summary": "s"}
    work = {
        "ready": lambda: call(api, "api_ready")["version"] == db.value("SELECT max(version) FROM sigsentry.migration"),
        "admit": lambda: admit(api, home.digest, take=True)["status"] == "ok",
        "channel_create": lambda: create(api, home.digest, channel=channel, once=b"k" * 32)["status"] == "ok",
        "channel_list": lambda: call(api, "api_channel_list", home.digest, None, False, 1, 10)["total"] == 1,
        "channel_get": lambda: get(api, home.digest, channel)["status"] == "ok",
        "channel_update": lambda: update(api, home.digest, channel, sealed={"webhookUrl": b"new"})["status"] == "ok",
        "settings_get": lambda: call(api, "api_settings_get", home.digest, None)["status"] == "ok",
        "settings_set": lambda: call(api, "api_settings_set", home.digest, None, call_id(), 3)["status"] == "ok",
        "channel_test": lambda: call(api, "api_channel_test", home.digest, None, channel, call_id())["status"] == "ok",
        "event_publish": lambda: call(api, "api_event_publish", writer, None, event, json.dumps(body), None, None)["status"] == "ok",
        "event_get": lambda: call(api, "api_event_get", home.digest, None, event)["status"] == "ok",
        "delivery_list": lambda: call(api, "api_delivery_list", home.digest, None, channel, None, None, 10)["status"] == "ok",
        "delivery_get": lambda: call(api, "api_delivery_get", home.digest, None, channel, event)["status"] == "no_delivery",
        "delivery_retry": lambda: call(api, "api_delivery_retry", home.digest, None, channel, event, call_id())["status"] == "no_delivery",
        "deliveries_retry": lambda: call(api, "api_deliveries_retry", home.digest, None, channel, None, None, ["failed"], None, 10,
                                         call_id())["queued"] == 0,
        "channel_delete": lambda: delete(api, home.digest, channel)["status"] == "ok",
        "held": lambda: call(api, "api_held") == {"held_at": None, "why": None},
        "key_retired": lambda: call(api, "api_key_retired", bytes(8))["key_retired"] is False,
        "metrics": lambda: len(Database(api).rows("SELECT * FROM api.metrics()")) > 0,
    }
    assert set(work) == {f["name"] for f in functions(db) if f["schema"] == "api"}
    for name, act in work.items():
        assert act(), name


def test_the_courier_role_can_do_its_work(db, session):
    """Every function of schema courier; those that tests/sql/queueing.py calls as the owner too."""
    conn = session("sigsentry_courier")
    # the stack's own may be at it
    until(lambda: call(conn, "courier_housekeep", 1000) == {"done": True, "more": False})
    rows = Database(conn).rows
    none = [[]] * 13
    work = {
        "claim": lambda: rows(query("courier_claim"), uuid.uuid4(), 0, 0, 60, [], [], [], 0) == [],
        "guard": lambda: rows(query("courier_guard"), uuid.uuid4(), uuid.uuid4(), "2000-01-01Z", "n", 0, 0, 60, [], [], [], 0) == [],
        "epoch": lambda: rows(query("courier_epoch"), None, None, "n")[0]["lost"] is False,
        "record": lambda: rows(query("courier_record"), *none, 0, uuid.uuid4()) == [{"record": 0}],
        "renew": lambda: rows(query("courier_renew"), uuid.UUID(int=0), "n", "v", [], 0, [], [], [], 60) is not None,
        "leave": lambda: rows(query("courier_leave"), uuid.UUID(int=0)) is not None,
        "hand_back": lambda: rows(query("courier_hand_back"), [], [], [], [], []) is not None,
        "housekeep": lambda: True,
        "schema_version": lambda: rows(query("courier_schema_version")) == [
            {"schema_version": db.value("SELECT max(version) FROM sigsentry.migration")}],
        "history_drop": lambda: rows(query("courier_history_drop"), 0) == [{"history_drop": 0}],
        "notices_take": lambda: rows(query("courier_notices_take"), 0) == [],
        "notice_done": lambda: rows(query("courier_notice_done"), uuid.uuid4(), uuid.uuid4()) is not None,
    }
    assert set(work) == {f["name"] for f in functions(db) if f["schema"] == "courier"}
    for name, act in work.items():
        assert act(), name


def test_the_courier_role_cannot_create(session, home):
    with pytest.raises(errors.InsufficientPrivilege):
        create(session("sigsentry_courier"), home.digest)


def test_functions_pin_their_search_path(db):
    """Every function that runs as the owner: else a caller's own schema could stand in for ours."""
    rows = db.rows("""SELECT p.oid::regprocedure::text AS name, p.proconfig AS config, r.rolname AS owner, p.prosecdef AS definer
                        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
                       WHERE n.nspname = ANY (%s)""", SCHEMAS)
    owners = {row["owner"] for row in rows}
    assert len(owners) == 1 and owners.isdisjoint(ROLES), owners
    for row in rows:
        schema = row["name"].split(".")[0]
        if row["definer"]:
            assert "search_path=pg_catalog, pg_temp" in (row["config"] or []), row
        assert row["definer"] or schema == "sigsentry", row


def test_a_callers_search_path_changes_nothing(session, api, home):
    """The owner of another schema cannot slip operators or tables under the functions."""
    with api.cursor() as cursor:
        cursor.execute("SET search_path = public, pg_temp, pg_catalog")
    assert create(api, home.digest)["status"] == "ok"


def test_grants_can_be_run_again(session, api, home):
    text = (pathlib.Path(__file__).parents[2] / "sql" / "grants.sql").read_text()
    conn = session(autocommit=False)
    with conn.cursor() as cursor:
        cursor.execute(text)
    conn.commit()
    assert create(api, home.digest)["status"] == "ok"
    refused(api, "SELECT 1 FROM sigsentry.plan")


def test_a_stranger_sees_nothing(db):
    """PUBLIC, that is any other role of the cluster."""
    for schema in SCHEMAS:
        assert not db.value("SELECT coalesce(bool_or(a.grantee = 0), false) FROM pg_namespace n, aclexplode(n.nspacl) a"
                            " WHERE n.nspname = %s", schema), schema
    assert db.value("SELECT count(*) FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = current_database()"
                    " AND a.grantee = 0 AND a.privilege_type <> 'CONNECT'") == 0
