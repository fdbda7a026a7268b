"""Goal: what contract §5 promises of events holds from POST /v1/events to the receivers, whatever happens on the way.

Couriers of the tests' own work on the stack's database, with one HTTPS server and one mail relay for all the world
(sink.py).  The stack's own courier would take their deliveries, so it rests meanwhile.
"""

import base64
import datetime
import email.utils
import hashlib
import hmac
import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

import openapi
import sink as receivers
import stack
import world as worlds
from sink import SINK
from stack import at, ok, secret, wait_for
from test_pool import pools  # noqa: F401: a fixture
from test_zz_canary import found_in
from world import EVENTS, POWER_URL, URLS, Site, World, answer, arrivals, dev, notices, outcomes

# The world -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def unlisted():
    """Answers of routes that doc/openapi.json does not list yet are not held against it."""
    def check(method, path, reply, body=None, listed=openapi.check):
        if path and openapi.api().find(method, path):
            listed(method, path, reply, body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openapi, "check", check)
        yield


@pytest.fixture(scope="module")
def all_day():
    """The world, while the stack's courier rests."""
    dev("courier_stop")
    try:
        made = World()
        stack.sql("DELETE FROM sigsentry.queue")
        yield made
        made.close()
    finally:
        dev("courier_start")


@pytest.fixture
def world(all_day):
    """The world, with nothing under way in it before and after."""
    yield all_day
    all_day.end_couriers()
    # /readyz would speak of the faults that were made here
    stack.sql("UPDATE sigsentry.tally_attempt SET last_at = now() - interval '1 hour' WHERE outcome = 'local'")


@pytest.fixture
def site():
    return Site()


def go_now():
    """Let what waits for its next attempt wait no longer."""
    stack.sql("UPDATE sigsentry.queue SET wake_at = now() WHERE claim_id IS NULL AND wake_at > now()")


# Forms -----------------------------------------------------------------------------------------------

EVENT = {
    "event": "analysis.complete", "analysisId": "a-42", "severity": "critical", "createdAt": "2026-11-24T10:00:00Z",
    "summary": "Checkout is slow: <pool> & *queue*", "url": "https://app.example.com/a/42", "confidence": 0.875,
    "rootCause": {"description": "The pool is used up", "service": "checkout", "errorType": "PoolTimeout"},
    "affectedServices": [{"serviceName": "checkout", "role": "origin", "errorCount": 3}, "cart"],
    "suggestedActions": [{"priority": 1, "action": "Raise the pool", "type": "fix"}], "ticket": {"n": 12345678901234567890}}


def check_slack(request, body):
    assert request.path.startswith("/services/T1/B1/") and not request.query
    assert body["text"] and body["attachments"][0]["color"].lower() == "#991b1b"


def check_teams(request, body):
    assert body["type"] == "message"
    card = body["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive" and card["content"]["type"] == "AdaptiveCard"


def check_power(request, body):
    check_teams(request, body)
    assert request.query == {"api-version": ["1"], "sp": ["/triggers"], "sig": ["x-_y"]}
    assert request.path.endswith("/triggers/manual/paths/invoke")


def check_discord(request, body):
    assert request.path.startswith("/api/v10/webhooks/1/")
    assert request.query == {"wait": ["true"], "thread_id": ["7"]}
    assert body["allowed_mentions"] == {"parse": []} and body["embeds"][0]["color"] == 0x991B1B


def check_google(request, body):
    assert request.path.startswith("/v1/spaces/A/messages")
    assert request.query["messageReplyOption"] == ["REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"]
    assert request.query["key"] == ["k"] and len(request.query["requestId"][0]) == 36
    assert body["cardsV2"][0]["card"]["sections"]


FORMS = [("slack", None, check_slack), ("teams", None, check_teams), ("teams", POWER_URL, check_power),
         ("discord", None, check_discord), ("google_chat", None, check_google)]


def v1(key, request):
    signed = b"%s.%s." % (request.header("webhook-id").encode(), request.header("webhook-timestamp").encode())
    return "v1," + base64.b64encode(hmac.digest(key, signed + request.body, "sha256")).decode()


def hexed(key, request):
    return "sha256=" + hmac.new(key, request.body, hashlib.sha256).hexdigest()


def slug_of(site):
    return stack.sql("SELECT slug FROM sigsentry.project WHERE id = %s", site.project)[0]["slug"]


def test_every_type_in_its_form(world, site):
    """A POST with User-Agent and Content-Type, in the platform's own form; each shows the event's time, project and id."""
    made = [(kind, check, *site.channel(kind, url)) for kind, url, check in FORMS]
    world.courier()
    told = site.publish(**EVENT)
    assert set(told) == {"id", "deliveries"} and told["deliveries"] == len(FORMS)
    slug = slug_of(site)
    for kind, check, channel, mark in made:
        request, = arrivals(world, mark)
        assert request.method == "POST" and request.header("content-type").startswith("application/json")
        assert re.fullmatch(r"SigSentry/\S+", request.header("user-agent"))
        assert not [k for k, _ in request.fields if k.lower() in ("cookie", "authorization", "accept-encoding")]
        check(request, json.loads(request.body))
        text = json.dumps(json.loads(request.body), ensure_ascii=False)
        assert told["id"] in text and slug in text and "2026" in text, text
        one = site.one(channel)
        assert (one["status"], one["attempts"]) == ("delivered", 1)
        assert one["eventId"] == told["id"] and outcomes(one) == ["ok"]


@pytest.mark.parametrize("key", [b"plain secret", b"0123456789abcdef0123456789abcdef"], ids=["plain", "whsec"])
def test_the_signed_webhook(world, site, key):
    """The envelope, the event's own fields, and every header that contract §5 names."""
    given = "whsec_" + base64.b64encode(key).decode() if key != b"plain secret" else key.decode()
    authorization = "Bearer " + secret("auth")
    channel, mark = site.channel("webhook", authHeader=authorization, hmacSecret=given)
    world.courier()
    told = site.publish(**EVENT)
    request, = arrivals(world, mark)
    one = site.one(channel)
    body = json.loads(request.body)
    slug = slug_of(site)
    assert body == {**EVENT, "eventId": told["id"], "deliveryId": one["id"], "tenantId": site.tenant, "projectId": site.project,
                    "projectSlug": slug, "createdAt": body["createdAt"], "payloadVersion": 1, **{
                        k: body[k] for k in ("lateSeconds",) if k in body}}
    assert datetime.datetime.fromisoformat(body["createdAt"].replace("Z", "+00:00")) == datetime.datetime(
        2026, 11, 24, 10, tzinfo=datetime.timezone.utc)
    assert request.header("x-sigsentry-event") == "analysis.complete"
    assert request.header("x-sigsentry-delivery") == request.header("webhook-id") == one["id"]
    assert abs(int(request.header("webhook-timestamp")) - time.time()) < 10
    assert request.header("authorization") == authorization
    assert request.header("x-sigsentry-signature") == hexed(given.encode(), request)
    assert request.header("webhook-signature") == v1(key, request)
    assert request.header("x-sigsentry-signature-previous") is None


def test_a_webhook_without_a_secret(world, site):
    """The Standard Webhooks headers are always there; a signature only where there is a secret."""
    _, mark = site.channel("webhook")
    world.courier()
    site.publish()
    request, = arrivals(world, mark)
    assert request.header("webhook-id") and request.header("webhook-timestamp")
    names = {k.lower() for k, _ in request.fields}
    assert not names & {"authorization", "webhook-signature", "x-sigsentry-signature"}


def test_the_mail(world, site):
    """Through STARTTLS and AUTH; From, To, Subject, Message-ID, and a part for each kind of reader."""
    boxes = ["%s@example.com" % secret("m") for _ in range(2)]
    channel = site.mail(*boxes)
    world.courier(mail_envelope_from="bounces@mail.example.com")
    told = site.publish(**EVENT)
    one = site.one(channel)
    assert one["status"] == "delivered"
    for box in boxes:
        message, = world.relay.got(box)
        assert email.utils.parseaddr(message["From"])[1] == "alerts@example.com"
        assert email.utils.parseaddr(message["To"])[1] == box
        assert "CRITICAL" in message["Subject"].upper() and "Checkout is slow: <pool> & *queue*" in message["Subject"]
        assert one["id"] in message["Message-ID"] and message["Date"] and message["MIME-Version"] == "1.0"
        assert message["Auto-Submitted"] == "auto-generated" and message.get_content_type() == "multipart/alternative"
        plain, html = message.iter_parts()
        assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
        assert EVENT["summary"] in plain.get_content() and told["id"] in plain.get_content()
        assert "&lt;pool&gt; &amp; " in html.get_content() and told["id"] in html.get_content()
    senders = {sender for to, sender, _ in world.relay.accepted if to in boxes}
    assert senders == {"bounces@mail.example.com"} and set(world.relay.was_secure) == {True}


# Who is told -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity, reached", [
    ("critical", "critical high medium low"), ("high", "high medium low"), ("low", "low"), ("info", "")])
