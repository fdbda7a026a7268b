"""Goal: How attempts ended is written down once, and has the consequences that contract §5 names."""

import uuid

import pytest

from conftest import Waiting, call, query, until, update
from queueing import COURIER, Queue, event


@pytest.mark.parametrize("outcome,wait,status,attempts", [
    ("ok", None, "delivered", 1), ("retry", 1000, "pending", 1), ("retry", None, "failed", 1), ("refused", None, "failed", 1),
    ("gone", None, "failed", 1), ("local", 60000, "pending", 0)])
def test_outcomes(q, outcome, wait, status, attempts):
    tenant, project, (channel,) = q.home()
    new = q.delivery(project)
    rows = q.claim()
    assert q.record(rows, outcome, wait_ms=wait) == 1
    row = q.row("SELECT * FROM sigsentry.delivery_all WHERE id = %s", new)
    assert (row["status"], row["attempts"], row["last_status_code"]) == (status, attempts, 500)
    assert (row["next_at"] is not None, row["finished_at"] is not None) == (status == "pending", status != "pending")
    assert [(a["number"], a["outcome"]) for a in q.rows("SELECT * FROM sigsentry.attempt WHERE delivery_id = %s", new)] == [(1, outcome)]
    lane = q.lane(channel)
    assert (lane["failing_since"] is not None) == lane["is_failing"] == (outcome in ("retry", "refused", "gone"))
    assert (lane["last_delivered_at"] is not None) == (outcome == "ok")
    assert q.record(rows, outcome) == 0        # once
    if wait:
        assert q.claim() == []
        q.shift(wait / 1000)
        again, = q.claim()
        assert again["attempts"] == attempts
        q.record([again])
        assert [a["number"] for a in q.rows("SELECT number FROM sigsentry.attempt WHERE delivery_id = %s ORDER BY 1", new)] == [1, 2]


def test_gone_switches_off(q):
    tenant, project, (channel, other) = q.home(2)
    for _ in range(3):
        q.publish(project)
    rows = q.claim(flights=1)
    mine = [r for r in rows if r["channel_id"] == channel]
    q.record([r for r in rows if r["channel_id"] == other])
    q.record(mine, "gone", error="410")
    row = q.row("SELECT is_active, disabled_reason FROM sigsentry.channel WHERE id = %s", channel)
    assert not row["is_active"] and row["disabled_reason"]["code"] == "gone" and "410" in row["disabled_reason"]["message"]
    audit = q.row("SELECT * FROM sigsentry.audit WHERE object_id = %s", str(channel))
    assert (audit["actor_kind"], audit["action"], audit["after"]["isActive"]) == ("system", "channel.disable", False)
    counts = q.rows("SELECT status, count(*) AS n FROM sigsentry.delivery_all WHERE channel_id = %s GROUP BY 1 ORDER BY 1", channel)
    assert counts == [{"status": "cancelled", "n": 2}, {"status": "failed", "n": 1}]
    assert q.notices(tenant) == [("channel.disabled", str(channel), 1)]           # one piece of news: not that it fails, too
    assert q.rows("SELECT 1 FROM sigsentry.queue q JOIN sigsentry.event e ON e.id = q.event_id"
                  " WHERE e.name LIKE 'channel.%%' AND q.channel_id = %s", channel) == []


@pytest.mark.parametrize("disable_s,since_s,off", [(100, 99, False), (100, 101, True), (0, 10 ** 7, False)])
def test_failures_for_long_switch_off(q, disable_s, since_s, off):
    tenant, project, (channel,) = q.home()
    q.publish(project)
    q.record(q.claim(), "retry", wait_ms=0, disable_s=disable_s)
    q.rows("UPDATE sigsentry.lane SET failing_since = now() - make_interval(secs => %s) WHERE channel_id = %s", since_s, channel)
    q.record(q.claim(), "local", wait_ms=0, disable_s=disable_s)                 # our own faults do not
    assert q.value("SELECT is_active FROM sigsentry.channel WHERE id = %s", channel)
    q.record(q.claim(), "retry", wait_ms=0, disable_s=disable_s)
    row = q.row("SELECT is_active, disabled_reason FROM sigsentry.channel WHERE id = %s", channel)
    assert row["is_active"] != off and (not off or row["disabled_reason"]["code"] == "failing")
    if off:     # and a new start is one
        digest, _ = q.key(tenant, project)
        assert update(q.conn, digest, channel, active=True)["status"] == "ok"
        q.publish(project)
        q.record(q.claim(), "retry", wait_ms=0, disable_s=disable_s)
        row = q.row("SELECT is_active, disabled_reason FROM sigsentry.channel WHERE id = %s", channel)
        assert row == {"is_active": True, "disabled_reason": None}


