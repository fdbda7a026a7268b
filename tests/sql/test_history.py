"""Goal: What has ended is kept for so long, and no longer; of what is deleted nothing stays (contract §3)."""

import time
import uuid

from conftest import Waiting, at_once, delete, query, until, update
from queueing import Queue, event


def test_partitions_reach_far(q):
    for table in ("event", "delivery", "attempt"):
        names = sorted(r["name"] for r in q.rows(
            "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass", "sigsentry." + table))
        last = q.value("SELECT to_date(%s, 'YYYYMMDD') + 7 >= (now() + interval '400 days')::date", names[-1][-8:])
        first = q.value("SELECT to_date(%s, 'YYYYMMDD') <= (now() - interval '7 days')::date", names[0][-8:])
        assert last and first
    assert q.value("SELECT sigsentry.partitions_make(400)") == 0
    assert q.value("SELECT sigsentry.partitions_make(420)") in (6, 9)


def test_ids_of_another_clock(q):
    """A week old, or more than a year ahead: they find their partition."""
    tenant, project, _ = q.home()
    for days in (-7, 0, 7, 399):
        new = q.value("SELECT (overlay(sigsentry.uuid_v7_floor(now() + make_interval(days => %s))::text placing '7' from 15 for 1))::uuid", days)
        assert q.value("SELECT sigsentry.event_add(%s, %s, %s, %s::jsonb, NULL)", tenant, project, new, event()) == 1
        q.record(q.claim())
        assert q.value("SELECT deliveries FROM sigsentry.event WHERE id = %s", new) == 1


def old_week(q, days):
    """Partitions of the week that was ${days} ago, with one row each; their names."""
    week = q.value("SELECT date_trunc('week', now() - make_interval(days => %s), 'UTC')", days)
    names = []
    for table in ("event", "delivery", "attempt"):
        name = "%s_%s" % (table, week.strftime("%Y%m%d"))
        q.rows("CREATE TABLE sigsentry.%s PARTITION OF sigsentry.%s FOR VALUES FROM ('%s') TO ('%s')" % (
            name, table, q.value("SELECT sigsentry.uuid_v7_floor(%s)", week),
            q.value("SELECT sigsentry.uuid_v7_floor(%s + interval '7 days')", week)))
        names.append(name)
    return names


def there(q, names):
    return [n for n in names if q.value("SELECT to_regclass(%s) IS NOT NULL", "sigsentry." + n)]


def test_old_weeks_are_dropped(q):
    old, young = old_week(q, 100), old_week(q, 40)
    assert q.value(query("courier_history_drop"), 0) == 0 and there(q, old) == old
    assert q.value(query("courier_history_drop"), 60 * 86400) == 3
    assert there(q, old) == [] and there(q, young) == young


def test_a_week_that_is_waited_for_stays(q):
    old = old_week(q, 100)
    tenant, project, _ = q.home()
    new = q.value("SELECT sigsentry.uuid_v7_floor(date_trunc('week', now() - interval '100 days', 'UTC') + interval '1 day')")
    q.value("SELECT sigsentry.event_add(%s, %s, %s, %s::jsonb, NULL)", tenant, project, new, event())
    assert q.value(query("courier_history_drop"), 60 * 86400) == 0 and there(q, old) == old
    q.record(q.claim())
    assert q.value(query("courier_history_drop"), 60 * 86400) == 3