def test_exactly_those_that_the_answer_counted(world, site, severity, reached):
    """Active channels with severity >= threshold, of the project or tenant-wide; info reaches none."""
    marks = {t: site.channel("webhook", threshold=t)[1] for t in ("critical", "high", "medium", "low")}
    off, off_mark = site.channel("webhook")
    site.call("PUT", at(off), body={"isActive": False})
    elsewhere = stack.new_key(project=stack.new_project(site.tenant))["key"]
    other = secret("other")
    with stack.Client(elsewhere) as c:
        stack.created(c.post(stack.channel(type="webhook", severityThreshold="low", credentials={"url": URLS["webhook"] % other})))
    world.courier()
    told = site.publish(severity=severity)
    reached = reached.split()
    assert told["deliveries"] == len(reached)
    for threshold in reached:
        arrivals(world, marks[threshold])
    shown = {d["status"] for d in wait_for(lambda: all_delivered(site, told), 5) or ["no"]} if reached else set()
    assert shown == ({"delivered"} if reached else set())
    assert {t for t, m in marks.items() if world.sink.got(m)} == set(reached)
    assert not world.sink.got(off_mark) and not world.sink.got(other)


def all_delivered(site, told):
    found = site.call("GET", "%s/%s" % (EVENTS, told["id"]))["deliveries"]
    assert len(found) == told["deliveries"]
    return found if {d["status"] for d in found} == {"delivered"} else None


def test_publish_in_a_producers_transaction(world, site):
    """Event and deliveries appear if and only if that transaction commits."""
    _, mark = site.channel("webhook")
    world.courier()
    link = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    try:
        for end, n in ((link.rollback, 0), (link.commit, 1)):
            with link.cursor() as cursor:
                cursor.execute("SELECT id, deliveries FROM sigsentry.publish(%s, %s)", (
                    site.project, json.dumps({"event": "disk.full", "severity": "high", "summary": "s"})))
                event, deliveries = cursor.fetchone()
                assert deliveries == 1
            time.sleep(0.3)
            assert not world.sink.got(mark)
            end()
            wait_for(lambda: world.sink.got(mark), 3 if n else 0.4)
            assert len(world.sink.got(mark)) == n
            assert site.client.send("GET", "%s/%s" % (EVENTS, event)).status == (200 if n else 404)
    finally:
        link.close()


# Retries ---------------------------------------------------------------------------------------------


def in_two_seconds(form):
    def answer(request):
        at_s = int(time.time()) + 3
        return 503, b"", {"Retry-After": "2" if form == "s" else email.utils.formatdate(at_s, usegmt=True)}
    return answer


