"""Goal: whatever part is killed, frozen, locked or replaced under load, the ledger of load.py holds."""

import contextlib
import os
import random
import signal
import time

import stack
from stack import wait_for


# Of a courier that nobody touches: a machine with other work is no reason to take its deliveries for lost.
CALM = {"lease_s": 60}


def until(seconds):
    """Goes on for so long; gives the number of the round."""
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield n
        n += 1


def waiting_for_locks(load):
    """How many sessions do."""
    return load.home.sql("SELECT count(DISTINCT pid) AS n FROM pg_catalog.pg_locks WHERE NOT granted")[0]["n"]


def none_failed(load):
    assert not load.unanswered(), load.unanswered()


def none_noticed(load):
    """Not even a kept connection was closed under a request."""
    none_failed(load)
    assert load.repeats == 0, "%d kept connections were closed under a request" % load.repeats


def test_workers_restarted_one_by_one(world, load, judged):
    """SIGTERM to one after the other: each ends its request, another takes its place, and no request fails."""
    courier = world.courier(**CALM)
    with load:
        for pid in stack.settled_workers(timeout=20):  # once: who ends by himself comes back after a growing pause
            os.kill(pid, signal.SIGTERM)
            assert stack.settled_workers(4, 20, without=[pid]), "nobody takes the place of %d" % pid
            load.wait_for_more(2)
        load.mended()
    assert courier.runs()
    none_noticed(load)
    judged(load, once=True)


def test_workers_killed(world, load, judged, span):
    """kill -9 of a worker every 100 ms."""
    courier = world.courier(**CALM)
    killed = 0
    with load:
        for _ in until(span):
            for pid in random.sample(stack.workers(), 1) if stack.workers() else ():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            time.sleep(0.1)
        load.mended()
    assert killed >= 8, "there was hardly anybody to kill"  # who dies again and again comes back after 10 s
    assert stack.settled_workers(timeout=30) and courier.runs()
    judged(load, once=True)


def test_all_workers_killed_at_work(world, load, judged):
    """kill -9 of all, while requests wait for a lock: their clients are told 502, and what they asked for is done or not."""
    courier = world.courier(**CALM)
    with load:
        with contextlib.closing(load.home.connect()) as holder, holder.cursor() as cursor:
            cursor.execute("SELECT FROM sigsentry.project WHERE id IN (%s, %s) FOR UPDATE", (load.project, load.fought))
            assert wait_for(lambda: waiting_for_locks(load) >= 2, 20), "no request is under way"
            dead = stack.workers()
            for pid in dead:
                os.kill(pid, signal.SIGKILL)
            assert wait_for(lambda: load.answers[502], 20), "nobody felt it: %s" % load.unanswered()
            holder.rollback()
        load.mended()
    assert stack.settled_workers(timeout=30, without=dead) and courier.runs()
    judged(load, once=True)


def test_postgresql_killed(world, load, judged, span):
    """kill -9 of all its processes, and a start; in the long form again and again."""
    courier = world.courier()
    before = stack.settled_workers()
    with load:
        for _ in range(max(1, int(span / 10))):
            load.wait_for_more(2)
            stack.dev_pg("kill")
            time.sleep(1)
            stack.dev_pg("start")
        load.mended()
    assert stack.workers() == before and courier.runs()
    assert load.answers[503], "nobody felt it: %s" % load.unanswered()
    judged(load)


def answers(load, how):
    for mark in load.marks.values():
        load.sink.script(mark, how)


def under_way(load):
    """From now on the receiver takes its time; waits until it has something in hand, and so a courier a flight."""
    answers(load, 0.3)
    came = load.arrived()
    assert wait_for(lambda: load.arrived() > came, 20, 0.005), "nothing arrives"


def lapsed(load):
    """How many deliveries are with a courier whose lease has ended."""
    return load.home.sql("SELECT count(*) AS n FROM sigsentry.queue WHERE tenant_id = %s AND claim_id IS NOT NULL"
                         "   AND wake_at <= clock_timestamp()", load.tenant)[0]["n"]


def test_couriers_killed_and_frozen(world, load, judged, span):
    """kill -9 of one of three, SIGSTOP of another for longer than its lease, and SIGCONT, round after round: what they had in
    hand comes once more, from another."""
    couriers = [world.courier(lease_s=1) for _ in range(3)]
    same, end = stack.settled_workers(), time.monotonic() + span
    with load:
        while time.monotonic() < end or not load.duplicates():
            assert time.monotonic() < end + 60, "nobody takes up what the dead had in hand"
            under_way(load)
            frozen, dead, _ = couriers
            frozen.signal(signal.SIGSTOP)
            dead.process.kill()
            couriers = [world.courier(lease_s=1), couriers[2], frozen]
            time.sleep(1.5)
            frozen.signal(signal.SIGCONT)
        answers(load, 200)
        load.mended()
    assert stack.workers() == same and all(c.runs() for c in couriers)
    judged(load)


def test_all_couriers_frozen(world, load, judged, span):
    """Nobody else is there to take what they hold, and its leases end; they take it up themselves."""
    couriers = [world.courier(lease_s=1) for _ in range(2)]
    same = stack.settled_workers()
    with load:
        under_way(load)
        for c in couriers:
            c.signal(signal.SIGSTOP)
        assert wait_for(lambda: lapsed(load), 20), "they had nothing in hand"
        time.sleep(span)
        answers(load, 200)
        for c in couriers:
            c.signal(signal.SIGCONT)
        load.mended()
    assert stack.workers() == same and all(c.runs() for c in couriers)
    judged(load)


def test_nginx_reloaded(world, load, judged, span):
    """SIGHUP, twice a second: no request fails, though a kept connection may close under one, which is then sent again."""
    courier = world.courier(**CALM)
    same = stack.settled_workers()
    master = stack.pids_of("SIGSENTRY_NGINX_PID")[0]
    with load:
        for _ in until(span):
            before = set(stack.children(master))
            os.kill(master, signal.SIGHUP)
            assert wait_for(lambda: set(stack.children(master)) - before, 5)
            time.sleep(0.5)
        load.mended()
    assert stack.workers() == same and courier.runs()
    none_failed(load)
    judged(load, once=True)


def test_pool_reloaded(world, load, judged, span):
    """SIGHUP of the master, again as soon as all workers are new: no request fails."""
    courier = world.courier(**CALM)
    with load:
        for _ in until(span):
            before = stack.settled_workers()
            os.kill(stack.master_pid(), signal.SIGHUP)
            assert stack.settled_workers(4, 10, without=before)
        load.mended()
    assert courier.runs()
    none_noticed(load)
    judged(load, once=True)


def test_lock_held(world, load, judged):
    """For longer than requests wait: whoever writes to the channels and the queue, couriers too."""
    courier = world.courier()
    before = stack.settled_workers()
    with load:
        with contextlib.closing(load.home.connect()) as holder, holder.cursor() as cursor:
            cursor.execute("LOCK TABLE sigsentry.channel, sigsentry.queue IN SHARE ROW EXCLUSIVE MODE")
            time.sleep(10)
            holder.rollback()
        load.mended()
    assert stack.workers() == before and courier.runs()
    assert load.answers[503], "nobody felt it: %s" % load.unanswered()
    judged(load)
