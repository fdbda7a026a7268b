"""Goal: a queue that is held gives nothing to anybody, and it is held where the database has lost a courier's mark, and only there.

In one transaction, in which the clock stands still and marks are made as old as they must be.
"""

import datetime
import uuid

import pytest

from conftest import Database, query

MINUTE = datetime.timedelta(minutes=1)
DAY = 1440 * MINUTE
NAME = "host:1"


@pytest.fixture
def h(q):
    """The queue, not held and without any mark."""
    q.rows("DELETE FROM sigsentry.epoch")
    q.rows("UPDATE sigsentry.hold SET held_at = NULL, held_by = NULL, why = NULL, released_at = '-infinity', forgotten_at = '-infinity'")
    q.now = q.value("SELECT now()")
    q.tenant_, q.project_, (q.channel_,) = q.home()
    return q


def mark(h, age):
    """A mark of this age, that is here."""
    new = uuid.uuid4()
    h.rows("INSERT INTO sigsentry.epoch (mark, made_at) VALUES (%s, %s)", new, h.now - age)
    return new, h.now - age


def lost(h, age):
    """One that is not."""
    return uuid.uuid4(), h.now - age


def waiting(h, age=DAY):
    """A delivery that has waited for so long: its ids say so."""
    made = h.delivery(h.project_)
    old = h.value("SELECT overlay(%s::text placing left(sigsentry.uuid_v7_floor(now() - %s)::text, 13) from 1 for 13)", made, age)
    h.rows("UPDATE sigsentry.queue SET id = %s, created_at = now() - %s WHERE id = %s", old, age, made)
    return uuid.UUID(old)


def look(h, m=(None, None)):
    return h.row(query("courier_epoch"), *m, NAME)


def guarded(h, m):
    """What a claim of a courier that remembers this gives."""
    return [r["id"] for r in h.rows(query("courier_guard"), uuid.uuid4(), *m, NAME, 10, 10, 60, ["webhook"], [8], [0], 0)]


def held(h):
    return h.row("SELECT held_at, held_by, why FROM sigsentry.hold")


def audit(h):
    return h.rows("SELECT actor_kind::text AS kind, actor, action, object_kind, after FROM sigsentry.audit"
                  " WHERE object_kind = 'queue' AND at = now() ORDER BY id")


# ---- marks -------------------------------------------------------------------------------------------


def test_marks_every_15_seconds_and_the_one_to_remember_is_a_minute_old(h):
    first = look(h)
    assert (first["lost"], first["mark"], first["made_at"], first["held_at"]) == (False, None, None, None)
    assert look(h) == first and h.value("SELECT count(*) FROM sigsentry.epoch") == 1
    h.rows("UPDATE sigsentry.epoch SET made_at = now() - interval '14.9 s'")
    assert look(h)["mark"] is None and h.value("SELECT count(*) FROM sigsentry.epoch") == 1
    h.rows("UPDATE sigsentry.epoch SET made_at = now() - interval '59.9 s'")
    assert look(h)["mark"] is None and h.value("SELECT count(*) FROM sigsentry.epoch") == 2
    h.rows("UPDATE sigsentry.epoch SET made_at = now() - interval '1 minute' WHERE made_at < now()")
    seen = look(h)
    assert h.value("SELECT count(*) FROM sigsentry.epoch") == 2
    assert seen["mark"] == h.value("SELECT mark FROM sigsentry.epoch WHERE made_at < now()")
    newer = mark(h, 1.5 * MINUTE)
    older = mark(h, 3 * MINUTE)
    h.rows("DELETE FROM sigsentry.epoch WHERE mark = %s", seen["mark"])
    assert look(h, older)["mark"] == newer[0]


def test_a_mark_of_a_clock_that_was_put_back_counts_for_nothing(h):
    mark(h, -60 * MINUTE)
    assert look(h)["mark"] is None and h.value("SELECT count(*) FROM sigsentry.epoch") == 2


def test_no_older_mark_is_remembered_in_place_of_a_newer(h):
    """Else a restore whose marks come before its queue would go unnoticed."""
    m, older = lost(h, 3 * MINUTE), mark(h, 4 * MINUTE)
    seen = look(h, m)
    assert (seen["lost"], seen["mark"]) == (False, None)
    waiting(h)
    assert look(h, m)["lost"] is True and look(h)["mark"] == older[0]