# name: (type, URL, answers, outcomes, status, shortest wait before the last attempt)
RETRIES = {
    "500": ("webhook", None, [500, 200], ["retry", "ok"], "delivered", 0.7),
    "404 of a webhook": ("webhook", None, [404, 200], ["retry", "ok"], "delivered", 0.7),
    "400 of a webhook": ("webhook", None, [400, 200], ["retry", "ok"], "delivered", 0.7),
    "a redirect": ("webhook", None, [answer(302, Location="https://sink.example.com/followed"), 200], ["retry", "ok"], "delivered", 0.7),
    "dropped": ("webhook", "https://drop.example.com/%s", ["drop", 200], ["retry", "ok"], "delivered", 0.7),
    "no answer": ("webhook", None, ["hang", 200], ["retry", "ok"], "delivered", 0.7),
    "any 2xx": ("webhook", None, [299], ["ok"], "delivered", 0),
    "Retry-After in seconds": ("webhook", None, [in_two_seconds("s"), 200], ["retry", "ok"], "delivered", 1.9),
    "Retry-After as a date": ("webhook", None, [in_two_seconds("date"), 200], ["retry", "ok"], "delivered", 1.9),
    "the schedule used up": ("webhook", None, [500], ["retry"] * 4, "failed", 1.5),
    "404 of slack": ("slack", None, [404], ["refused"], "failed", 0),
    "400 of discord": ("discord", None, [400], ["refused"], "failed", 0),
    "404 of google": ("google_chat", None, [404], ["refused"], "failed", 0),
    "400 of teams": ("teams", POWER_URL, [400], ["refused"], "failed", 0),
    "not slack's ok": ("slack", None, [answer(200, b"no")], ["refused"], "failed", 0),
    "503 of slack": ("slack", None, [503, 200], ["retry", "ok"], "delivered", 0.7),
    "429 of slack": ("slack", None, [answer(429, b"rate_limited", Retry_After="2"), 200], ["retry", "ok"], "delivered", 1.9),
    "Discord's own wait": ("discord", None, [answer(429, b'{"retry_after":1.6}'), 200], ["retry", "ok"], "delivered", 1.5),
    "a forged certificate": ("webhook", "https://wrong.example.com/%s", [], ["retry"] * 4, "failed", 0),
    "another's certificate": ("webhook", "https://other.example.com/%s", [], ["retry"] * 4, "failed", 0),
}


@pytest.fixture(scope="module")
def tried(all_day):
    """All of the table at once: {name: (site, channel, mark)}; each has a place of its own."""
    def begin(name):
        kind, url, answers, *_ = RETRIES[name]
        place = Site()
        channel, mark = place.channel(kind, url, hmacSecret="s") if kind == "webhook" else place.channel(kind, url)
        if answers:
            all_day.sink.script(mark, *answers)
        assert place.publish()["deliveries"] == 1
        return place, channel, mark

    all_day.courier()
    made = dict(zip(RETRIES, stack.parallel([lambda n=n: begin(n) for n in RETRIES])))
    ends = stack.parallel([lambda m=m: m[0].one(m[1], timeout=12) for m in made.values()], 16)
    all_day.end_couriers()
    return {name: (*made[name], end) for name, end in zip(made, ends)}


@pytest.mark.parametrize("name", RETRIES)
def test_retries(tried, all_day, name):
    """What is tried again, when, and what is not; a repeat bears the same id, and a signature of its own time."""
    _, _, answers, expected, status, wait_s = RETRIES[name]
    _, _, mark, one = tried[name]
    assert (outcomes(one), one["status"]) == (expected, status), one
    got = all_day.sink.got(mark)
    assert len(got) == (len(expected) if answers else 0), "redirected, or delivered to a forger"
    starts = [datetime.datetime.fromisoformat(a["startedAt"].replace("Z", "+00:00")).timestamp() for a in one["attemptList"]]
    if len(starts) > 1:
        assert wait_s <= starts[-1] - starts[-2] < 5.5, starts
    if status == "failed":
        assert one["lastError"] and "nextAttemptAt" not in one and one["finishedAt"]
    if got and got[0].host == SINK:
        assert {r.header("webhook-id") for r in got} == {r.header("x-sigsentry-delivery") for r in got} == {one["id"]}
        stamps = [int(r.header("webhook-timestamp")) for r in got]
        assert all(abs(stamp - r.at) < 1.5 for stamp, r in zip(stamps, got)), stamps
        assert all(r.header("webhook-signature") == v1(b"s", r) for r in got)


def test_no_redirect_was_followed_and_no_forger_told(tried, all_day):
    assert not all_day.sink.got("followed") and not all_day.forger.requests


def test_a_test_is_never_tried_again(world, site):
    """202 with the delivery's id; marked as a test, threshold ignored."""
    channel, mark = site.channel("webhook", threshold="critical")
    world.sink.script(mark, 500)
    world.courier()
    told = site.call("POST", at(channel) + "/test", 202)
    one = site.one(channel)
    assert (one["id"], one["status"], one["test"], outcomes(one)) == (told["deliveryId"], "failed", True, ["retry"])
    time.sleep(1.5)
    request, = world.sink.got(mark)
    assert json.loads(request.body)["test"] is True and request.header("x-sigsentry-event") == "sigsentry.test"


def test_a_finished_one_is_sent_again(world, site):
    """Under its own id, its schedule anew; while it goes on there is no second time."""
    channel, mark = site.channel("slack")
    world.sink.script(mark, 404, 503, 200)
    world.courier()
    site.publish()
    one = site.one(channel)
    again = "%s/deliveries/%s/retry" % (at(channel), one["id"])
    site.call("POST", again, 202)
    assert wait_for(lambda: len(world.sink.got(mark)) == 2, 3)
    assert stack.error(site.client.send("POST", again), 409, "NOT_FINISHED") == {}
    one = site.one(channel)
    assert (one["status"], outcomes(one)) == ("delivered", ["refused", "retry", "ok"])


def test_many_are_sent_again(world, site):
    """Those of a time, in batches, at the channel's pace."""
    channel, mark = site.channel("teams", POWER_URL)
    world.sink.script(mark, 404, 404, 404, 200)
    world.courier()
    since = stack.rfc3339(-5)
    for _ in range(3):
        site.publish()
    assert {d["status"] for d in site.ended(channel, 3)} == {"failed"}
    told = site.call("POST", at(channel) + "/deliveries/retry", 202, {"since": since, "status": ["failed"]})
    assert told == {"queued": 3}
    assert [(d["status"], outcomes(d)) for d in site.ended(channel, 3)] == [("delivered", ["refused", "ok"])] * 3
    got = world.sink.got(mark)[3:]
    assert all(b.at - a.at > 0.2 for a, b in zip(got, got[1:]))


def test_a_channel_deleted_meanwhile(world, site):
    """Its delivery ends after the running attempt, and nobody minds."""
    channel, mark = site.channel("webhook")
    world.sink.script(mark, 0.4)
    courier = world.courier()
    site.publish()
    arrivals(world, mark)
    site.call("DELETE", at(channel))
    courier.wait(r"ev=delivery\.end .*outcome=ok")
    time.sleep(0.2)
    assert none_left(site) and not courier.lines("level=error")


def test_a_suspended_tenants_queue_rests(world, site):
    _, mark = site.channel("webhook")
    site.publish()
    stack.ctl("tenant", "suspend", site.tenant)
    world.courier()
    time.sleep(0.4)
    assert not world.sink.got(mark)
    stack.ctl("tenant", "resume", site.tenant)
    stack.sql("UPDATE sigsentry.lane SET due_at = now() WHERE tenant_id = %s", site.tenant)  # it looks once a minute
    arrivals(world, mark)


