"""Goal: nothing is lost, and nothing dies silently, in days of failures, faults of our own, and absence (contract §5)."""

import json

import pytest

import stack
from clock import DAY, HOUR, SOON_S, publish, seconds
from stack import at, error, secret, wait_for
from world import Site, arrivals, notices, outcomes


def ready(site):
    return site.client.send("GET", "/readyz")


def is_ready(site):
    return wait_for(lambda: ready(site).status == 200, SOON_S)


def set_off(site, channel):
    """Wait until the channel is switched off; how it is shown then."""
    assert wait_for(lambda: not stack.shown(site.client, channel)["isActive"], SOON_S), "still active"
    return stack.shown(site.client, channel)


# Failures ----------------------------------------------------------------------------------------------


def test_nothing_but_failures_for_five_days(clock, world, site):
    """Off: with the reason, an audit row, what waits cancelled; another channel and the operator are told, once.  Not sooner."""
    ill, ill_mark = site.channel("webhook")
    _, well = site.channel("webhook")
    operator = secret("operator") + "@example.com"
    world.sink.script(ill_mark, 500)
    world.courier(operator_mail=operator)
    began = clock.now()
    for day in (0, 1, 2, 3, 4, 4.9):
        world.leap_to(began + day * DAY)
        site.publish()
        world.look()
        world.rest()
        shown = stack.shown(site.client, ill)
        assert shown["isActive"] is True and "disabledReason" not in shown
        assert abs(seconds(shown["failingSince"]) - began) < HOUR
    world.leap_to(began + 5 * DAY + HOUR)
    shown = set_off(site, ill)
    reason = shown["disabledReason"]
    assert reason["code"] and "500" in reason["message"] and abs(seconds(reason["at"]) - clock.now()) < HOUR
    ends = site.ended(ill, 6, SOON_S)
    assert {d["status"] for d in ends} == {"cancelled"} and {d["lastStatusCode"] for d in ends} == {500}
    row, = [a for a in stack.audit_rows(ill) if a["action"] == "channel.disable"]
    assert row["after"]["isActive"] is False and row["after"]["disabledReason"] == reason

    assert wait_for(lambda: notices(world, well, "channel.disabled"), SOON_S)
    told = json.loads(notices(world, well, "channel.disabled")[0].body)
    assert told["channelId"] == ill and told["severity"] == "high"

    def mails():
        return [m for m in world.relay.got(operator) if told["eventId"] in next(m.iter_parts()).get_content()]
    world.leap(61)
    assert wait_for(lambda: mails(), SOON_S)
    assert wait_for(lambda: not stack.sql("SELECT FROM sigsentry.operator_notice WHERE event_id = %s", told["eventId"]), SOON_S)

    tried = len(world.sink.got(ill_mark))
    for _ in range(2):
        world.leap(DAY)
        site.publish()
        world.look()
    arrivals(world, well, 6 + 1 + 2, SOON_S)
    assert len(world.sink.got(ill_mark)) == tried, "sent to a channel that is off"
    assert len(mails()) == 1 and len(notices(world, well, "channel.disabled")) == 1


def test_a_success_starts_the_five_days_anew(clock, world, site):
    channel, mark = site.channel("webhook")
    world.sink.script(mark, 500)
    world.courier()
    site.publish()
    arrivals(world, mark, 1, SOON_S)
    world.leap(3 * DAY)
    world.look()
    world.rest()
    world.sink.script(mark, 200)
    site.publish()
    world.leap(HOUR)
    assert {d["status"] for d in site.ended(channel, 2, SOON_S)} == {"delivered"}
    assert "failingSince" not in stack.shown(site.client, channel)
    world.sink.script(mark, 500)
    anew = clock.now()
    site.publish()
    for day in (2.5, 4.9):  # the first of these is the fifth day and a half since the first failure
        world.leap_to(anew + day * DAY)
        world.look()
        world.rest()
        assert stack.shown(site.client, channel)["isActive"] is True
    world.leap_to(anew + 5 * DAY + HOUR)
    assert set_off(site, channel)["disabledReason"]["code"]