def test_old_marks_are_forgotten_and_that_is_noted(h):
    kept, gone = mark(h, 7 * DAY), mark(h, 7 * DAY + MINUTE)
    waiting(h, 30 * DAY)
    h.rows("SELECT pg_advisory_xact_lock(8316291932236969064)")
    assert h.row(query("courier_housekeep"), 1000)["done"] is True
    assert [r["mark"] for r in h.rows("SELECT mark FROM sigsentry.epoch")] == [kept[0]]
    assert look(h, gone)["lost"] is False and look(h, lost(h, 8 * DAY))["lost"] is False
    assert look(h, lost(h, 7 * DAY - MINUTE))["lost"] is True


# ---- what holds --------------------------------------------------------------------------------------


def test_a_mark_that_is_here_holds_nothing(h):
    d = waiting(h)
    known = mark(h, 2 * MINUTE)
    assert guarded(h, known) == [d] and look(h, known)["lost"] is False and held(h)["held_at"] is None


def test_a_lost_mark_holds_the_queue_and_says_why(h):
    d = waiting(h)
    other = mark(h, 2 * DAY)
    m = lost(h, 2 * MINUTE)
    assert guarded(h, m) == []
    found = held(h)
    assert found["held_at"] == h.now and found["held_by"] == NAME and "restored from a backup" in found["why"]
    assert audit(h) == [{"kind": "system", "actor": NAME, "action": "queue.hold", "object_kind": "queue",
                         "after": {"held": True, "why": found["why"]}}]
    seen = look(h, m)
    assert (seen["lost"], seen["mark"], seen["held_by"], seen["why"]) == (True, None, NAME, found["why"])
    # nobody gets anything: who remembers nothing, who remembers something else, one of release 0.1.0
    assert h.claim() == [] and guarded(h, other) == [] and len(audit(h)) == 1
    assert h.status(d) == "pending"
    assert look(h)["lost"] is False and look(h)["held_by"] == NAME


@pytest.mark.parametrize("ago,holds", [(1, False), (3, True)])
def test_only_what_is_older_than_the_mark_can_have_been_sent(h, ago, holds):
    """A new database, and one whose queue was empty, is not held."""
    assert guarded(h, lost(h, 2 * MINUTE)) == []        # an empty queue
    assert held(h)["held_at"] is None
    d = waiting(h, ago * MINUTE)
    assert guarded(h, lost(h, 2 * MINUTE)) == ([] if holds else [d])
    assert (held(h)["held_at"] is not None) == holds


def test_a_release_ends_it_for_the_marks_of_before(h):
    d = waiting(h)
    m = lost(h, 2 * MINUTE)
    assert guarded(h, m) == []
    assert h.admin("queue_release", "me") == {"status": "ok", "released": True, "waiting": 1}
    assert look(h, m)["lost"] is False and guarded(h, m) == [d]
    # restored once more: it has lost what was seen since
    h.rows("UPDATE sigsentry.hold SET released_at = now() - interval '10 minutes'")
    assert look(h, lost(h, 9 * MINUTE))["lost"] is True
    assert look(h, lost(h, 10 * MINUTE))["lost"] is False


def test_a_release_ends_it_for_a_mark_that_is_ahead_of_the_clock_too(h):
    """Restored to a machine whose clock is behind the old one's, or a clock that was put back: it is held once, not for as long as that."""
    d = waiting(h)
    ahead, other = lost(h, -60 * MINUTE), lost(h, -30 * DAY)
    past = mark(h, 2 * MINUTE)
    for m in (ahead, other):
        assert guarded(h, m) == [] and look(h, m)["lost"] is True and look(h, m)["mark"] is None
    assert h.admin("queue_release", "me")["released"] is True
    for m in (ahead, other):
        seen = look(h, m)
        # and it remembers one of this clock from now on, or it would not be told of a restore for so long
        assert (seen["lost"], seen["held_at"], seen["mark"]) == (False, None, past[0])
    assert guarded(h, ahead) == [d] and held(h)["held_at"] is None


def test_a_release_that_comes_first_counts(h):
    waiting(h)
    assert h.admin("queue_release", "me")["released"] is False and audit(h) == []
    assert look(h, lost(h, MINUTE))["lost"] is False


def test_without_its_row_no_row_is_made(h):
    """In the middle of a restore: a second row would spoil it."""
    waiting(h)
    h.rows("DELETE FROM sigsentry.hold")
    assert guarded(h, lost(h, MINUTE)) == []
    assert look(h, lost(h, MINUTE))["lost"] is True
    assert h.value("SELECT count(*) FROM sigsentry.hold") == 0


# ---- while it is held --------------------------------------------------------------------------------