# Nothing dies silently -------------------------------------------------------------------------------


def test_gone(world, site):
    """410: off, with reason and audit row; what waits ends as cancelled, also what was under way; the others are told."""
    ill, ill_mark = site.channel("webhook")
    _, well = site.channel("webhook")
    _, deaf = site.channel("webhook", threshold="critical")

    def later(request):
        time.sleep(0.5)
        return 500

    world.sink.script(ill_mark, 410, *[later] * 20)
    for _ in range(12):
        site.publish()
    world.courier()
    ends = site.ended(ill, 12)
    assert sorted({d["status"] for d in ends}) == ["cancelled", "failed"]
    assert [outcomes(d) for d in ends if d["status"] == "failed"] == [["gone"]]
    shown = stack.shown(site.client, ill)
    assert shown["isActive"] is False and set(shown["disabledReason"]) == {"code", "message", "at"}
    assert [a["after"]["isActive"] for a in stack.audit_rows(ill) if a["action"] == "channel.disable"] == [False]
    assert wait_for(lambda: notices(world, well, "channel.disabled"), 5)
    body = json.loads(notices(world, well, "channel.disabled")[0].body)
    assert body["severity"] == "high" and body["channelId"] == ill
    assert wait_for(lambda: len(world.sink.got(well)) == 12 + 1, 5)
    assert (len(notices(world, well, "channel.failing")), len(notices(world, well, "channel.disabled"))) == (0, 1)
    for mark in (ill_mark, deaf):
        assert not [r for r in world.sink.got(mark) if r.header("x-sigsentry-event").startswith("channel.")]
    # and back
    again = [d["id"] for d in ends if d["status"] == "cancelled"][0]
    path = "%s/deliveries/%s/retry" % (at(ill), again)
    stack.error(site.client.send("POST", path), 409, "CHANNEL_INACTIVE")
    world.sink.script(ill_mark, 200)
    site.call("PUT", at(ill), body={"isActive": True})
    assert "disabledReason" not in stack.shown(site.client, ill)
    site.call("POST", path, 202)
    assert wait_for(lambda: site.delivery(ill, again)["status"] == "delivered", 5)


def test_a_stale_outcome_changes_nothing(world, site):
    """Who lost its lease and says so late is not listened to."""
    channel, _ = site.channel("webhook")
    site.publish()
    one = site.deliveries(channel)[0]["id"]
    for outcome, wait in (("gone", None), ("ok", None), ("retry", 1)):
        assert stack.sql("SELECT courier.record(ARRAY[%s]::uuid[], ARRAY[%s]::uuid[], ARRAY[gen_random_uuid()], ARRAY[%s], ARRAY[%s]::bigint[],"
                         " '{0}', '{0}', '{0}', '{410}', '{x}', '{NULL}', '{NULL}', '{0}', 1) AS n", site.tenant, one, outcome, wait) == [{"n": 0}]
    assert stack.shown(site.client, channel)["isActive"] is True
    assert (site.deliveries(channel)[0]["status"], site.delivery(channel, one)["attemptList"]) == ("pending", [])


def test_published_while_it_was_switched_off(world, site):
    """An event that did not see the change yet: its delivery ends as cancelled, and a test goes all the same."""
    channel, mark = site.channel("webhook")
    site.publish()
    stack.sql("UPDATE sigsentry.channel SET is_active = false WHERE id = %s", channel)
    site.call("POST", at(channel) + "/test", 202)
    world.courier()
    assert [(d["status"], d["test"]) for d in site.ended(channel, 2)] == [("cancelled", False), ("delivered", True)]
    assert len(world.sink.got(mark)) == 1


@pytest.mark.parametrize("kind, gone", [
    ("discord", answer(404, b'{"code":10015,"message":"Unknown Webhook"}')), ("slack", answer(404, b"no_service")),
    ("slack", answer(404, b"no_active_hooks"))], ids=["10015", "no_service", "no_active_hooks"])
def test_a_vanished_channel_of_a_platform(world, site, kind, gone):
    channel, mark = site.channel(kind)
    world.sink.script(mark, gone)
    world.courier()
    site.publish()
    assert outcomes(site.one(channel)) == ["gone"]
    assert stack.shown(site.client, channel)["isActive"] is False


def test_failing_is_told_once_until_the_next_success(world, site):
    """And not more than once a day; a notice causes no notice."""
    ill, mark = site.channel("teams", POWER_URL)
    _, well = site.channel("webhook")
    also, also_mark = site.channel("discord")
    world.sink.script(also_mark, 404)
    world.courier()

    def tell(answers, n, day_later=False):
        if day_later:
            stack.sql("UPDATE sigsentry.lane SET told_failing_at = told_failing_at - interval '25 hours',"
                      " pause_until = '-infinity' WHERE channel_id = %s", ill)
        world.sink.script(mark, *answers)
        before = len(site.deliveries(ill))
        stack.sql("UPDATE sigsentry.channel SET is_active = false WHERE id = %s", also)
        site.publish()
        site.ended(ill, before + 1)
        stack.sql("UPDATE sigsentry.channel SET is_active = true WHERE id = %s", also)
        time.sleep(0.2)
        found = [json.loads(r.body)["channelId"] for r in notices(world, well, "channel.failing")]
        assert found == [ill] * n

    tell([404], 1)
    tell([404], 1)
    tell([404], 1, day_later=True)
    tell([200], 1)
    tell([404], 2)
    tell([200], 2)
    tell([404], 2)


def test_failures_only_for_five_days(world, site):
    """Switched off; on again by PUT, its clock starts anew."""
    channel, mark = site.channel("webhook")
    world.sink.script(mark, 500)
    world.courier()
    site.publish()
    arrivals(world, mark)
    stack.sql("UPDATE sigsentry.lane SET failing_since = now() - interval '5 days' WHERE channel_id = %s", channel)
    assert site.one(channel)["status"] in ("failed", "cancelled")
    shown = stack.shown(site.client, channel)
    assert shown["isActive"] is False and shown["disabledReason"]["code"] == "failing"
    site.call("PUT", at(channel), body={"isActive": True})
    world.sink.script(mark, 500, 200)
    told = site.publish()
    assert wait_for(lambda: all_delivered(site, told), 5)
    assert stack.shown(site.client, channel)["isActive"] is True