def test_the_oldest_is_found_by_indexes(q):
    """Whatever the queue's length, since the history is locked meanwhile."""
    oldest = "SELECT sigsentry.queue_oldest()"
    assert q.value(oldest) == uuid.UUID("f" * 32)
    homes = [q.home() for _ in range(3)]
    for tenant, _, (channel,) in homes:
        q.rows("INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity)"
               " SELECT %s, sigsentry.uuid_v7(), %s, sigsentry.uuid_v7(), 1 FROM generate_series(1, 3000)", tenant, channel)
    read = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS n FROM pg_stat_xact_user_tables WHERE relid = 'sigsentry.queue'::regclass"
    before = q.value(read)
    found = q.value(oldest)
    assert q.value(read) - before <= 10
    assert found == q.value("SELECT min(least(id, event_id)::text)::uuid FROM sigsentry.queue")
    # a delivery's, then an event's, of any tenant
    for column in ("id", "event_id"):
        old = q.value("SELECT sigsentry.uuid_v7_floor(now() - interval '1 hour' * %s)", 1 if column == "id" else 2)
        q.rows("UPDATE sigsentry.queue SET " + column + " = %s WHERE ctid = (SELECT ctid FROM sigsentry.queue WHERE tenant_id = %s"
               " ORDER BY id DESC LIMIT 1)", old, max(h[0] for h in homes))
        assert q.value(oldest) == old


def test_a_week_in_use_is_left(q, session):
    """It waits 50 ms, and for a producer no longer than that."""
    q.conn.rollback()
    q.conn.autocommit = True
    old = old_week(q, 100)
    try:
        user = Queue(session(autocommit=False))
        user.rows("SELECT count(*) FROM sigsentry.event")
        began = time.monotonic()
        assert q.value(query("courier_history_drop"), 60 * 86400) <= 2
        assert time.monotonic() - began < 1 and old[0] in there(q, old)
        user.conn.rollback()
        until(lambda: q.value(query("courier_history_drop"), 60 * 86400) >= 0 and there(q, old) == [])
    finally:
        for name in there(q, old):
            q.rows("DROP TABLE sigsentry." + name)


def rows_of(q, tenant):
    """Tables in which a row of the tenant stands."""
    tables = [r["t"] for r in q.rows("SELECT c.oid::regclass::text AS t FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                                     " WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
                                     " AND c.relnamespace = 'sigsentry'::regnamespace")]
    return {t for t in tables if q.value("SELECT EXISTS (SELECT 1 FROM %s WHERE tenant_id = %%s)" % t, tenant)}


def test_a_tenants_end_leaves_nothing(q):
    tenant, project, channels = q.home(3)
    for _ in range(3):
        q.publish(project)
    rows = q.claim()
    q.record(rows[:4], ["ok", "refused", "ok", "refused"])
    assert {"sigsentry." + t for t in ("queue", "event", "delivery", "attempt", "lane")} <= rows_of(q, tenant)
    assert q.admin("tenant_delete", "tester", tenant)["status"] == "ok"
    assert rows_of(q, tenant) == set()
    assert q.record(rows[4:]) == 0 and rows_of(q, tenant) == set()


def test_a_projects_end(q):
    tenant, project, (channel,) = q.home()
    for _ in range(3):
        q.publish(project)
    q.record(q.claim(free=1))
    assert q.admin("project_delete", "tester", tenant, project)["status"] == "ok"
    q.rows("DELETE FROM sigsentry.gone_channel WHERE tenant_id <> %s", tenant)
    assert q.value("SELECT sigsentry.history_forget(100)") is False
    assert rows_of(q, tenant) == {"sigsentry.event", "sigsentry.audit", "sigsentry.gone_channel"}


def test_a_channels_end_leaves_nothing(q):
    """Its history goes in batches."""
    tenant, project, (channel, other) = q.home(2)
    digest, _ = q.key(tenant, project)
    for _ in range(6):
        q.publish(project)
    rows = q.claim()
    mine = [r for r in rows if r["channel_id"] == channel]
    q.record(mine[:5])
    q.record(mine[5:], "retry", wait_ms=60000)  # it waits, and has an attempt behind it
    q.record([r for r in rows if r["channel_id"] == other])
    q.rows("DELETE FROM sigsentry.gone_channel")
    assert delete(q.conn, digest, channel)["status"] == "ok"
    count = "SELECT (SELECT count(*) FROM sigsentry.queue WHERE channel_id = %s) AS queue, (SELECT count(*) FROM sigsentry.delivery WHERE channel_id = %s) AS delivery"
    assert q.row(count, channel, channel) == {"queue": 0, "delivery": 5}
    assert [q.value("SELECT sigsentry.history_forget(2)") for _ in range(3)] == [True, True, False]
    assert q.row(count, channel, channel) == {"queue": 0, "delivery": 0}
    assert q.value("SELECT count(*) FROM sigsentry.attempt a WHERE a.tenant_id = %s", tenant) == 6      # the other's
    q.rows("UPDATE sigsentry.gone_channel SET gone_at = now() - interval '1 day'")
    assert q.value("SELECT sigsentry.history_forget(2)") is False and q.rows("SELECT 1 FROM sigsentry.gone_channel") == []


