"""Goal: what has ended goes, in batches, by one courier at a time; and the counts of the metrics are right."""
import uuid

import pytest

from conftest import Database, admit, call, create, tenant_wide, until, update
from queueing import Queue


@pytest.fixture
def work(session):
    """A transaction that holds the lock of the chores, and has nothing to do but what the test adds: the stack's own
    courier neither sees it nor comes between."""
    work = Database(session(autocommit=False))

    def begin():
        work.conn.rollback()
        return call(work.conn, "courier_housekeep", 1000)["done"]

    until(begin)
    while call(work.conn, "courier_housekeep", 1000)["more"]:
        pass
    return work


def housekeep(work, batch=1000):
    row = call(work.conn, "courier_housekeep", batch)
    assert row["done"] is True
    return row["more"]


def count(work, table, condition="true"):
    return work.value("SELECT count(*) FROM sigsentry.%s WHERE %s" % (table, condition))


def remember(work, age, n=1):
    tenant = uuid.uuid4()
    work.rows("""INSERT INTO sigsentry.idempotency (tenant_id, key_id, key_mac, project_id, request_mac, answer, created_at)
                 SELECT %s, gen_random_uuid(), sha256('x'), gen_random_uuid(), sha256('y'), '{}', now() - %s::interval
                   FROM generate_series(1, %s)""", tenant, age, n)
    return "tenant_id = '%s'" % tenant


def permits(work, age, n=1):
    tenant = uuid.uuid4()
    work.rows("""INSERT INTO sigsentry.permit (tenant_id, key_id, kind, minute, taken, granted)
                 SELECT %s, gen_random_uuid(), 'read', now() - %s::interval, 1, 1
                   FROM generate_series(1, %s)""", tenant, age, n)
    return "tenant_id = '%s'" % tenant


def overlaps(work, left, n=1):
    """${n} webhook channels whose old secret holds for ${left}."""
    tenant = work.tenant("business")
    digest, _ = work.key(tenant, work.project(tenant))
    for _ in range(n):
        channel = uuid.uuid4()
        create(work.conn, digest, channel=channel, kind="webhook", fields=("url", "hmacSecret"), sealed=(b"u", b"1"))
        update(work.conn, digest, channel, sealed={"hmacSecret": b"2"}, overlap=60)
    work.rows("""UPDATE sigsentry.credential SET previous_until = now() + %s::interval
                  WHERE tenant_id = %s AND previous_until IS NOT NULL""", left, tenant)
    return "tenant_id = '%s' AND previous_sealed IS NOT NULL" % tenant


@pytest.mark.parametrize("make,table,gone,stays", [
    (remember, "idempotency", ("24:00:00", "30 days"), ("0", "23:59:59.999")),
    (permits, "permit", ("1 hour", "1 day"), ("0", "00:59:59.999")),
    (overlaps, "credential", ("0", "-1 day"), ("00:00:00.001", "7 days")),
], ids=["idempotency", "permit", "credential"])
def test_what_has_ended_goes_and_the_rest_stays(work, make, table, gone, stays):
    gone, stays = [make(work, age) for age in gone], [make(work, age) for age in stays]
    assert housekeep(work) is False
    assert [count(work, table, c) for c in gone] == [0, 0]
    assert [count(work, table, c) for c in stays] == [1, 1]


def test_of_an_ended_overlap_the_old_secret_alone_goes(work):
    tenant = overlaps(work, "0").split(" AND ")[0]
    before = work.rows("SELECT * FROM sigsentry.channel WHERE %s" % tenant)
    housekeep(work)
    kept = work.rows("""SELECT field, sealed, previous_sealed, previous_until FROM sigsentry.credential
                         WHERE %s ORDER BY 1""" % tenant)
    assert [(k["field"], bytes(k["sealed"]), k["previous_sealed"], k["previous_until"]) for k in kept] == [
        ("hmacSecret", b"2", None, None), ("url", b"u", None, None)]
    assert work.rows("SELECT * FROM sigsentry.channel WHERE %s" % tenant) == before     # it has not been updated
    assert count(work, "audit", tenant + " AND actor_kind = 'system'") == 0


def test_notices_that_nobody_took_go(work):
    """After a week, whether their events are still kept or not."""
    tenant = uuid.uuid4()
    for age in ("169 hours", "167 hours"):
        work.rows("INSERT INTO sigsentry.operator_notice (tenant_id, event_id)"
                  " VALUES (%s, sigsentry.uuid_v7_floor(now() - %s::interval))", tenant, age)
    housekeep(work)
    left = work.rows("SELECT event_id FROM sigsentry.operator_notice WHERE tenant_id = %s", tenant)
    assert left == work.rows("SELECT sigsentry.uuid_v7_floor(now() - interval '167 hours') AS event_id")