# Rotated secrets -------------------------------------------------------------------------------------


def test_a_rotated_secret(world, site):
    """Both sign while they overlap, then the new one alone; at once where the overlap is 0."""
    channel, mark = site.channel("webhook", hmacSecret="old")
    world.courier()

    def sent(*keys):
        before = len(world.sink.got(mark))
        site.publish()
        request = arrivals(world, mark, before + 1)[-1]
        assert request.header("webhook-signature") == " ".join(v1(k, request) for k in keys)
        assert request.header("x-sigsentry-signature") == hexed(keys[0], request)
        old = request.header("x-sigsentry-signature-previous")
        assert old == (hexed(keys[1], request) if len(keys) > 1 else None)

    sent(b"old")
    site.call("PATCH", at(channel), body={"credentials": {"hmacSecret": "new"}})
    sent(b"new", b"old")
    site.call("PATCH", at(channel), body={"credentials": {"hmacSecret": "newer"}, "hmacOverlapSeconds": 1})
    sent(b"newer", b"new")
    time.sleep(1.1)
    sent(b"newer")
    site.call("PATCH", at(channel), body={"credentials": {"hmacSecret": "newest"}, "hmacOverlapSeconds": 0})
    sent(b"newest")


# Egress ----------------------------------------------------------------------------------------------


@pytest.fixture
def own_names(world, monkeypatch):
    """own_names(line) gives couriers an /etc/hosts of one line; None where that cannot be done."""
    def make(line):
        program = worlds.PROGRAM
        for name, text in (("hosts", line), ("inner", "mount --bind %s/hosts /etc/hosts; exec %s" % (world.folder, program)),
                           ("outer", "exec unshare -m %s/inner" % world.folder)):
            path = world.folder / name
            path.write_text(text + "\n" if name == "hosts" else '#!/bin/sh\n%s "$@"\n' % text)
            path.chmod(0o755)
        monkeypatch.setattr(worlds, "PROGRAM", world.folder / "outer")

    return make if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0 else None


def test_addresses_that_nothing_is_sent_to(world, site, pools, own_names):  # noqa: F811
    """A stored private address, or a name that resolves to one: refused, and the delivery has failed."""
    pool = pools("egress_allow=127.0.0.0/8 10.0.0.0/8").ready()
    made = []
    for host in ("127.0.0.1:%d" % world.sink.port, "10.1.2.3", "inner.example.com:%d" % world.sink.port):
        answer = pool.create(site.key, stack.channel(type="webhook", severityThreshold="low", credentials={
            "url": "https://%s/%s" % (host, secret("inner"))}))
        assert answer.status == 201
        made.append(answer.reply.json()["data"]["id"])
    if own_names:
        own_names("127.0.0.1 localhost inner.example.com.")  # names are asked for with their dot
    else:
        site.call("DELETE", at(made.pop()))
    world.courier()
    before = len(world.sink.requests)
    assert site.publish()["deliveries"] == len(made)
    for channel in made:
        one = site.one(channel)
        assert (outcomes(one), one["status"]) == (["refused"], "failed"), one
    assert len(world.sink.requests) == before


def test_a_resolver_that_is_ill(world, site):
    """Names that do not resolve are tried again; from the twentieth in a row on it is our own fault."""
    dead_names(site, 22)
    world.courier(retry_schedule="60")
    site.publish()
    assert wait_for(lambda: len(tried_of(site)) == 22, 10)
    assert sorted(tried_of(site)) == ["local"] * 3 + ["retry"] * 19


def dead_names(site, n):
    for i in range(n):
        site.channel("webhook", "https://n%d.%s.example.com/%%s" % (i, secrets.token_hex(4)))


def test_what_an_ill_resolver_can_hide_behind(world, own_names):
    """An answer that needed no resolver does not count between two names in a row; a name that was found does."""
    first, pinned, second, named, third = [Site() for _ in range(5)]
    for site in (first, second, third):
        dead_names(site, 11)
    mark = pinned.channel("webhook")[1]
    if own_names:
        named.channel("webhook", "https://inner.example.com/%s")
        own_names("127.0.0.1 localhost inner.example.com.")  # names are asked for with their dot
    world.courier(retry_schedule="600")
    first.publish()
    assert wait_for(lambda: len(tried_of(first)) == 11, 10)
    pinned.publish()
    arrivals(world, mark)
    second.publish()
    assert wait_for(lambda: len(tried_of(second)) == 11, 10)
    assert sorted(tried_of(first) + tried_of(second)) == ["local"] * 3 + ["retry"] * 19
    if own_names:
        named.publish()
        assert wait_for(lambda: tried_of(named) == ["refused"], 5), tried_of(named)
        third.publish()
        assert wait_for(lambda: len(tried_of(third)) == 11, 10)
        assert set(tried_of(third)) == {"retry"}


def tried_of(site):
    return [r["outcome"] for r in stack.sql("SELECT outcome FROM sigsentry.attempt WHERE tenant_id = %s", site.tenant)]


# Pace ------------------------------------------------------------------------------------------------


class Gauge:
    """An answer that takes ${seconds}, and how many were given at once at the most."""

    def __init__(self, seconds):
        self.seconds, self.now, self.most, self.lock = seconds, 0, 0, threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        return 200


def test_pace_and_order(world, site):
    """At most so many under way to one channel, Slack once a second, and within a channel the gravest next."""
    gauge = Gauge(0.1)
    _, slow = site.channel("webhook")
    _, slack = site.channel("slack")
    world.sink.script(slow, gauge)
    world.courier()
    site.publish(severity="low", summary="low 0")
    arrivals(world, slack, 1)
    for n in range(1, 30):
        site.publish(severity="low", summary="low %d" % n)
        if n == 1:
            site.publish(severity="critical", summary="grave")
    got = arrivals(world, slack, 3)
    gaps = [b.at - a.at for a, b in zip(got, got[1:])]
    assert min(gaps) > 0.85, gaps
    order = [re.search(r"grave|low \d+", r.body.decode())[0] for r in got]
    assert order == ["low 0", "grave", "low 1"]
    assert len(arrivals(world, slow, 31)) == 31 and 4 < gauge.most <= 8