def test_what_no_delete_has_seen_goes_with_its_attempts(q):
    """A row of the queue without a channel is dropped when it is looked at."""
    tenant, project, (channel,) = q.home()
    q.publish(project)
    q.record(q.claim(), "retry", wait_ms=1000)
    q.rows("DELETE FROM sigsentry.channel WHERE id = %s", channel)
    q.rows("UPDATE sigsentry.queue SET wake_at = now()")
    assert q.claim() == []
    assert not rows_of(q, tenant) & {"sigsentry.queue", "sigsentry.attempt"}


def test_a_channel_that_goes_while_its_first_delivery_wakes_up(live, session):
    """The claim waits for the DELETE, which passes over what the claim has in hand: that is dropped."""
    tenant, project, (channel, other) = live.home(2)
    live.publish(project)
    deleting, beside = Queue(session(autocommit=False)), Queue(session())
    deleting.rows("DELETE FROM sigsentry.channel WHERE id = %s", channel)
    waiting = Waiting(live, beside.conn, beside.claim)
    deleting.rows("SELECT sigsentry.queue_drop(%s, %s, true)", tenant, channel)
    deleting.conn.commit()
    assert [r["channel_id"] for r in waiting.answer()] == [other]
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE tenant_id = %s AND channel_id = %s", tenant, channel) == 0


def test_what_was_on_its_way_to_a_deleted_channel_goes(live, session):
    tenant, project, (channel, other) = live.home(2)
    digest, _ = live.key(tenant, project)
    producer = Queue(session(autocommit=False))
    assert producer.publish(project)[1] == 2
    assert delete(live.conn, digest, channel)["status"] == "ok"
    producer.conn.commit()
    assert [r["channel_id"] for r in live.claim()] == [other]
    assert live.rows("SELECT 1 FROM sigsentry.queue WHERE channel_id = %s", channel) == []


def test_couriers_and_deletes_never_deadlock(live, session):
    """Outcomes that switch channels off, deletes, updates and publishers at once: nobody is told 40P01."""
    tenant, project, channels = live.home(60)
    digest, _ = live.key(tenant, project)
    for _ in range(6):
        live.publish(project)
    work = [Queue(session()) for _ in range(6)]

    def act(conn):
        n = work.index(conn)
        if n < 3:
            empty = 0
            while empty < 20:
                rows = conn.claim(free=40)
                empty = 0 if rows else empty + 1
                conn.record(rows[::-1] if n else rows, ["gone" if i % 3 == n else "refused" for i in range(len(rows))])
                time.sleep(0.005)
            return True
        for channel in channels[n - 3::3]:
            if n == 5:
                conn.publish(project)
            elif n == 4:
                update(conn.conn, digest, channel, active=False)
            else:
                delete(conn.conn, digest, channel)
        return True

    assert at_once(work, act) == [True] * 6
    live.record(live.claim(free=1000), "ok")
    left = "SELECT c.is_active, q.wake_at, q.claim_id, l.due_at FROM sigsentry.queue q LEFT JOIN sigsentry.channel c ON c.id = q.channel_id" \
           " LEFT JOIN sigsentry.lane l ON l.channel_id = q.channel_id WHERE q.tenant_id = %s"
    while live.value("SELECT sigsentry.history_forget(100000)"):
        pass
    assert live.rows(left, tenant) == []
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE tenant_id = %s", tenant) == 0
