"""Goal: contract §5's waits are kept to: the schedule, Retry-After, a platform's pace; no sooner, and then soon."""

import email.utils

import pytest

from clock import DAY, HOUR, MINUTE, SOON_S, publish, seconds, starts
from stack import wait_for
from world import answer, arrivals, outcomes

SCHEDULE = (5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)

# Times have milliseconds, rounded down.
ROUNDED_S = 0.002
# Between an attempt's end and the moment that it is on record.
RECORD_S = 10


def waiting(site, channel, attempts):
    """The channel's deliveries as soon as all have had so many attempts and wait for the next."""
    def look():
        items = site.deliveries(channel)
        return items if {(d["status"], d["attempts"]) for d in items} == {("pending", attempts)} else None
    items = wait_for(look, SOON_S)
    assert items, site.deliveries(channel)
    return [site.delivery(channel, d["id"]) for d in items]


def last_end(delivery):
    return starts(delivery)[-1] + delivery["attemptList"][-1]["durationMs"] / 1000


def test_the_schedule(clock, world, site):
    """Ten attempts in about a day, each wait within 20 % of the schedule's, at random; then failed, with the reason."""
    channel, mark = site.channel("webhook")
    world.sink.script(mark, 500)
    world.courier()
    n, began, due, shares = 4, clock.now(), {}, []
    for _ in range(n):
        site.publish()
    for tries, wait_s in enumerate(SCHEDULE, 1):
        items = waiting(site, channel, tries)
        for d in items:
            next_at = seconds(d["nextAttemptAt"])
            assert 0.8 * wait_s - ROUNDED_S <= next_at - last_end(d) <= 1.2 * wait_s + RECORD_S, d
            due.setdefault(d["id"], []).append(next_at)
            shares.append((next_at - last_end(d)) / wait_s)
        first, last = min(x[-1] for x in due.values()), max(x[-1] for x in due.values())
        world.leap_to(first - 1)
        world.look()
        assert len(world.sink.got(mark)) == n * tries or clock.now() > first, "too soon"
        world.leap_to(last)
        arrivals(world, mark, n * (tries + 1), SOON_S)
    ends = site.ended(channel, n, SOON_S)
    for d in ends:
        assert (d["status"], d["attempts"], d["lastStatusCode"]) == ("failed", 10, 500) and "500" in d["lastError"], d
        assert outcomes(d) == ["retry"] * 10 and {a["statusCode"] for a in d["attemptList"]} == {500}
        assert all(start >= at for start, at in zip(starts(d)[1:], due[d["id"]])), (starts(d), due[d["id"]])
        assert 0.8 * sum(SCHEDULE) < seconds(d["finishedAt"]) - began < 1.2 * sum(SCHEDULE) + 10 * SOON_S
    # the random part: on both sides, and never the same
    late = shares[2 * n:]
    assert min(late) < 0.95 and max(late) > 1.05 and len({round(s, 4) for s in late}) > len(late) / 2, late
    world.leap(2 * DAY)
    world.look()
    assert len(world.sink.got(mark)) == 10 * n, "tried again after its end"


@pytest.mark.parametrize("form, asked_s", [("seconds", 2 * HOUR), ("date", 2 * HOUR), ("seconds", 3 * DAY)],
                         ids=["seconds", "date", "longer than a day"])
def test_retry_after(clock, world, site, form, asked_s):
    """Nothing goes to the channel before, the new neither, up to 24 h; to another one it does; and then all goes soon."""
    ill, ill_mark = site.channel("webhook")
    _, well_mark = site.channel("webhook")
    heard = []

    def later(request):
        heard.append(clock.now())
        value = str(asked_s) if form == "seconds" else email.utils.formatdate(clock.now() + asked_s, usegmt=True)
        return answer(503, Retry_After=value)

    world.sink.script(ill_mark, later, 200)
    world.courier()
    site.publish()
    arrivals(world, well_mark, 1, SOON_S)
    one, = waiting(site, ill, 1)
    # a date has whole seconds
    soonest = heard[0] + min(asked_s, DAY) - (1 if form == "date" else 0)
    assert soonest - ROUNDED_S <= seconds(one["nextAttemptAt"]) <= soonest + 1 + RECORD_S
    for n, at in enumerate((heard[0] + 10 * MINUTE, soonest - MINUTE), 1):
        world.leap_to(at)
        site.publish()
        arrivals(world, well_mark, n + 1, SOON_S)
        world.look()
        assert len(world.sink.got(ill_mark)) == 1, "did not wait"
    world.leap_to(soonest + 1 + RECORD_S)
    arrivals(world, ill_mark, 4, SOON_S)
    ends = site.ended(ill, 3, SOON_S)
    assert [(d["status"], outcomes(d)) for d in ends] == [("delivered", ["retry", "ok"]), ("delivered", ["ok"]), ("delivered", ["ok"])]
    assert min(starts(d)[-1] for d in ends) >= soonest - ROUNDED_S


def test_the_pace_of_a_platform(clock, world, site):
    """To a Slack channel one message a second; what goes to others, of its type too, does not wait for that."""
    slow = [site.channel("slack") for _ in range(2)]
    free, quick = site.channel("webhook")
    publish(site, 5)
    world.courier()
    for n in range(1, 6):
        for _, mark in slow:
            arrivals(world, mark, n, SOON_S)
        if n < 5:
            clock.leap(1)
    at_once = [starts(d)[0] for d in site.ended(free, 5, SOON_S)]
    seconds_sent = []
    for channel, mark in slow:
        ends = site.ended(channel, 5, SOON_S)
        assert {d["status"] for d in ends} == {"delivered"} and len(world.sink.got(mark)) == 5
        sent = sorted(starts(d)[0] for d in ends)
        # the database counts from the claim, a start is a little later
        assert all(b - a > 0.2 for a, b in zip(sent, sent[1:])) and sent[-1] - sent[0] > 3, sent
        at_once.append(sent[0])
        seconds_sent.append(sent[1])
    assert len(world.sink.got(quick)) == 5 and max(at_once) < min(seconds_sent)