def test_notices(q):
    """Once until the next success, once a day, never for a test or a notice, never to itself."""
    tenant, project, (ill, well) = q.home(2)

    def fail(n=1, **more):
        q.publish(project)
        rows = q.claim()
        q.record([r for r in rows if r["channel_id"] == well])
        q.record([r for r in rows if r["channel_id"] == ill], **dict({"outcome": "refused"}, **more))
        return q.notices(tenant)

    one = ("channel.failing", str(ill), 1)
    assert fail(outcome="retry", wait_ms=3600000) == []      # it has not ended
    assert fail() == [one]
    assert fail() == [one]
    fail(outcome="ok")
    assert fail() == [one]                                   # a day has not gone by
    q.rows("UPDATE sigsentry.lane SET told_failing_at = now() - interval '25 hours' WHERE channel_id = %s", ill)
    assert fail() == [one, one]
    # the notice fails itself: nobody is told
    rows = q.claim()
    q.rows("UPDATE sigsentry.lane SET told_failing_at = NULL, is_told = false WHERE tenant_id = %s", tenant)
    assert all(r["channel_id"] == well and r["event_name"].startswith("channel.") for r in rows)
    q.record(rows, "refused")
    assert q.notices(tenant) == [one, one]


def fail_all(q, project, channels, outcome="refused"):
    """An event, of which the deliveries to ${channels} end so, and those to others well."""
    q.publish(project)
    rows = q.claim(free=1000)
    q.record([r for r in rows if r["channel_id"] not in channels])
    q.record([r for r in rows if r["channel_id"] in channels], outcome)


@pytest.mark.parametrize("n", [2, 3, 19])
def test_of_a_few_failing_channels_all_others_hear(q, n):
    tenant, project, channels = q.home(n + 1)
    fail_all(q, project, channels[1:])
    assert sorted(q.notices(tenant)) == sorted(("channel.failing", str(c), n) for c in channels[1:])
    assert q.value("SELECT bool_or(payload ->> 'summary' LIKE '%%until the hour is over%%') FROM sigsentry.event"
                   " WHERE tenant_id = %s", tenant) is False


def rows_not_told(q, tenant):
    return [r["channel_id"] for r in q.rows(
        "SELECT channel_id FROM sigsentry.lane WHERE tenant_id = %s AND is_failing AND NOT is_told ORDER BY channel_id", tenant)]


@pytest.mark.parametrize("outcome,name", [("refused", "channel.failing"), ("gone", "channel.disabled")])
def test_many_failing_channels_make_no_storm(q, outcome, name):
    """Of the first 20 of an hour all others hear, and the 20th says that there may be more; the operator hears of all."""
    n = 300
    tenant, project, channels = q.home(n)
    well, wide = q.channel(tenant, project), q.channel(tenant, None)
    unrouted = q.value("SELECT count(*) FROM sigsentry.event WHERE deliveries = 0 AND severity < 4 AND name NOT LIKE 'channel.%%'")
    fail_all(q, project, channels, outcome)
    rows = q.rows("SELECT name, deliveries, payload ->> 'summary' AS summary FROM sigsentry.event"
                  " WHERE tenant_id = %s AND name LIKE 'channel.%%' ORDER BY id", tenant)
    assert [r["name"] for r in rows] == [name] * n
    assert all(r["deliveries"] >= 2 for r in rows[:20]) and [r["deliveries"] for r in rows[20:]] == [0] * (n - 20)
    assert [i for i, r in enumerate(rows) if "of others the channels are not told one by one until the hour is over" in r["summary"]] == [19]
    assert q.value("SELECT count(*) FROM sigsentry.operator_notice WHERE tenant_id = %s", tenant) == n
    q.rows("SELECT sigsentry.gauges_count()")
    assert q.value("SELECT value FROM sigsentry.gauge WHERE name = 'sigsentry_events_unrouted_total'") == unrouted
    waits = {c: q.value("SELECT count(*) FROM sigsentry.queue WHERE channel_id = %s", c) for c in (well, wide, max(channels))}
    assert waits == {well: 20, wide: 20, max(channels): 20 if outcome == "refused" else waits[max(channels)]}
    assert q.value("SELECT count(*) FROM sigsentry.queue WHERE tenant_id = %s", tenant) <= 20 * (n + 2)

    if outcome == "refused":  # one that was not told of, and still fails when the hour is over, is then
        untold = rows_not_told(q, tenant)
        assert len(untold) == n - 20
        q.rows("UPDATE sigsentry.lane SET told_failing_at = told_failing_at - interval '1 hour' WHERE tenant_id = %s", tenant)
        q.rows("DELETE FROM sigsentry.queue")
        fail_all(q, project, untold[:1], outcome)
        assert q.notices(tenant)[-1] == (name, str(untold[0]), n + 1)

    # the hour is over: of those that fail from then on, too
    q.rows("DELETE FROM sigsentry.queue")
    q.rows("UPDATE sigsentry.lane SET told_failing_at = told_failing_at - interval '1 hour', told_disabled_at = told_disabled_at"
           " - interval '1 hour' WHERE tenant_id = %s", tenant)
    fail_all(q, project, [wide], outcome)
    assert q.notices(tenant)[-1] == (name, str(wide), n + 1 if outcome == "refused" else 1)


def test_a_project_does_not_use_up_anothers_notices(q):
    tenant, project, channels = q.home(25)
    second = q.project(tenant)
    ill, well = q.channel(tenant, second), q.channel(tenant, second)
    fail_all(q, project, channels)
    fail_all(q, second, [ill])
    assert q.notices(tenant)[-1] == ("channel.failing", str(ill), 1)