@pytest.mark.parametrize("make,table,age", [(remember, "idempotency", "25:00:00"), (permits, "permit", "2 hours"),
                                            (overlaps, "credential", "-1 day")], ids=["idempotency", "permit", "credential"])
def test_in_batches(work, make, table, age):
    """`more` says: call again; the counts wait for the last call."""
    which = make(work, age, 5)
    work.rows("DELETE FROM sigsentry.gauge")
    assert (housekeep(work, 2), count(work, table, which), count(work, "gauge")) == (True, 3, 0)
    assert (housekeep(work, 2), count(work, table, which), count(work, "gauge")) == (True, 1, 0)
    assert (housekeep(work, 2), count(work, table, which)) == (False, 0)
    assert count(work, "gauge") > 0


def test_the_oldest_go_first(work):
    young, old = remember(work, "25:00:00"), remember(work, "26:00:00")
    housekeep(work, 1)
    assert (count(work, "idempotency", young), count(work, "idempotency", old)) == (1, 0)


def test_each_kind_has_its_own_batch(work):
    which = remember(work, "25:00:00", 3), permits(work, "2 hours", 3)
    assert housekeep(work, 2) is True
    assert (count(work, "idempotency", which[0]), count(work, "permit", which[1])) == (1, 1)


def test_one_courier_at_a_time(db, session, work):
    second = session("sigsentry_courier")
    tenant = db.tenant()
    digest, _ = db.key(tenant, db.project(tenant))
    create(db.conn, digest, once=b"k" * 32)
    db.rows("UPDATE sigsentry.idempotency SET created_at = now() - interval '2 days' WHERE tenant_id = %s", tenant)
    which = "tenant_id = '%s'" % tenant
    Database(second).rows("SET lock_timeout = '1s'")
    assert call(second, "courier_housekeep", 1000) == {"done": False, "more": False}
    assert count(db, "idempotency", which) == 1
    work.conn.commit()          # the lock goes with the transaction
    until(lambda: call(second, "courier_housekeep", 1000)["done"])
    assert count(db, "idempotency", which) == 0


def test_a_row_in_use_is_left_for_the_next_time(db, session):
    """It waits for nobody: who holds the row is changing it."""
    tenant = db.tenant()
    digest, _ = db.key(tenant, db.project(tenant))
    create(db.conn, digest, once=b"k" * 32)
    admit(db.conn, digest, take=True)
    which = "tenant_id = '%s'" % tenant
    holder, courier = Database(session(autocommit=False)), session("sigsentry_courier")
    for table, column in (("idempotency", "created_at"), ("permit", "minute")):
        holder.rows("UPDATE sigsentry.%s SET %s = now() - interval '2 days' WHERE %s" % (table, column, which))
        holder.conn.commit()
        holder.rows("SELECT 1 FROM sigsentry.%s WHERE %s FOR UPDATE" % (table, which))
        if count(db, table, which) == 0:
            pytest.skip("the stack's own courier was quicker")
        Database(courier).rows("SET lock_timeout = '1s'")
        until(lambda: call(courier, "courier_housekeep", 1000)["done"])
        assert count(db, table, which) == 1
        holder.conn.rollback()
        until(lambda: call(courier, "courier_housekeep", 1000)["done"])
        assert count(db, table, which) == 0


# ---- counts --------------------------------------------------------------------------------------

KINDS = ["slack", "teams", "discord", "google_chat", "webhook", "email"]


def metrics(work):
    """Those that are counted once a minute, the schema's version, and whether the queue is held."""
    rows = work.rows("SELECT * FROM api.metrics()")
    assert len({(r["name"], r["suffix"], r["label"]) for r in rows}) == len(rows)
    assert [r["name"] for r in rows] == sorted(r["name"] for r in rows)
    rows = [r for r in rows if r["name"] not in ("sigsentry_attempts_total", "sigsentry_delivery_seconds")]
    assert [(r["name"], r["label"]) for r in rows] == sorted((r["name"], r["label"]) for r in rows)
    return {(r["name"], r["label"]): r["value"] for r in rows}