def test_dead_destinations_delay_nobody(world, site):
    """A host that accepts and never answers, on forty channels: the healthy one's arrive within a second."""
    marks = [site.channel("webhook", "https://hole.example.com/%s")[1] for _ in range(40)]
    _, well = site.channel("webhook")
    world.courier(total_timeout_s=15, connect_timeout_s=15)
    for n in (1, 2, 3):
        began = time.monotonic()
        assert site.publish()["deliveries"] == len(marks) + 1
        arrivals(world, well, n, timeout=2)
        assert time.monotonic() - began < 1
    assert world.hole.kept


def test_failing_channels_share_half_of_the_flights(world, site):
    """With more of them than flights, a healthy channel's event goes at once."""
    ill = [site.channel("webhook")[1] for _ in range(12)]
    for mark in ill:
        world.sink.script(mark, 500, "hang")
    world.courier(max_flights=8, total_timeout_s=4)
    site.publish()
    for mark in ill:
        arrivals(world, mark)
    _, well = site.channel("webhook", threshold="critical")
    assert wait_for(lambda: sum(len(world.sink.got(m)) == 2 for m in ill) >= 4, 3)
    time.sleep(0.3)
    assert sum(len(world.sink.got(m)) == 2 for m in ill) == 4
    for n in (1, 2, 3):
        began = time.monotonic()
        stack.sql("SELECT sigsentry.publish(%s, %s)", site.project, json.dumps(
            {"event": "disk.full", "severity": "critical", "summary": "s"}))
        arrivals(world, well, n, timeout=2)
        assert time.monotonic() - began < 1


def test_more_channels_than_flights(world, site):
    """Whatever a claim leaves behind is claimed by the next one."""
    marks = [site.channel("webhook")[1] for _ in range(6)]
    for _ in range(10):
        site.publish()
    world.courier(max_flights=4)
    for mark in marks:
        assert len(arrivals(world, mark, 10)) == 10


# Faults ----------------------------------------------------------------------------------------------


class Stream:
    """Publishes events until it is stopped; `told` are the ids of the accepted ones."""

    def __init__(self, site, pause_s=0.01):
        self.key, self.pause_s = site.key, pause_s
        self.told, self.ending = [], threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        with stack.Client(self.key) as c:
            while not self.ending.is_set():
                reply = c.send("POST", EVENTS, {"event": "disk.full", "severity": "high", "summary": "s"})
                if reply.status == 202:
                    self.told.append(ok(reply, 202)["id"])
                else:
                    assert reply.status == 503, reply
                self.ending.wait(self.pause_s)

    def wait_for_more(self, n=20):
        goal = len(self.told) + n
        assert wait_for(lambda: len(self.told) >= goal, 15), "the stream stands still"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


def all_arrived(world, marks, told, timeout=15, once=False):
    """Every event at every channel; a repeat bears the id of the first."""
    def missing():
        return [m for m in marks if not set(told) <= {json.loads(r.body)["eventId"] for r in world.sink.got(m)}]
    assert told and wait_for(lambda: not missing(), timeout, 0.1), "events are lost"
    for mark in marks:
        ids = {}
        for request in world.sink.got(mark):
            ids.setdefault(json.loads(request.body)["eventId"], []).append(request.header("webhook-id"))
        assert all(len(set(i)) == 1 for i in ids.values()), "a repeat with another id"
        assert not once or all(len(i) == 1 for i in ids.values()), "sent twice without need"


def none_left(site):
    return stack.sql("SELECT count(*) AS n FROM sigsentry.queue WHERE tenant_id = %s", site.tenant)[0]["n"] == 0


def two_channels(world, site, seconds=0.05):
    marks = [site.channel("webhook")[1] for _ in range(2)]
    for mark in marks:
        world.sink.script(mark, seconds)
    return marks


def test_killed_couriers(world, site):
    """kill -9 of one of two, three times, under a stream of events."""
    marks = two_channels(world, site)
    couriers = [world.courier(), world.courier()]
    with Stream(site) as stream:
        for n in range(3):
            stream.wait_for_more()
            couriers[n].process.kill()
            couriers.append(world.courier())
    all_arrived(world, marks, stream.told)
    assert wait_for(lambda: none_left(site), 5)


def test_drain(world, site):
    """SIGTERM: what is under way ends, exit status 0, the rest waits for the next one."""
    channel, mark = site.channel("webhook")
    world.sink.script(mark, 0.6)
    courier = world.courier(drain_s=5)
    for _ in range(12):
        site.publish()
    arrivals(world, mark, 8)
    courier.signal(signal.SIGTERM)
    assert courier.process.wait(4) == 0
    assert sorted(d["status"] for d in site.deliveries(channel)) == ["delivered"] * 8 + ["pending"] * 4
    world.courier()
    assert {d["status"] for d in site.ended(channel, 12)} == {"delivered"}
    assert len(world.sink.got(mark)) == 12


def test_drain_without_patience(world, site):
    """What does not end in time is handed back: the next courier has it at once, not after its lease."""
    channel, mark = site.channel("webhook")
    world.sink.script(mark, *["hang"] * 3, 200)
    courier = world.courier(drain_s=0, lease_s=600, total_timeout_s=60)
    for _ in range(3):
        site.publish()
    arrivals(world, mark, 3)
    courier.signal(signal.SIGTERM)
    assert courier.process.wait(3) == 0
    assert [(d["status"], d["attempts"]) for d in site.deliveries(channel)] == [("pending", 0)] * 3
    world.courier()
    assert [outcomes(d) for d in site.ended(channel, 3, timeout=3)] == [["ok"]] * 3


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_a_claim(world, site, signo):
    """Flights begin some at a time: those that wait for theirs are handed back as well, and outlive a reload."""
    marks = [site.channel("webhook")[1] for _ in range(150)]
    courier = world.courier(drain_s=0, lease_s=600)
    site.publish()
    assert wait_for(lambda: any(world.sink.got(m) for m in marks), 5)
    courier.signal(signo)
    if signo == signal.SIGTERM:
        assert courier.process.wait(3) == 0
        world.courier()
    else:
        courier.wait(r"level=info .*ev=courier\.reload")
    assert wait_for(lambda: all(world.sink.got(m) for m in marks) and none_left(site), 5)


def test_reload_under_load(world, site):
    """SIGHUP three times: every event arrives, and once."""
    marks = two_channels(world, site)
    courier = world.courier()
    with Stream(site) as stream:
        for n in range(3):
            stream.wait_for_more()
            courier.signal(signal.SIGHUP)
            courier.wait(r"level=info .*ev=courier\.reload", n + 1)
    all_arrived(world, marks, stream.told, once=True)


