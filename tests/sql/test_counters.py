"""Goal: Counters and gauges of the queue are true, and no sum ever falls (contract §7)."""

import uuid

import pytest

from conftest import query
from queueing import COURIER


def test_gauges(q):
    def gauges():
        q.rows("SELECT sigsentry.gauges_count()")
        return {(r["name"], r["label"]): r["value"] for r in q.rows("SELECT * FROM api.metrics()")}

    before = gauges()
    assert before["sigsentry_deliveries_due", ""] == 0 and before["sigsentry_oldest_due_seconds", ""] == 0
    tenant, project, (channel,) = q.home(threshold=1)
    q.publish(project, severity="info")
    q.publish(project, severity="low")
    old, young = q.delivery(project), q.delivery(project)
    q.rows("UPDATE sigsentry.queue SET created_at = now() - interval '100 seconds' WHERE id = %s", old)
    q.rows(query("courier_renew"), uuid.uuid4(), "c", "1", ["k"], 1, [], [], [], 60)
    after = gauges()
    changed = {n: after[n] - before[n] for n in after if after[n] != before.get(n) and n[0] != "sigsentry_channels"}
    assert changed == {("sigsentry_deliveries_due", ""): 2, ("sigsentry_oldest_due_seconds", ""): pytest.approx(100, abs=1),
                       ("sigsentry_couriers_alive", ""): 1, ("sigsentry_events_unrouted_total", ""): 1}
    q.record(q.claim(), ["ok", "refused"])
    last = gauges()
    assert {n: last[n] - after[n] for n in last if n[0] == "sigsentry_attempts_total" and last[n] != after[n]} == {
        ("sigsentry_attempts_total", 'type="webhook",outcome="ok"'): 1, ("sigsentry_attempts_total", 'type="webhook",outcome="refused"'): 1}
    assert last["sigsentry_deliveries_due", ""] == 0
    assert len([n for n in last if n[0] == "sigsentry_attempts_total"]) == 30


NIL = uuid.UUID(int=0)


def tallies(q):
    """The counters of /metrics, and whose rows there are."""
    sums = {(r["name"], r["suffix"], r["label"]): r["value"] for r in q.rows("SELECT * FROM api.metrics()")
            if r["name"] in ("sigsentry_attempts_total", "sigsentry_delivery_seconds")}
    return sums, {r["id"] for r in q.rows("SELECT courier_id AS id FROM sigsentry.tally_attempt UNION SELECT courier_id FROM sigsentry.tally_delivery")}


def beat(q, courier):
    q.rows(query("courier_renew"), courier, "c", "1", ["k"], 0, [], [], [], 60)


def test_counts_of_couriers_that_nobody_knows_are_added_up(q):
    """Not at once: it may be one whose first beat is on its way."""
    tenant, project, _ = q.home(2)
    q.rows("DELETE FROM sigsentry.courier")
    q.publish(project)
    q.record(q.claim(), ["ok", "refused"])
    other = uuid.uuid4()
    q.rows("INSERT INTO sigsentry.tally_delivery VALUES (%s, 5, 3, 10)", other)
    before, whose = tallies(q)
    assert {COURIER, other} <= whose
    beat(q, uuid.uuid4())
    assert tallies(q) == (before, whose - {other} | {NIL})
    q.rows("UPDATE sigsentry.tally_attempt SET last_at = now() - interval '25 hours' WHERE courier_id = %s", COURIER)
    beat(q, COURIER)                                        # now it is known
    assert tallies(q) == (before, whose - {other} | {NIL})
    q.rows("DELETE FROM sigsentry.courier WHERE id = %s", COURIER)
    beat(q, uuid.uuid4())
    after, whose = tallies(q)
    assert COURIER not in whose and after == {k: pytest.approx(v) for k, v in before.items()}