def test_the_counts(work):
    housekeep(work)
    before = metrics(work)
    tenant = work.tenant("business")
    project = work.project(tenant)
    digest, _ = work.key(tenant, project)
    for n, kind in enumerate(KINDS):
        for _ in range(n):
            assert create(work.conn, digest, kind=kind)["status"] == "ok"
    tenant_wide(work, tenant)
    work.rows("UPDATE sigsentry.channel SET is_active = false WHERE tenant_id = %s AND type = 'teams'", tenant)
    work.key(tenant, project, "pub"), work.key(tenant, kind="org"), work.key(tenant, kind="org")
    for change in ("revoked_at = now()", "expires_at = now()"):         # these count no more
        _, key = work.key(tenant, kind="org")
        work.rows("UPDATE sigsentry.api_key SET %s WHERE id = %%s" % change, key)
    _, key = work.key(tenant, kind="org")
    work.rows("UPDATE sigsentry.api_key SET expires_at = now() + interval '1 second' WHERE id = %s", key)
    housekeep(work)
    after = metrics(work)
    queue = ("sigsentry_deliveries_", "sigsentry_oldest_", "sigsentry_couriers_", "sigsentry_events_", "sigsentry_attempts_")
    added = {name: after[name] - before[name] for name in after if not name[0].startswith(queue)}      # those: test_counters.py
    assert added == {
        **{("sigsentry_channels", 'type="%s"' % kind): n + (kind == "slack") for n, kind in enumerate(KINDS)},
        ("sigsentry_api_keys", 'kind="secret"'): 1, ("sigsentry_api_keys", 'kind="pub"'): 1,
        ("sigsentry_api_keys", 'kind="org"'): 3,
        ("sigsentry_counted_timestamp_seconds", ""): 0, ("sigsentry_queue_held", ""): 0,
        ("sigsentry_schema_version", ""): 0}
    assert after["sigsentry_counted_timestamp_seconds", ""] == pytest.approx(work.value("SELECT date_part('epoch', now())"))
    assert after["sigsentry_schema_version", ""] == work.value("SELECT max(version) FROM sigsentry.migration")


def test_a_count_that_falls_to_none(work):
    housekeep(work)
    work.rows("DELETE FROM sigsentry.channel WHERE type = 'email'")
    housekeep(work)
    assert metrics(work)["sigsentry_channels", 'type="email"'] == 0


def test_metrics_before_the_first_count(work):
    work.rows("DELETE FROM sigsentry.gauge")
    assert list(metrics(work)) == [("sigsentry_couriers_alive", ""), ("sigsentry_queue_held", ""),
                                   ("sigsentry_schema_version", "")]


# ---- ready ---------------------------------------------------------------------------------------


def test_ready(db, session):
    conn = session("sigsentry_api", autocommit=False)
    version = db.value("SELECT max(version) FROM sigsentry.migration")

    def seen():
        row = call(conn, "api_ready")
        assert set(row) == {"version", "writable", "overdue_s", "beat_s", "is_alive", "local_type"}
        return row["version"], row["writable"]

    assert seen() == (version, True)
    conn.rollback()
    Database(conn).rows("SET TRANSACTION READ ONLY")
    assert seen() == (version, False)
    conn.rollback()
    Database(conn).rows("SET default_transaction_read_only = on")
    conn.commit()
    assert seen() == (version, False)


def test_deleted_channels_are_looked_up(session):
    """Not read as a whole: that plan costs so much on paper that the server would compile it, which takes longer than all else."""
    work = Database(session(autocommit=False))
    scans = "SELECT seq_scan FROM pg_stat_xact_all_tables WHERE relid = 'sigsentry.gone_channel'::regclass"
    before = work.value(scans)
    work.value("SELECT sigsentry.history_forget(1000)")
    assert work.value(scans) == before


def test_a_deleted_channel_s_history_is_deleted_from_its_own_weeks(session):
    """Each week that is opened costs, in every batch, and a courier claims nothing meanwhile."""
    work = Queue(session(autocommit=False))
    tenant, project, (channel,) = work.home()
    work.rows("INSERT INTO sigsentry.delivery (tenant_id, id, channel_id, event_id, status, is_test, attempts, created_at, finished_at)"
              " SELECT %s, sigsentry.uuid_v7(), %s, sigsentry.uuid_v7(), 'delivered', false, 1, now(), now() FROM generate_series(1, 5)", tenant, channel)
    work.rows("INSERT INTO sigsentry.attempt (tenant_id, delivery_id, number, started_at, duration_ms, outcome)"
              " SELECT tenant_id, id, 1, now(), 1, 'ok' FROM sigsentry.delivery WHERE channel_id = %s", channel)
    work.rows("DELETE FROM sigsentry.gone_channel")
    work.rows("INSERT INTO sigsentry.gone_channel (tenant_id, channel_id) VALUES (%s, %s)", tenant, channel)
    opened = ("SELECT count(*) FROM pg_stat_xact_all_tables WHERE schemaname = 'sigsentry' AND relname ~ '^attempt_[0-9]+$'"
              " AND idx_scan + seq_scan > 0")
    before = work.value(opened)
    work.value("SELECT sigsentry.history_forget(1000)")
    assert work.value(opened) - before == 1
    assert work.value("SELECT count(*) FROM sigsentry.attempt a WHERE a.tenant_id = %s", tenant) == 0
