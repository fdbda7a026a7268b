"""Goal: where the time of day was set back, what is ahead of it counts for nothing, and whatever waits waits no longer for that.

An hour is added to what was written down: to the rows that is the same as a clock that was set back by as much.
"""

import uuid

import pytest

from conftest import query
from queueing import COURIER

HOUR = "interval '1 hour'"


def beat(q, courier=None, lease_s=60):
    courier = courier or uuid.uuid4()
    q.rows(query("courier_renew"), courier, "c", "1", ["k"], 0, [], [], [], lease_s)
    return courier


def alive(q):
    """As /metrics, `sigsentryctl status` and /readyz say it."""
    return {"metrics": q.value("SELECT value FROM api.metrics() WHERE name = 'sigsentry_couriers_alive'"),
            "status": q.value('SELECT "couriersAlive" FROM admin.queue_status()'),
            "list": q.value('SELECT count(*) FROM admin.courier_list() c WHERE c.alive'),
            "ready": int(q.value("SELECT is_alive FROM api.ready()"))}


def faults(q):
    return {"status": q.value('SELECT "localFault" FROM admin.queue_status()'), "ready": q.value("SELECT local_type FROM api.ready()")}


@pytest.mark.parametrize("ahead_s, lives", [(0, 1), (9, 1), (11, 0), (3600, 0)])
def test_a_heart_that_beat_in_the_future_is_no_sign_of_life(q, ahead_s, lives):
    q.rows("DELETE FROM sigsentry.courier")
    beat(q)
    q.rows("UPDATE sigsentry.courier SET beat_at = now() + make_interval(secs => %s)", ahead_s)
    assert alive(q) == dict.fromkeys(("metrics", "status", "list", "ready"), lives)


def test_nor_does_it_hide_who_lives_or_when_somebody_did(q):
    q.rows("DELETE FROM sigsentry.courier")
    dead, last = beat(q), beat(q)
    q.rows("UPDATE sigsentry.courier SET beat_at = now() + " + HOUR + " WHERE id = %s", dead)
    assert set(alive(q).values()) == {1}
    q.rows("UPDATE sigsentry.courier SET beat_at = now() - interval '500 seconds' WHERE id = %s", last)
    assert q.value("SELECT beat_s FROM api.ready()") == 500
    q.rows("DELETE FROM sigsentry.courier WHERE id = %s", last)
    assert q.value("SELECT beat_s FROM api.ready()") is None


@pytest.mark.parametrize("ahead_s, is_one", [(-89, True), (9, True), (11, False), (3600, False)])
def test_a_fault_of_the_future_is_none(q, ahead_s, is_one):
    q.rows("DELETE FROM sigsentry.tally_attempt")
    q.rows("INSERT INTO sigsentry.tally_attempt VALUES (%s, 'email', 'local', 1, now() + make_interval(secs => %s))", COURIER, ahead_s)
    assert faults(q) == dict.fromkeys(("status", "ready"), "email" if is_one else None)


def set_back(q):
    """By an hour, with a courier that died: all of its times are an hour ahead."""
    dead = beat(q)
    q.rows("UPDATE sigsentry.courier SET beat_at = now() + " + HOUR + " WHERE id = %s", dead)


def waits(q, sql, *args):
    """How long, in seconds."""
    return round(q.value("SELECT date_part('epoch', (" + sql + ") - now())", *args))


def test_what_waits_for_a_time_waits_as_long_as_before(q):
    tenant, project, (paced, pausing) = q.home(2)
    q.publish(project)
    q.rows("DELETE FROM sigsentry.courier")
    q.rows("UPDATE sigsentry.queue SET wake_at = now() + " + HOUR + " + interval '30 seconds' WHERE channel_id = %s", paced)
    q.rows("UPDATE sigsentry.queue SET wake_at = now() + " + HOUR + " + interval '50 seconds', claim_id = sigsentry.uuid_v7()"
           " WHERE channel_id = %s", pausing)
    for channel, column in ((paced, "due_at"), (pausing, "pause_until")):
        q.rows("INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at) VALUES (%s, %s, 'infinity')"
               " ON CONFLICT ON CONSTRAINT lane_pkey DO NOTHING", tenant, channel)
        q.rows("UPDATE sigsentry.lane SET " + column + " = now() + " + HOUR + " + interval '7 seconds' WHERE channel_id = %s", channel)
    set_back(q)
    beat(q)
    assert waits(q, "SELECT wake_at FROM sigsentry.queue WHERE channel_id = %s", paced) == 30
    assert waits(q, "SELECT wake_at FROM sigsentry.queue WHERE channel_id = %s", pausing) == 60     # its lease, at the most
    assert waits(q, "SELECT due_at FROM sigsentry.lane WHERE channel_id = %s", paced) == 7
    assert waits(q, "SELECT pause_until FROM sigsentry.lane WHERE channel_id = %s", pausing) == 7
    assert alive(q)["status"] == 2                              # the dead one for another lease, as it would have been


def test_a_notice_whose_courier_died_waits_for_five_minutes_and_not_for_an_hour_more(q):
    _, project, _ = q.home()
    q.rows("DELETE FROM sigsentry.courier")
    q.rows("DELETE FROM sigsentry.operator_notice")
    event, _ = q.publish(project)
    q.rows("INSERT INTO sigsentry.operator_notice SELECT tenant_id, id, now() + " + HOUR + " - interval '4 minutes'"
           " FROM sigsentry.event WHERE id = %s", event)
    set_back(q)
    beat(q)
    assert waits(q, "SELECT taken_at FROM sigsentry.operator_notice") == -240
    assert q.rows(query("courier_notices_take"), 10) == []
    q.rows("UPDATE sigsentry.operator_notice SET taken_at = taken_at - interval '61 seconds'")
    assert [r["id"] for r in q.rows(query("courier_notices_take"), 10)] == [event]


def test_a_clock_that_was_not_set_moves_nothing(q):
    _, project, _ = q.home()
    q.rows("DELETE FROM sigsentry.courier")
    q.publish(project)
    q.rows("UPDATE sigsentry.queue SET wake_at = now() + " + HOUR)
    beat(q)
    beat(q)
    assert waits(q, "SELECT wake_at FROM sigsentry.queue") == 3600