def test_failing_is_told_once_a_day_and_channel(clock, world, site):
    """The first failed delivery after a success, no second one within a day; another channel's is its own."""
    # what is told is of severity high, and so does not go to these
    ill = [site.channel("slack", threshold="critical") for _ in range(2)]
    _, well = site.channel("webhook")
    world.courier()
    began = clock.now()

    def send(which, status):
        """An event that ends so on this channel, and well on the other."""
        for i, (_, mark) in enumerate(ill):
            world.sink.script(mark, status if i == which else 200)
        before = [len(site.deliveries(channel)) for channel, _ in ill]
        site.publish(severity="critical")
        ends = [site.ended(channel, n + 1, SOON_S)[-1]["status"] for (channel, _), n in zip(ill, before)]
        assert ends[which] == ("delivered" if status == 200 else "failed") and ends[1 - which] == "delivered"
        world.rest()
        world.leap(2)  # the pace of both

    def told():
        world.look()
        found = [json.loads(r.body)["channelId"] for r in notices(world, well, "channel.failing")]
        return [found.count(channel) for channel, _ in ill]

    send(0, 404)
    assert wait_for(lambda: told() == [1, 0], SOON_S), told()
    send(0, 404)
    world.leap_to(began + HOUR)
    send(0, 200)
    send(0, 404)
    send(1, 404)
    assert wait_for(lambda: told() == [1, 1], SOON_S), told()
    world.leap_to(began + 23 * HOUR)
    send(0, 200)
    send(0, 404)
    assert told() == [1, 1]
    world.leap_to(began + 25 * HOUR)
    send(0, 200)
    send(0, 404)
    assert wait_for(lambda: told() == [2, 1], SOON_S), told()
    send(0, 404)
    assert told() == [2, 1]


# Faults of our own ---------------------------------------------------------------------------------------


@pytest.fixture
def refusing_relay(world):
    kept, world.relay.password = world.relay.password, secret("changed")
    yield world.relay
    world.relay.password = kept


def test_a_relay_that_refuses_us_for_six_days(clock, world, site, refusing_relay):
    """535: tried each minute, nothing failed, nothing off, nobody told, /readyz red; then all is sent, to each once."""
    boxes = [secret("box") + "@example.com" for _ in range(2)]
    channel = site.mail(*boxes)
    world.courier()
    for _ in range(3):
        site.publish()
    world.look()
    minutes, quarters = 5, 24
    for n, wait_s in enumerate([61] * minutes + [DAY / 4] * quarters, 1):
        world.leap(wait_s)
        world.look()
        world.rest()
        assert stack.sql("SELECT min(tries) AS n FROM sigsentry.queue WHERE channel_id = %s", channel)[0]["n"] >= n + 1
    for d in site.deliveries(channel):
        d = site.delivery(channel, d["id"])
        assert (d["status"], d["attempts"]) == ("pending", 0) and set(outcomes(d)) == {"local"}, d
        assert {a["statusCode"] for a in d["attemptList"]} == {535}
        begun = [seconds(a["startedAt"]) for a in d["attemptList"]]
        assert all(b - a > 59 for a, b in zip(begun, begun[1:])) and begun[-1] - begun[0] > 6 * DAY
    shown = stack.shown(site.client, channel)
    assert shown["isActive"] is True and "failingSince" not in shown
    world.leap(61)
    world.look()
    assert "email" in ready(site).json()["error"]["message"] and error(ready(site), 503, "SERVICE_UNAVAILABLE") == {}
    with pytest.raises(stack.CtlFailed, match="type email fail by a fault on our side"):
        stack.ctl("status")

    refusing_relay.password = world.password.read_text().strip()
    world.leap(61)
    ends = site.ended(channel, 3, SOON_S)
    assert {(d["status"], d["attempts"], outcomes(d)[-1]) for d in ends} == {("delivered", 1, "ok")}
    for box in boxes:
        assert len({m["Message-ID"] for m in refusing_relay.got(box)}) == len(refusing_relay.got(box)) == 3
    assert stack.sql("SELECT FROM sigsentry.event WHERE tenant_id = %s AND name LIKE 'channel.%%'", site.tenant) == []
    world.leap(91)
    assert is_ready(site), ready(site)


# Absence -------------------------------------------------------------------------------------------------