def test_by_hand(h):
    made = h.admin("queue_hold", "me", "the relay moves")
    assert (made["status"], made["held"], made["heldBy"], made["why"]) == ("ok", True, "me", "the relay moves")
    again = h.admin("queue_hold", "you", None)
    assert dict(again) == dict(made) and [a["action"] for a in audit(h)] == ["queue.hold"]
    assert h.admin("queue_release", "you")["released"] is True
    assert [(a["action"], a["actor"]) for a in audit(h)] == [("queue.hold", "me"), ("queue.release", "you")]
    assert h.admin("queue_hold", "me", None)["why"]
    for reason in ("a\nb", "x" * 1001):
        assert h.admin("queue_hold", "me", reason)["status"] == "bad_reason"


def test_what_is_under_way_ends_and_what_is_new_waits(h):
    first = h.delivery(h.project_)
    rows = h.claim()
    h.admin("queue_hold", "me", None)
    second = h.delivery(h.project_)
    assert h.record(rows) == 1 and h.status(first) == "delivered"
    assert h.claim() == [] and h.status(second) == "pending"
    h.admin("queue_release", "me")
    assert [r["id"] for r in h.claim()] == [second]


def test_notices_for_the_operator_wait_too(h):
    event, _ = h.publish(h.project_)
    h.rows("DELETE FROM sigsentry.operator_notice")
    h.rows("INSERT INTO sigsentry.operator_notice (tenant_id, event_id) VALUES (%s, %s)", h.tenant_, event)
    h.admin("queue_hold", "me", None)
    assert h.rows(query("courier_notices_take"), 10) == []
    h.admin("queue_release", "me")
    assert [r["id"] for r in h.rows(query("courier_notices_take"), 10)] == [event]


def test_a_held_queue_costs_a_claim_nothing(h):
    """It reads one row by its key, and no table as a whole."""
    h.rows("SET LOCAL enable_seqscan = off")
    plan = "\n".join(r["QUERY PLAN"] for r in h.rows(
        "EXPLAIN SELECT 1 FROM sigsentry.hold h WHERE h.id = 1 AND h.held_at IS NOT NULL"))
    assert "hold_pkey" in plan and "JIT" not in plan


# ---- discard -----------------------------------------------------------------------------------------


def published(h, age):
    """A delivery of an event that was published so long ago."""
    d = h.delivery(h.project_)
    h.rows("UPDATE sigsentry.event SET accepted_at = now() - %s WHERE id = (SELECT event_id FROM sigsentry.queue WHERE id = %s)", age, d)
    return d


def discard(h, before, batch=1000, dry=False):
    """All batches; how many were discarded."""
    after, seen, n = None, 0, 0
    while True:
        row = h.row(query("admin_queue_discard"), before, after, batch, dry)
        assert row["status"] == "ok"
        seen, n, after = seen + row["seen"], n + row["discarded"], row["next"]
        if after is None:
            return seen, n


def test_discard_wants_a_hold_and_a_count_none(h):
    published(h, DAY)
    assert h.row(query("admin_queue_discard"), h.now, None, 10, False)["status"] == "not_held"
    assert discard(h, h.now, dry=True) == (1, 1)
    assert h.value("SELECT count(*) FROM sigsentry.queue") == 1


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_discard_ends_what_was_published_before(h, batch):
    old = [published(h, DAY), published(h, 60 * MINUTE + datetime.timedelta(milliseconds=1))]
    young = [published(h, 60 * MINUTE), published(h, 0 * MINUTE)]
    h.rows("UPDATE sigsentry.queue SET attempts = 2, last_error = 'it said 500', last_status_code = 500 WHERE id = %s", old[0])
    h.admin("queue_hold", "me", None)
    assert discard(h, h.now - 60 * MINUTE, batch, dry=True) == (4, 2)
    assert discard(h, h.now - 60 * MINUTE, batch) == (4, 2)
    assert [h.status(d) for d in old + young] == ["cancelled"] * 2 + ["pending"] * 2
    row = h.row("SELECT * FROM sigsentry.delivery WHERE id = %s", old[0])
    assert (row["attempts"], row["last_status_code"], row["finished_at"]) == (2, 500, h.now)
    assert row["last_error"].startswith("discarded by an admin, with all that was published before 20")
    assert discard(h, h.now - 60 * MINUTE, batch) == (2, 0)


def test_an_events_deliveries_are_not_torn_apart_by_a_batch(h):
    for _ in range(2):
        h.channel(h.tenant_, h.project_)
    for _ in range(3):
        h.publish(h.project_)
    h.admin("queue_hold", "me", None)
    assert discard(h, h.now + MINUTE, 2) == (9, 9)


def test_what_a_courier_still_sends_is_passed_over_but_not_where_its_lease_is_over(h):
    """In a restored database all leases are of the past."""
    mine, gone = published(h, DAY), published(h, DAY)
    assert len(h.claim()) == 2
    h.rows("UPDATE sigsentry.queue SET wake_at = now() WHERE id = %s", gone)
    h.admin("queue_hold", "me", None)
    assert discard(h, h.now)[1] == 1
    assert (h.status(mine), h.status(gone)) == ("sending", "cancelled")


