"""Goal: An event and its deliveries appear with the transaction of its producer, or not at all (contract §5)."""

import json
import uuid

import pytest
from psycopg2 import errors

from queueing import Queue, event


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_in_the_producers_own_transaction(live, session, end):
    tenant, project, channels = live.home(3)
    producer = Queue(session(autocommit=False))
    new, n = producer.publish(project)
    assert n == 3 and live.of(new) == [] and live.claim() == []
    getattr(producer.conn, end)()
    assert len(live.of(new)) == len(live.claim()) == (3 if end == "commit" else 0)
    assert live.value("SELECT count(*) FROM sigsentry.event WHERE id = %s", new) == (1 if end == "commit" else 0)


def test_in_a_savepoint(q):
    tenant, project, _ = q.home()
    q.rows("SAVEPOINT s")
    lost, _ = q.publish(project)
    q.rows("ROLLBACK TO s")
    kept, _ = q.publish(project)
    assert (q.of(lost), len(q.of(kept))) == ([], 1)


@pytest.mark.parametrize("extra, says", [
    ('"%s"' % ("x" * (1 << 20)), "larger than 1 MiB"),
    ("[1e131071, 1e131071, 1e131071]", "digits"),
    ("[" * 16 + "]" * 16, "16 open"),
], ids=["large", "digits", "deep"])
def test_what_no_courier_could_send_is_refused(q, extra, says):
    _, project, _ = q.home()
    with pytest.raises(errors.InvalidParameterValue) as refused:
        q.rows("SELECT sigsentry.publish(%s, %s::jsonb)", project, event()[:-1] + ', "n": ' + extra + "}")
    assert says in refused.value.diag.message_detail


def test_the_deepest_that_can_be_sent(q):
    _, project, _ = q.home()
    assert q.publish(project, n=json.loads("[" * 15 + "]" * 15))[1] == 1


def test_prepared(live, session):
    """A producer may leave its transaction to a transaction manager: nothing in publish() forbids it."""
    tenant, project, _ = live.home()
    producer = Queue(session(autocommit=False))
    new, _ = producer.publish(project)
    name = "queue-test-%s" % new
    producer.rows("PREPARE TRANSACTION %s", name)
    producer.conn.rollback()
    try:
        assert live.of(new) == []
    finally:
        live.rows("COMMIT PREPARED %s", name)
    assert len(live.of(new)) == 1


def test_bad_payloads(q):
    tenant, project, _ = q.home()
    for payload, want in [("{}", {("event", "required"), ("severity", "required"), ("summary", "required")}), ("[]", {("", "json")}),
                          (None, {("", "json")}), (event(severity="no", tenantId=1), {("severity", "enum"), ("tenantId", "reserved")}),
                          (event(event="channel.failing"), {("event", "reserved")})]:
        q.rows("SAVEPOINT s")
        with pytest.raises(errors.InvalidParameterValue) as e:
            q.rows("SELECT * FROM sigsentry.publish(%s, %s::jsonb)", project, payload)
        assert e.value.pgcode == "22023"
        found = json.loads(e.value.diag.message_detail)["issues"]
        assert {(i["path"], i["code"]) for i in found} == want and all(i["message"] for i in found)
        q.rows("ROLLBACK TO s")
    with pytest.raises(errors.InvalidParameterValue) as e:
        q.publish(uuid.uuid4())
    assert json.loads(e.value.diag.message_detail)["issues"][0]["path"] == "project_id"


def test_a_producer_may_publish_and_nothing_else(q):
    tenant, project, _ = q.home()
    q.rows("SAVEPOINT s")
    may = [r["name"] for r in q.rows(
        "SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname IN ('sigsentry', 'api', 'admin', 'courier') AND has_function_privilege('sigsentry_producer', p.oid, 'EXECUTE')")]
    assert may == ["sigsentry.publish(uuid,jsonb)"]
    assert q.rows("SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                  " WHERE n.nspname IN ('sigsentry', 'api', 'admin', 'courier') AND c.relkind IN ('r', 'p', 'v', 'm')"
                  " AND has_table_privilege('sigsentry_producer', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')") == []
    assert [q.value("SELECT has_schema_privilege('sigsentry_producer', %s, 'USAGE')", s) for s in ("sigsentry", "api", "admin", "courier")] == [
        True, False, False, False]
    role = q.row("SELECT * FROM pg_roles WHERE rolname = 'sigsentry_producer'")
    assert not (role["rolcanlogin"] or role["rolsuper"] or role["rolcreaterole"] or role["rolcreatedb"] or role["rolbypassrls"])


def test_fan_out_is_one_statement(q):
    """Whatever the number of channels: one row of each written statement in pg_stat, no loop."""
    tenant, project, _ = q.home(200)
    before = q.row("SELECT n_tup_ins, idx_scan + seq_scan AS scans FROM pg_stat_xact_user_tables WHERE relname = 'queue'")
    read = "SELECT coalesce(idx_scan, 0) + seq_scan AS n FROM pg_stat_xact_user_tables WHERE relid = 'sigsentry.channel'::regclass"
    scans = q.value(read)
    assert q.publish(project)[1] == 200
    after = q.row("SELECT n_tup_ins, idx_scan + seq_scan AS scans FROM pg_stat_xact_user_tables WHERE relname = 'queue'")
    assert after["n_tup_ins"] - before["n_tup_ins"] == 200 and after["scans"] == before["scans"]
    assert q.value(read) - scans <= 2
