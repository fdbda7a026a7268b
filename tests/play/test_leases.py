"""Goal: what a courier has in hand when it freezes or is told to stop is sent by another, and counted once (contract §5)."""

import signal
import threading

import psycopg2

import runenv
import stack
from clock import MINUTE, SOON_S, starts
from stack import wait_for
from world import arrivals, outcomes


class Held:
    """An answer of the sink that waits until it is let go."""

    def __init__(self, answer):
        self.answer = answer
        self.may_go = threading.Event()

    def __call__(self, request):
        self.may_go.wait(10 * SOON_S)
        return self.answer

    def let_go(self):
        self.may_go.set()


def ids(requests):
    return {(r.header("webhook-id"), r.header("x-sigsentry-delivery")) for r in requests}


def on_record(site):
    """All that the database says of the site's deliveries, but for how long a lease runs, which hearts make longer."""
    return [stack.sql("SELECT to_jsonb(r) - 'wake_at' AS r FROM sigsentry.%s r WHERE tenant_id = %%s ORDER BY 1" % table, site.tenant)
            for table in ("queue", "delivery", "attempt", "lane", "channel", "event")]


def test_a_frozen_courier(clock, world, site):
    """Its lease over, and no sooner, another one sends the delivery under its id; what it says when it thaws is too late."""
    channel, mark = site.channel("webhook")
    late, timely = Held(410), Held(200)
    world.sink.script(mark, late, timely)
    # so long that the leap does not end a flight: it hears of the 410
    patient = {"connect_timeout_s": 60, "total_timeout_s": 300}
    frozen = world.courier(**patient)
    site.publish()
    arrivals(world, mark, 1, SOON_S)
    frozen.signal(signal.SIGSTOP)
    try:
        world.courier(**patient)
        began = clock.now()
        world.leap(30, rest=False)
        world.look()
        # a heart beats three times a lease: of its last there are more than 39 seconds left
        assert len(world.sink.got(mark)) == 1 or clock.now() > began + 39, "taken from one that had its lease still"
        world.leap(31, rest=False)
        got = arrivals(world, mark, 2, SOON_S)
        one = site.deliveries(channel)[0]["id"]
        assert ids(got) == {(one, one)}
        before = on_record(site)
        late.let_go()
    finally:
        frozen.signal(signal.SIGCONT)
    frozen.wait(r"ev=delivery\.end .*id=%s .*outcome=gone code=410" % one, timeout=SOON_S)
    # at its end it has written down all that it knows
    frozen.signal(signal.SIGTERM)
    assert frozen.process.wait(SOON_S) == 0
    assert on_record(site) == before, "a stale outcome was taken"
    timely.let_go()
    delivery = site.one(channel, SOON_S)
    assert (delivery["status"], delivery["attempts"], outcomes(delivery)) == ("delivered", 1, ["ok"])
    assert len(world.sink.got(mark)) == 2 and stack.shown(site.client, channel)["isActive"] is True


def test_an_answer_that_came_while_it_stood_still(clock, world, site):
    """A claim that was answered while the courier had no processor, for longer than it gives a statement: taken, and flown at once."""
    channel, mark = site.channel("webhook")
    courier = world.courier()
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    courier.signal(signal.SIGSTOP)
    try:
        site.publish()
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE sigsentry.lane IN ACCESS EXCLUSIVE MODE")
        courier.signal(signal.SIGCONT)
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'sigsentry.lane'::regclass"
        assert wait_for(lambda: stack.sql(waits), SOON_S)
        courier.signal(signal.SIGSTOP)
        holder.rollback()
        assert wait_for(lambda: not stack.sql(runenv.WORKING), SOON_S)
        world.leap(15, rest=False)
    finally:
        courier.signal(signal.SIGCONT)
        holder.close()
    arrivals(world, mark, 1, SOON_S)
    assert outcomes(site.one(channel)) == ["ok"] and len(world.sink.got(mark)) == 1


def test_a_crashed_courier(clock, world, site):
    """Killed in the middle of many: all arrive, each once more at the most, when their leases are over."""
    channel, mark = site.channel("webhook")
    held = Held("drop")
    world.sink.script(mark, *[held] * 8, 200)
    killed = world.courier()
    for _ in range(12):
        site.publish()
    first = ids(arrivals(world, mark, 8, SOON_S))
    killed.process.kill()
    killed.process.wait()
    held.let_go()
    world.courier()
    world.leap(61, rest=False)
    ends = site.ended(channel, 12, SOON_S)
    assert {(d["status"], d["attempts"]) for d in ends} == {("delivered", 1)}
    got = world.sink.got(mark)
    assert len(got) == 20 and len(ids(got)) == 12 and first <= ids(got[8:])


def test_drain_with_a_flight_that_hangs(clock, world, site):
    """It waits for drain_s and takes nothing new, then hands back and ends with 0: the next one need not wait for a lease."""
    channel, mark = site.channel("webhook")
    held = Held(200)
    world.sink.script(mark, held, 200)
    leaving = world.courier(total_timeout_s=300, lease_s=3600)
    site.publish()
    arrivals(world, mark, 1, SOON_S)
    world.look()  # its first chores are through
    leaving.signal(signal.SIGTERM)
    leaving.wait(r"ev=courier\.drain .*flights=", timeout=SOON_S)
    began = clock.now()
    world.rest(flights_too=False)  # a claim that is under way still may take what is there
    site.publish()
    clock.leap(15)
    assert not wait_for(lambda: not leaving.runs(), 0.3) or clock.now() > began + 20, "it did not wait for its flight"
    clock.leap(6)
    # it sleeps until then by the machine's clock: being continued wakes it
    leaving.signal(signal.SIGSTOP)
    leaving.signal(signal.SIGCONT)
    assert leaving.process.wait(SOON_S) == 0 and leaving.lines(r"ev=courier\.handback .*deliveries=1")
    assert len(world.sink.got(mark)) == 1, "it took one more"
    items = site.deliveries(channel)
    assert [(d["status"], d["attempts"]) for d in items] == [("pending", 0)] * 2
    assert site.delivery(channel, items[1]["id"])["attemptList"] == []
    world.courier()
    ends = site.ended(channel, 2, SOON_S)
    held.let_go()
    assert {(d["status"], d["attempts"], *outcomes(d)) for d in ends} == {("delivered", 1, "ok")}
    assert all(starts(d)[0] < began + 10 * MINUTE for d in ends), "only when the lease was over"
    got = world.sink.got(mark)
    assert len(got) == 3 and got[0].header("webhook-id") == items[1]["id"]


def test_drain_with_a_flight_that_ends(clock, world, site):
    """What ends within the grace is on record, and the courier gone at once."""
    channel, mark = site.channel("webhook")
    held = Held(200)
    world.sink.script(mark, held)
    leaving = world.courier(drain_s=600, total_timeout_s=300)
    site.publish()
    arrivals(world, mark, 1, SOON_S)
    leaving.signal(signal.SIGTERM)
    leaving.wait(r"ev=courier\.drain .*flights=1", timeout=SOON_S)
    held.let_go()
    assert leaving.process.wait(SOON_S) == 0 and not leaving.lines(r"ev=courier\.handback")
    one = site.delivery(channel, site.deliveries(channel)[0]["id"])
    assert (one["status"], one["attempts"], outcomes(one)) == ("delivered", 1, ["ok"])