def test_what_waited_for_room_behind_a_discarded_one_goes(h):
    """A channel that had its fill under way is not looked at before one of these ends."""
    gone = published(h, DAY)
    ready = [published(h, 0 * MINUTE) for _ in range(2)]
    one = {"flights": 1}
    assert [r["id"] for r in h.claim(**one)] == [gone]
    h.rows("UPDATE sigsentry.queue SET wake_at = now() WHERE id = %s", gone)    # restored: its courier is none
    h.admin("queue_hold", "me", None)
    assert discard(h, h.now - MINUTE)[1] == 1
    h.admin("queue_discarded", "me", h.now - MINUTE, 1)
    assert [r["id"] for r in h.claim(**one)] == ready[:1]


def test_a_count_locks_nothing(h):
    d = published(h, DAY)
    before = h.value("SELECT xmax::text FROM sigsentry.queue WHERE id = %s", d)
    assert discard(h, h.now, dry=True) == (1, 1)
    assert h.value("SELECT xmax::text FROM sigsentry.queue WHERE id = %s", d) == before


def test_the_end_of_a_discard(h):
    h.rows("DELETE FROM sigsentry.operator_notice")
    for age in (DAY, MINUTE):
        h.rows("INSERT INTO sigsentry.operator_notice (tenant_id, event_id) VALUES (%s, sigsentry.uuid_v7_floor(now() - %s))",
               h.tenant_, age)
    h.admin("queue_hold", "me", None)
    young = published(h, 0 * MINUTE)
    assert h.admin("queue_discarded", "you", h.now - 60 * MINUTE, 7) == {"status": "ok", "released": True, "waiting": 1}
    assert h.value("SELECT count(*) FROM sigsentry.operator_notice") == 1
    assert [(a["action"], a["actor"]) for a in audit(h)] == [("queue.hold", "me"), ("queue.discard", "you"), ("queue.release", "you")]
    assert audit(h)[1]["after"]["discarded"] == 7
    assert [r["id"] for r in h.claim()] == [young]


def test_discarded_ones_can_be_retried(h):
    d = published(h, DAY)
    h.admin("queue_hold", "me", None)
    discard(h, h.now)
    h.admin("queue_release", "me")
    assert h.value("SELECT sigsentry.queue_again(%s, %s)", h.tenant_, [d]) == 1
    assert [r["id"] for r in h.claim()] == [d]


# ---- what shows it -----------------------------------------------------------------------------------


def test_it_is_shown(h):
    old = published(h, DAY)
    published(h, MINUTE)
    api = "SELECT held_at, why FROM api.held()"
    metric = "SELECT value FROM api.metrics() WHERE name = 'sigsentry_queue_held'"
    assert h.row(api) == {"held_at": None, "why": None} and h.value(metric) == 0
    assert h.row(query("admin_queue_status"))["heldAt"] is None
    h.admin("queue_hold", "me", "because")
    assert h.row(api)["why"] == "because" and h.value(metric) == 1
    status = h.row(query("admin_queue_status"))
    assert (status["heldBy"], status["heldWhy"]) == ("me", "because") and status["heldAt"]
    shown = h.row(query("admin_queue_held"))
    assert (shown["held"], shown["waiting"], shown["sending"], shown["releasedAt"]) == (True, 2, 0, None)
    stamp = "SELECT sigsentry.rfc3339(now() - %s)"
    assert (shown["oldestEventAt"], shown["newestEventAt"]) == (h.value(stamp, DAY), h.value(stamp, MINUTE))
    h.rows("DELETE FROM sigsentry.queue WHERE id = %s", old)
    assert h.row(query("admin_queue_held"))["oldestEventAt"] == h.value(stamp, MINUTE)


def test_two_couriers_make_one_mark(session, still):
    """Who comes second while the first one is at it makes none, and does not wait."""
    one, two = (Database(session("sigsentry_courier", autocommit=False)) for _ in range(2))
    owner = Database(session(autocommit=False))
    # none of them goes: the stack's courier remembers one
    owner.rows("UPDATE sigsentry.epoch SET made_at = made_at - interval '1 minute' WHERE made_at > now() - interval '1 minute'")
    owner.conn.commit()
    before = owner.value("SELECT count(*) FROM sigsentry.epoch")
    for work in (one, two):
        assert work.row(query("courier_epoch"), None, None, NAME)["lost"] is False
    one.conn.commit()
    two.conn.commit()
    owner.conn.rollback()
    assert owner.value("SELECT count(*) FROM sigsentry.epoch") == before + 1