def test_reload_while_somebody_hangs(world, site):
    """What is under way goes on, and nobody else waits for it."""
    slow, mark = site.channel("webhook")
    world.sink.script(mark, 1.6)
    courier = world.courier(total_timeout_s=10)
    told = site.publish()
    arrivals(world, mark)
    _, well = site.channel("webhook", threshold="high")
    began = time.monotonic()
    for n in (1, 2):
        courier.signal(signal.SIGHUP)
        courier.wait(r"level=info .*ev=courier\.reload", n)
    site.publish()
    arrivals(world, well)
    assert time.monotonic() - began < 1 and site.deliveries(slow)[-1]["status"] == "sending"
    assert [outcomes(d) for d in site.ended(slow, 2)] == [["ok"]] * 2
    assert [json.loads(r.body)["eventId"] for r in world.sink.got(mark)].count(told["id"]) == 1


def test_the_database_dies(world, site):
    """Killed and started anew under load: what was accepted arrives, by the same courier."""
    marks = two_channels(world, site)
    courier = world.courier()
    with Stream(site) as stream:
        stream.wait_for_more()
        stack.dev_pg("kill")
        stack.dev_pg("start")
        stream.wait_for_more()
    all_arrived(world, marks, stream.told)
    assert wait_for(lambda: none_left(site), 5) and courier.runs()


def test_the_sink_goes_and_comes(world, site):
    channel, mark = site.channel("webhook")
    world.courier()
    world.sink.close()
    try:
        site.publish()
        assert wait_for(lambda: site.deliveries(channel)[0]["attempts"] == 1, 3)
        assert site.deliveries(channel)[0]["nextAttemptAt"] and not world.sink.got(mark)
    finally:
        world.sink.open()
    one = site.one(channel)
    assert outcomes(one)[0] == "retry" and outcomes(one)[-1] == "ok" and len(world.sink.got(mark)) == 1


def test_a_key_that_is_missing(world, site):
    """Local: no attempt is used up, no clock starts; once the key is there, it goes."""
    channel, mark = site.channel("webhook")
    ring = pathlib.Path(re.search(r"(?m)^keyring_private *= *(\S+)", pathlib.Path(stack.env("SIGSENTRY_CONF")).read_text())[1])
    own = world.folder / "keyring"
    conf = world.folder / "keyring.conf"
    conf.write_text("keyring_private = %s\nkeyring_public = %s.public\n" % (own, own))
    words = stack.env("SIGSENTRY_CTL").split()[0]
    subprocess.run([words, "-c", str(conf), "keyring", "generate"], check=True, capture_output=True)
    courier = world.courier(keyring_private=own)
    site.publish()
    assert wait_for(lambda: "lastError" in site.deliveries(channel)[0], 3)
    one = site.delivery(channel, site.deliveries(channel)[0]["id"])
    assert outcomes(one) == ["local"] and site.deliveries(channel)[0]["attempts"] == 0
    assert stack.sql("SELECT failing_since FROM sigsentry.lane WHERE channel_id = %s", channel) == [{"failing_since": None}]
    wait = datetime.datetime.fromisoformat(one["nextAttemptAt"].replace("Z", "+00:00")).timestamp() - time.time()
    assert 50 < wait < 61
    own.write_bytes(ring.read_bytes())
    courier.signal(signal.SIGHUP)
    courier.wait(r"level=info .*ev=courier\.reload")
    go_now()
    one = site.one(channel)
    assert (one["status"], outcomes(one)) == ("delivered", ["local", "ok"]) and len(world.sink.got(mark)) == 1


# E-mail ----------------------------------------------------------------------------------------------


def boxes(*names):
    return ["%s.%s@example.com" % (n, secret("m")) for n in names]


def test_recipients_that_are_not_accepted(world, site):
    """Only those not yet accepted are tried again; who has it gets it once, who was refused for good is asked no more."""
    good, bad, late, other = boxes("good", "bad", "late", "other")
    world.relay.scripts.update({bad: ["550 5.1.1 no such user"], late: ["451 4.7.1 later", "250 ok"],
                                other: ["451 4.7.1 later", "250 ok"]})
    mixed, greylisted = site.mail(good, bad, late), site.mail(other)
    world.courier()
    site.publish()
    one = site.one(mixed)
    assert (one["status"], outcomes(one)) == ("failed", ["retry", "refused"]) and "2 of 3" in one["lastError"], one
    assert one["attemptList"][0]["responseExcerpt"].startswith("451 4.7.1 later")
    assert [a.get("statusCode") for a in one["attemptList"]] == [451, 550]
    assert [len(world.relay.got(b)) for b in (good, bad, late)] == [1, 0, 1]
    assert [world.relay.asked.count(b) for b in (good, bad, late)] == [1, 1, 2]
    assert not found_in(json.dumps(one).encode(), stack.CANARY), "an address is a credential"
    one = site.one(greylisted)
    assert (one["status"], outcomes(one)) == ("delivered", ["retry", "ok"])


def test_who_was_served_before_a_stop(world, site):
    """SIGTERM in the middle of the list: who has it gets it no second time, and the cap counts each once."""
    first, slow, last = boxes("first", "slow", "last")
    world.relay.scripts[slow] = [20.0, "250 ok"]
    channel = site.mail(first, slow, last)
    courier = world.courier(drain_s=0, lease_s=600, total_timeout_s=60)
    site.publish()
    assert wait_for(lambda: slow in world.relay.asked, 5)
    courier.signal(signal.SIGTERM)
    assert courier.process.wait(5) == 0
    assert [(d["status"], d["attempts"]) for d in site.deliveries(channel)] == [("pending", 0)]
    world.courier()
    one = site.one(channel)
    assert (one["status"], outcomes(one)) == ("delivered", ["ok"])
    assert [len(world.relay.got(b)) for b in (first, slow, last)] == [1, 1, 1]
    assert site.mailed() == 3


def test_one_recipient_that_the_relay_wants_a_password_for(world, site):
    """That is our own fault, and the other recipients have their mail all the same."""
    outside, inside = boxes("outside", "inside")
    world.relay.scripts[outside] = ["530 5.7.0 authentication required", "250 ok"]
    channel = site.mail(outside, inside)
    world.courier()
    site.publish()
    assert wait_for(lambda: "lastError" in site.deliveries(channel)[0], 5)
    assert site.deliveries(channel)[0]["attempts"] == 0 and len(world.relay.got(inside)) == 1
    go_now()
    one = site.one(channel)
    assert (one["status"], outcomes(one)) == ("delivered", ["local", "ok"])
    assert [len(world.relay.got(b)) for b in (outside, inside)] == [1, 1]