def counted():
    """When the counts of the metrics were last made, which is a minute's last chore but for old weeks."""
    return stack.sql("SELECT value FROM sigsentry.gauge WHERE name = 'sigsentry_counted_timestamp_seconds'")[0]["value"]


def wait_for_chores(world, since):
    """Those that a leap has cut off, or that came before it had reached the database, come again with the next minute."""
    assert wait_for(lambda: counted() >= since or world.leap(61), SOON_S, 0.2), "no chores"


def test_no_courier_for_sixty_days(clock, world, site):
    """Producers commit all the same; the first courier delivers everything, says how late, and has done its chores."""
    channel, mark = site.channel("webhook")
    for _ in range(6):
        publish(site)
        clock.leap(10 * DAY)
    publish(site)
    assert error(ready(site), 503, "SERVICE_UNAVAILABLE") == {}
    began = clock.now()
    world.courier()
    got = arrivals(world, mark, 7, SOON_S)
    late = []
    for body in (json.loads(r.body) for r in got):
        days = (began - seconds(body["createdAt"])) / DAY
        assert abs(body.get("lateSeconds", 0) - days * DAY) < HOUR, body
        late.append(round(days))
    assert sorted(late) == [0, 10, 20, 30, 40, 50, 60]
    ends = site.ended(channel, 7, SOON_S)
    assert {(d["status"], d["attempts"]) for d in ends} == {("delivered", 1)} and len(world.sink.got(mark)) == 7
    wait_for_chores(world, began)
    until = stack.sql("SELECT max(to_date(right(relname, 8), 'YYYYMMDD')) - now()::date AS days FROM pg_class"
                      " WHERE relname ~ '^(event|delivery|attempt)_[0-9]{8}$' GROUP BY split_part(relname, '_', 1)")
    assert len(until) == 3 and all(r["days"] > 390 for r in until), until
    assert is_ready(site), ready(site)


def test_old_weeks_go_but_for_what_waits(clock, world, site):
    """History older than history_s is dropped, by whole weeks, once nothing of these waits; the queue is left alone."""
    channel, mark = site.channel("webhook")
    resting = Site()
    their, their_mark = resting.channel("webhook")
    stack.ctl("tenant", "suspend", resting.tenant)
    world.courier(history_s=30 * DAY)

    def keep_house():
        """A minute's chores, whole: those of the next minute have begun."""
        for _ in range(2):
            world.leap(61)
            wait_for_chores(world, clock.now())

    def queue():
        return stack.sql("SELECT id, event_id, tries, created_at FROM sigsentry.queue ORDER BY id")

    began = clock.now()
    for n, day in enumerate((0, 20), 1):
        world.leap_to(began + day * DAY)
        publish(site)
        publish(resting)
        site.ended(channel, n, SOON_S)
    old, young = (d["id"] for d in site.ended(channel, 2, SOON_S))
    waiting = queue()
    assert len(waiting) == 2
    world.leap_to(began + 45 * DAY)  # a week to fill the oldest partition, another one for its events
    keep_house()
    assert queue() == waiting and len(site.deliveries(channel)) == 2, "dropped while deliveries of that week wait"

    stack.ctl("tenant", "resume", resting.tenant)
    world.leap(61)
    late = sorted(json.loads(r.body)["lateSeconds"] for r in arrivals(world, their_mark, 2, SOON_S))
    assert [round(s / DAY) for s in late] == [25, 45]
    world.rest()
    for _ in range(10):  # a partition that somebody looks at just then is left to the next minute
        keep_house()
        if len(site.deliveries(channel)) == 1:
            break
    assert site.client.send("GET", "%s/deliveries/%s" % (at(channel), old)).status == 404
    kept = site.delivery(channel, young)
    assert (kept["status"], outcomes(kept)) == ("delivered", ["ok"])
    assert len(resting.deliveries(their)) == 1
    assert wait_for(lambda: keep_house() or stack.sql("SELECT count(*) AS n FROM sigsentry.event WHERE project_id IN (%s, %s)",
                                                      site.project, resting.project)[0]["n"] == 2, 3 * SOON_S)
    assert len(world.sink.got(mark)) == len(world.sink.got(their_mark)) == 2
