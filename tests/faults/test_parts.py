"""Goal: whatever part is killed, frozen, locked or replaced under load, the ledger of load.py holds."""

import contextlib
import os
import random
import signal
import time

import stack
from stack import wait_for


def until(seconds):
    """Goes on for so long; gives the number of the round."""
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield n
        n += 1


def none_failed(load):
    assert not load.unanswered(), load.unanswered()
    assert load.repeats <= 3, "%d kept connections were closed under a request" % load.repeats


def test_workers_restarted_one_by_one(world, load, judged):
    """SIGTERM to one after the other: each ends its request, another takes its place, and no request fails."""
    world.courier()
    with load:
        for pid in stack.settled_workers(timeout=20):  # once: who ends by himself comes back after a growing pause
            os.kill(pid, signal.SIGTERM)
            assert stack.settled_workers(4, 20, without=[pid]), "nobody takes the place of %d" % pid
            load.wait_for_more(2)
        load.mended()
    none_failed(load)
    judged(load)


def test_workers_killed(world, load, judged, span):
    """kill -9 of a worker every 100 ms."""
    world.courier()
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
    assert stack.settled_workers(timeout=30)
    judged(load)


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
    judged(load)


def test_couriers_killed_and_frozen(world, load, judged, span):
    """kill -9 of one of three, SIGSTOP of another for longer than its lease, and SIGCONT, round after round."""
    couriers = [world.courier(lease_s=1) for _ in range(3)]
    with load:
        for _ in until(span):
            frozen, dead, _ = couriers
            frozen.signal(signal.SIGSTOP)
            time.sleep(0.2)
            dead.process.kill()
            couriers = [world.courier(lease_s=1), couriers[2], frozen]
            time.sleep(1.5)
            frozen.signal(signal.SIGCONT)
        load.mended()
    judged(load)


def test_all_couriers_frozen(world, load, judged, span):
    """Nobody else is there to take what they hold; they take it up themselves."""
    couriers = [world.courier(lease_s=1) for _ in range(2)]
    with load:
        load.wait_for_more(2)
        for c in couriers:
            c.signal(signal.SIGSTOP)
        time.sleep(span)
        for c in couriers:
            c.signal(signal.SIGCONT)
        load.mended()
    judged(load)


def test_nginx_reloaded(world, load, judged, span):
    """SIGHUP, twice a second: no request fails."""
    world.courier()
    master = stack.pids_of("SIGSENTRY_NGINX_PID")[0]
    with load:
        for _ in until(span):
            before = set(stack.children(master))
            os.kill(master, signal.SIGHUP)
            assert wait_for(lambda: set(stack.children(master)) - before, 5)
            time.sleep(0.5)
        load.mended()
    none_failed(load)
    judged(load)


def test_pool_reloaded(world, load, judged, span):
    """SIGHUP of the master, again as soon as all workers are new: no request fails."""
    world.courier()
    with load:
        for _ in until(span):
            before = stack.settled_workers()
            os.kill(stack.master_pid(), signal.SIGHUP)
            assert stack.settled_workers(4, 10, without=before)
        load.mended()
    none_failed(load)
    judged(load)


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
    judged(load)
