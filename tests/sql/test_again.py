"""Goal: What has ended is sent again when somebody says so, once for each time it is said."""

import json

import pytest

from conftest import Waiting, audit_of, call, call_id, until, update
from queueing import Queue

EVENT = {"event": "disk.full", "severity": "critical", "summary": "The disk is full"}


def failed(q, n):
    """A channel with ${n} deliveries that have failed, oldest first, and the digest of a key that may retry them."""
    tenant, project, (channel,) = q.home()
    ids = [q.delivery(project) for _ in range(n)]
    rows = q.claim(flights=n)
    q.record(rows, "refused")
    return tenant, channel, ids, q.key(tenant, project)[0]


def retry(q, digest, channel, delivery, call_as):
    return call(q.conn, "api_delivery_retry", digest, None, channel, delivery, call_as)["status"]


def retry_many(q, digest, channel, call_as, after=None, batch=2):
    times = q.row("SELECT now() - interval '1 hour' AS since, now() + interval '1 hour' AS until")
    row = call(q.conn, "api_deliveries_retry", digest, None, channel, times["since"], times["until"], ["failed"], after, batch, call_as)
    return row["status"], row["queued"], row["last"]


def test_a_retry_that_is_called_again(q):
    """Its answer was lost: the second call answers as the first, even where the delivery has ended once more since."""
    tenant, channel, (one,), digest = failed(q, 1)
    mine = call_id()
    assert retry(q, digest, channel, one, mine) == "ok"
    assert retry(q, digest, channel, one, mine) == "ok"
    assert retry(q, digest, channel, one, call_id()) == "not_finished"
    q.record(q.claim(), "refused")
    assert retry(q, digest, channel, one, mine) == "ok" and q.status(one) == "failed"
    assert retry(q, digest, channel, one, call_id()) == "ok" and q.status(one) == "pending"
    rows = audit_of(q, tenant, "delivery.retry")
    assert [(r["object_kind"], r["object_id"], r["before"]) for r in rows] == [("delivery", str(one), {"status": "failed"})] * 2
    assert mine in [r["id"] for r in rows]


def test_a_retry_of_many_that_is_called_again(q):
    tenant, channel, ids, digest = failed(q, 5)
    first, second, third = call_id(), call_id(), call_id()
    assert [retry_many(q, digest, channel, first) for _ in range(2)] == [("ok", 2, ids[1])] * 2
    assert [q.status(i) for i in ids] == ["pending"] * 2 + ["failed"] * 3
    assert [retry_many(q, digest, channel, second, ids[1]) for _ in range(2)] == [("ok", 2, ids[3])] * 2
    q.record(q.claim(), "refused")
    assert retry_many(q, digest, channel, second, ids[1]) == ("ok", 2, ids[3])
    assert [retry_many(q, digest, channel, third, ids[4]) for _ in range(2)] == [("ok", 0, None)] * 2
    assert [q.status(i) for i in ids] == ["failed"] * 5
    rows = audit_of(q, tenant, "channel.retry")        # nothing of the third
    assert {(r["id"], r["object_id"], r["after"]["queued"]) for r in rows} == {(first, str(channel), 2), (second, str(channel), 2)}


@pytest.mark.parametrize("many", [False, True])
def test_a_retry_whose_first_call_is_still_at_it(live, session, many):
    """The second call waits for the first, and answers as that."""
    _, channel, ids, digest = failed(live, 3)
    mine, first, second = call_id(), Queue(session(autocommit=False)), Queue(session())

    def act(q):
        return retry_many(q, digest, channel, mine) if many else retry(q, digest, channel, ids[0], mine)

    want = act(first)
    waiting = Waiting(live, second.conn, lambda: act(second))
    first.conn.commit()
    assert waiting.answer() == want == (("ok", 2, ids[1]) if many else "ok")
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE channel_id = %s", channel) == (2 if many else 1)


@pytest.mark.parametrize("what", ["publish", "test"])
def test_what_writes_an_event_and_is_still_at_it(live, session, what):
    """The same of an event that is published without an Idempotency-Key, and of a channel's test: one event, two answers alike."""
    tenant, project, (channel,) = live.home()
    digest, _ = live.key(tenant, project, permissions=["analysis:create", "config:write"])
    mine, first, second = call_id(), Queue(session(autocommit=False)), Queue(session())

    def act(q):
        if what == "test":
            return call(q.conn, "api_channel_test", digest, None, channel, mine)
        return call(q.conn, "api_event_publish", digest, None, mine, json.dumps(EVENT), None, None)

    want = act(first)
    assert want["status"] == "ok"
    waiting = Waiting(live, second.conn, lambda: act(second))
    first.conn.commit()
    assert waiting.answer() == want
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE channel_id = %s", channel) == 1
    assert live.value("SELECT count(*) FROM sigsentry.event WHERE tenant_id = %s", tenant) == 1


MARKS = "a%s:250,r%s:550,a%s:250" % ("0" * 16, "1" * 16, "2" * 16)


@pytest.mark.parametrize("end", ["failed", "cancelled", "cancelled by a claim", "delivered"])
def test_a_mail_that_is_sent_again(q, end):
    """It goes to those alone who have not got it, and to those who were refused; to all where all had got it."""
    tenant, project, (channel,) = q.home(kind="email")
    digest, _ = q.key(tenant, project)
    new = q.delivery(project)
    row, = q.claim()
    if end in ("failed", "delivered"):
        q.record([row], "ok" if end == "delivered" else "refused", progress=MARKS)
    elif end == "cancelled":
        q.record([row], "retry", wait_ms=60000, progress=MARKS)
        assert update(q.conn, digest, channel, active=False)["status"] == "ok"
    else:
        q.record([row], "retry", wait_ms=0, progress=MARKS)
        q.rows("UPDATE sigsentry.channel SET is_active = false WHERE id = %s", channel)
        assert q.claim() == []
    assert q.status(new) == end.split()[0]
    q.rows("UPDATE sigsentry.channel SET is_active = true WHERE id = %s", channel)
    assert retry(q, digest, channel, new, call_id()) == "ok"
    row, = q.claim()
    assert row["progress"] == (None if end == "delivered" else "a%s:250,a%s:250" % ("0" * 16, "2" * 16))


@pytest.mark.parametrize("progress", [None, "r%s:550" % ("1" * 16)])
def test_a_mail_that_nobody_got_is_sent_to_all_again(q, progress):
    tenant, project, (channel,) = q.home(kind="email")
    new = q.delivery(project)
    q.record(q.claim(), "refused", progress=progress)
    assert retry(q, q.key(tenant, project)[0], channel, new, call_id()) == "ok"
    assert [r["progress"] for r in q.claim()] == [None]