def test_a_batch(q):
    """Any number of outcomes, of many tenants and kinds, in one call; what is not known is passed over."""
    homes = [q.home(5) for _ in range(5)]
    for _, project, _ in homes:
        for _ in range(8):
            q.publish(project)
    rows = q.claim(free=1000)
    assert len(rows) == 200
    kinds = [["ok", "retry", "refused", "local"][i % 4] for i in range(200)]
    strange = dict(rows[0], id=uuid.uuid4())
    assert q.record(rows + [strange], kinds + ["ok"]) == 200
    assert q.value("SELECT count(*) FROM sigsentry.delivery d WHERE d.tenant_id = ANY (%s)", [h[0] for h in homes]) == 200
    assert q.record([], []) == 0


def test_few_statements_a_batch():
    """A courier's turn is claim, record and renew; with a chore and a hand-back it is 5."""
    for name in ("courier_claim", "courier_record", "courier_renew", "courier_hand_back", "courier_housekeep"):
        assert query(name).count("courier.") == 1 and ";" not in query(name)


def test_outcomes_of_rows_that_were_waited_for(live, session):
    """What another session was just writing, and has written, is not passed over: no outcome is lost for it."""
    tenant, project, _ = live.home(20)
    live.publish(project)
    rows = live.claim()
    assert len(rows) == 20
    keys = ([r["tenant_id"] for r in rows], [r["id"] for r in rows], [r["claim"] for r in rows])
    renewing, beside = Queue(session(autocommit=False)), Queue(session())
    for act, answer in ((lambda: beside.record(rows[:10]), 10), (lambda: beside.rows(
            query("courier_hand_back"), *(k[10:] for k in keys), [None] * 10, [0] * 10) and True, True)):
        renewing.rows(query("courier_renew"), uuid.uuid4(), "c", "1", ["k"], 20, *keys, 60)
        waiting = Waiting(live, beside.conn, act)
        renewing.conn.commit()
        assert waiting.answer() == answer
    assert live.value("SELECT count(*) FROM sigsentry.delivery WHERE tenant_id = %s", tenant) == 10
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE tenant_id = %s AND claim_id IS NULL", tenant) == 10


def test_mails_of_a_batch_that_comes_twice_count_once(q):
    tenant, project, _ = q.home(1, kind="email")
    q.publish(project)
    rows = q.claim()
    for written in (1, 0):
        assert q.record(rows, mails=3) == written
    assert q.value("SELECT sent FROM sigsentry.mail_day WHERE tenant_id = %s", tenant) == 3


# ---- how much is read ----------------------------------------------------------------------------


def read_by(live, name, *args):
    """How many blocks a statement of a courier reads, all that it calls included."""
    plan = live.value("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query(name), *args)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def test_a_queue_that_has_grown(live):
    """A courier's session that has planned for an empty queue: no batch goes through all that waits by now."""
    tenant, project, _ = live.home(20)
    live.rows("VACUUM ANALYZE sigsentry.queue")

    def keys(rows):
        return [r["tenant_id"] for r in rows], [r["id"] for r in rows], [r["claim"] for r in rows]

    def recorded(rows, outcome, wait_ms):
        n = len(rows)
        return (*keys(rows), [outcome] * n, [wait_ms] * n, [0] * n, [1764000000000] * n, [5] * n, [500] * n, ["no"] * n, [None] * n,
                [None] * n, [0] * n, 432000, COURIER)

    def back(rows):
        return (*keys(rows), [None] * len(rows), [0] * len(rows))

    def beat(rows):
        return (COURIER, "host:1", "1", [], len(rows), *keys(rows), 60)

    for _ in range(8):
        for statement, args in (("renew", beat([])), ("hand_back", back([])), ("record", recorded([], "ok", None))):
            live.rows(query("courier_" + statement), *args)
    _, other, _ = live.home(1)
    event_id, _ = live.publish(other)
    live.rows("INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity, wake_at)"
              " SELECT q.tenant_id, sigsentry.uuid_v7(), q.channel_id, q.event_id, 1, now() + interval '1 hour'"
              "   FROM sigsentry.queue q, generate_series(1, 50000) WHERE q.event_id = %s", event_id)
    live.rows("DELETE FROM sigsentry.queue WHERE event_id = %s AND wake_at <= now()", event_id)
    for _ in range(5):
        live.publish(project)
    rows = live.claim()
    assert len(rows) == 100
    assert read_by(live, "courier_renew", *beat(rows)) < 12000
    assert read_by(live, "courier_hand_back", *back(rows)) < 12000
    rows = live.claim()
    assert read_by(live, "courier_record", *recorded(rows[:50], "retry", 3600000)) < 12000
    assert read_by(live, "courier_record", *recorded(rows[50:], "ok", None)) < 12000
    assert live.value("SELECT count(*) FROM sigsentry.delivery WHERE tenant_id = %s AND status = 'delivered'", tenant) >= 50