def test_the_relay_goes_and_comes(world, site):
    """That is our own fault: no attempt is used up."""
    box, = boxes("box")
    channel = site.mail(box)
    world.courier()
    world.relay.close()
    try:
        site.publish()
        assert wait_for(lambda: "lastError" in site.deliveries(channel)[0], 5)
        assert site.deliveries(channel)[0]["attempts"] == 0
    finally:
        world.relay.open()
    go_now()
    one = site.one(channel)
    assert (one["status"], outcomes(one), len(world.relay.got(box))) == ("delivered", ["local", "ok"], 1)


def test_a_relay_that_refuses_us(world, site):
    """535 is local, too, and turns /readyz red."""
    channel = site.mail(*boxes("box"))
    bad = world.folder / "bad"
    bad.write_text("wrong\n")
    world.courier(smtp_password_file=bad)
    site.publish()
    assert wait_for(lambda: "lastError" in site.deliveries(channel)[0], 5)
    one = site.delivery(channel, site.deliveries(channel)[0]["id"])
    assert outcomes(one) == ["local"] and "535" in one["lastError"] and one["status"] == "pending"
    told = site.client.send("GET", "/readyz")
    assert told.status == 503 and "a fault on our side" in told.json()["error"]["message"], told


def test_domains_that_mail_may_go_to(world, site):
    inside, outside = "%s@ops.example.com" % secret("m"), "%s@example.org" % secret("m")
    allowed, mixed = site.mail(inside), site.mail(inside.replace("ops", "dev"), outside)
    world.courier(mail_allow_domains=".example.com")
    site.publish()
    assert site.one(allowed)["status"] == "delivered"
    assert site.one(mixed)["status"] == "failed"
    assert len(world.relay.got(inside.replace("ops", "dev"))) == 1 and outside not in world.relay.asked


def test_the_operator_hears_of_it(world, site):
    """operator_mail gets what the other channels get, though the channel that fails is the only one; a relay that is away
    delays it, and it comes once."""
    stack.sql("DELETE FROM sigsentry.operator_notice")
    operator, = boxes("operator")
    channel, mark = site.channel("slack")
    world.sink.script(mark, (400, b"invalid_payload", {}))
    world.courier()
    site.publish()
    assert site.one(channel)["status"] == "failed"
    world.end_couriers()
    world.relay.close()
    try:
        courier = world.courier(operator_mail=operator)
        courier.wait(r"ev=notice\.end .*outcome=local")
    finally:
        world.relay.open()
    world.end_couriers()
    assert stack.sql("SELECT taken_at IS NOT NULL AS is_taken FROM sigsentry.operator_notice") == [{"is_taken": True}]
    # five minutes later another courier takes it
    stack.sql("UPDATE sigsentry.operator_notice SET taken_at = now() - interval '6 minutes'")
    world.courier(operator_mail=operator)
    assert wait_for(lambda: stack.sql("SELECT count(*) AS n FROM sigsentry.operator_notice")[0]["n"] == 0, 5)
    message, = world.relay.got(operator)
    text = message.get_body(("plain",)).get_content()
    assert '"slack" (slack, hooks.slack.com) fails' in text and "invalid_payload" in text and mark not in text
    assert site.mailed() == 0, "the operator's mail is not the tenant's"


def test_the_daily_cap(world, site):
    """What is over a tenant's cap waits for the next day (UTC); another tenant's mail goes."""
    (box,), other = boxes("box"), Site()
    channel, beside = site.mail(box), other.mail(*boxes("beside"))
    world.courier(mail_daily_cap=2)
    for n in range(2):
        site.publish()
        site.ended(channel, n + 1)
    site.publish()
    other.publish()
    assert other.one(beside)["status"] == "delivered"
    lane = "SELECT due_at = date_trunc('day', now(), 'UTC') + interval '1 day' AS is_tomorrow FROM sigsentry.lane WHERE channel_id = %s"
    assert wait_for(lambda: stack.sql(lane, channel) == [{"is_tomorrow": True}], 5)
    assert (len(world.relay.got(box)), site.mailed()) == (2, 2)
    stack.sql("UPDATE sigsentry.mail_day SET day = day - 1 WHERE tenant_id = %s", site.tenant)
    stack.sql("UPDATE sigsentry.lane SET due_at = now() WHERE channel_id = %s", channel)
    assert {d["status"] for d in site.ended(channel, 3)} == {"delivered"} and len(world.relay.got(box)) == 3


# Secrets ---------------------------------------------------------------------------------------------


def test_an_echo_is_struck_out(world, site):
    """A sink that answers with all that it was sent: no credential in the history."""
    channel, mark = site.channel("webhook", authHeader="Bearer " + secret("auth"), hmacSecret=secret("hmac"))
    world.sink.script(mark, lambda r: (500, ("%s %r " % (r.path, r.fields)).encode() + base64.b64encode(r.path.encode()), {}), 200)
    world.courier()
    site.publish()
    one = site.one(channel)
    excerpt = one["attemptList"][0]["responseExcerpt"]
    assert "***" in excerpt and "SigSentry/" in excerpt and not found_in(json.dumps(one).encode(), stack.CANARY)


def test_no_secret_is_told(all_day):
    """In no courier's log, in no process listing, in no dump of the database."""
    logs = list(all_day.logs.rglob("*"))
    assert len([p for p in logs if p.is_file()]) > 40
    marks = (stack.CANARY, receivers.RELAY_PASSWORD)
    for path in logs:
        assert path.is_dir() or not any(found_in(path.read_bytes(), m) for m in marks), path
    dump = subprocess.run(["pg_dump", "--dbname", stack.env("SIGSENTRY_DSN")], capture_output=True, timeout=60)
    assert dump.returncode == 0 and b"The disk is full" in dump.stdout, dump.stderr
    assert not any(found_in(dump.stdout, m) for m in marks)
    courier = all_day.courier()
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                data = (folder / name).read_bytes()
            except OSError:
                continue
            assert int(folder.name) == os.getpid() or not any(found_in(data, m) for m in marks), folder
    assert courier.runs()
    all_day.end_couriers()
