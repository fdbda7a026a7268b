"""Goal: a program whose memory runs out says so, loses nothing that it acknowledged, and goes on.

Every allocation that a worker makes for a request fails in turn, every one of a command of sigsentryctl, and, over and over,
of a courier with deliveries under way.
"""

import re
import secrets
import shlex
import subprocess
import uuid

import pytest

import stack
import world as worlds
from stack import at, channel, of_kind
from test_pool import pools  # noqa: F401: a fixture

CALLS_MAX = 2000  # of one request or command; they are some dozen


# Workers ---------------------------------------------------------------------------------------------


def id_of(answer):
    """The channel that was made."""
    return answer.reply.json()["data"]["id"]


class Served:
    """A pool of one worker that has what requests ask for."""

    def __init__(self, pool, place):
        self.pool, self.key = pool, place.key
        self.pid, = pool.workers()
        self.tenant = place.tenant
        self.channel = id_of(pool.create(self.key, of_kind("webhook", "kept-" + secrets.token_hex(8))))
        self.sealed, self.doomed, self.threshold = stack.sealed(self.channel), None, "low"
        event = {"event": "disk.full", "severity": "high", "summary": "The disk is full"}
        self.event = event
        assert self.send("POST", worlds.EVENTS, event).status == 202

    def other_threshold(self):
        self.threshold = {"low": "high", "high": "low"}[self.threshold]
        return {"defaultSeverityThreshold": self.threshold}

    def send(self, method, path, body=None):
        return self.pool.send(method, path, self.key, body).reply


def named():
    return "n-" + secrets.token_hex(8)


# What was acknowledged, in the database -----------------------------------------------------------------


def made(served, body, reply):
    row = stack.channel_row(reply.json()["data"]["id"])
    assert (row["name"], row["type"]) == (body["name"], body["type"])
    assert set(stack.sealed(row["id"])) == set(body["credentials"])


def changed(served, body, reply):
    """And nothing of the one that was changed before."""
    row = stack.channel_row(served.channel)
    assert row["name"] == body["name"]
    # each time it is sealed anew; which of them it was is not to be seen from outside
    now = stack.sealed(served.channel)
    assert set(now) == set(stack.CREDENTIALS["webhook"])
    assert all(now[field] != served.sealed.get(field) for field in body["credentials"])
    served.sealed = now


def published(served, body, reply):
    data = reply.json()["data"]
    assert len(stack.sql("SELECT FROM sigsentry.event WHERE id = %s AND name = %s", data["id"], body["event"])) == 1
    assert len(stack.sql("SELECT FROM sigsentry.delivery_all WHERE event_id = %s", data["id"])) == data["deliveries"] > 0


def sent(served, body, reply):
    rows = stack.sql("SELECT channel_id::text AS channel, is_test FROM sigsentry.delivery_all WHERE id = %s", reply.json()["data"]["deliveryId"])
    assert rows == [{"channel": served.channel, "is_test": True}]


def gone(served, body, reply):
    assert stack.sql("SELECT FROM sigsentry.channel WHERE id = %s", served.doomed) == []


def set_to(served, body, reply):
    assert stack.sql("SELECT sigsentry.severity_word(default_severity) AS word FROM sigsentry.tenant WHERE id = %s",
                     served.tenant) == [{"word": body["defaultSeverityThreshold"]}]


def doomed(served):
    served.doomed = id_of(served.pool.create(served.key, channel(named())))
    return ("DELETE", at(served.doomed), None)


# Name -> the status that it has when nothing is scarce, what is sent, and what must be so after a status below 300.
REQUESTS = {
    "create": (201, lambda s: ("POST", stack.PATH, of_kind("webhook", named())), made),
    "create an email channel": (201, lambda s: ("POST", stack.PATH, of_kind("email", named())), made),
    "create, all wrong": (400, lambda s: ("POST", stack.PATH, {"type": "slack", "nmae": 1, "credentials": {"webhookUrl": "http://x"}}), None),
    "no JSON": (400, lambda s: ("POST", stack.PATH, b"{"), None),
    "list": (200, lambda s: ("GET", stack.PATH, None), None),
    "read": (200, lambda s: ("GET", at(s.channel), None), None),
    "read none": (404, lambda s: ("GET", at(uuid.uuid4()), None), None),
    "change": (200, lambda s: ("PATCH", at(s.channel), {"name": named(), "credentials": {"hmacSecret": "x" * 32}}), changed),
    "replace": (200, lambda s: ("PUT", at(s.channel), {"name": named(), "credentials": stack.credentials_of("webhook")}), changed),
    "publish": (202, lambda s: ("POST", worlds.EVENTS, s.event), published),
    "deliveries": (200, lambda s: ("GET", at(s.channel) + "/deliveries?limit=5", None), None),
    "test": (202, lambda s: ("POST", at(s.channel) + "/test", None), sent),
    "settings": (200, lambda s: ("GET", stack.PATH + "/settings", None), None),
    "change the settings": (200, lambda s: ("PUT", stack.PATH + "/settings", s.other_threshold()), set_to),
    "health": (200, lambda s: ("GET", "/healthz", None), None),
    "ready": (200, lambda s: ("GET", "/readyz", None), None),
    "metrics": (200, lambda s: ("GET", "/metrics", None), None),
    "no such route": (404, lambda s: ("GET", "/v1/none", None), None),
    "delete": (200, doomed, gone),
}


@pytest.fixture(scope="module")
def place():
    stack.ctl("plan", "set", "scarce", "--channels", "unlimited", "--reads-per-minute", "unlimited",
              "--writes-per-minute", "unlimited")
    return stack.Place("scarce", worlds.ALL)


@pytest.mark.parametrize("what", REQUESTS)
def test_worker(pools, scarce, place, what):  # noqa: F811
    scarce.end()
    served = Served(pools(workers=1, env=scarce.environ).ready(1), place)
    usual, request_of, kept = REQUESTS[what]
    for n in range(CALLS_MAX):
        request = request_of(served)
        scarce.fail(n)
        reply = served.send(*request)
        hits = scarce.end()
        assert reply is not None, "allocation %d: no answer: %s" % (n, served.pool.said()[-500:])
        assert reply.status == usual or hits and reply.status in (500, 503), "allocation %d: %s" % (n, reply)
        # never half an answer, and never an empty one that should have a body
        if what == "metrics" and reply.status == 200:
            assert b"sigsentry_build_info" in reply.body, (n, reply)
        else:
            assert reply.header("content-type") == "application/json" and set(reply.json()) <= {"success", "data", "error"}, (n, reply)
        if kept and reply.status == usual:
            kept(served, request[2], reply)
        if not hits:
            break
    assert n < CALLS_MAX - 1 and n > 0
    assert served.pool.workers() == [served.pid], "a worker has ended: %s" % served.pool.said()[-500:]


# Commands --------------------------------------------------------------------------------------------

COMMANDS = ["--version", "status", "check", "plan list", "tenant list", "channel list --tenant %(tenant)s", "queue status",
            "tenant create --name x --plan pro", "project create --tenant %(tenant)s --name x --slug %(slug)s",
            "apikey create --project %(project)s --kind secret --permission config:write --name x",
            "apikey list --tenant %(tenant)s", "keyring list", "keyring check", "delivery list --tenant %(tenant)s",
            "--json status", "no-such-command", "tenant create --nmae x", "migrate"]
# What a command makes: the table.
MAKES = {"tenant create --name": "tenant", "project create": "project", "apikey create": "api_key"}
NEW = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def form(answer):
    """What is the same each time: without ids, keys, numbers and times, and the width of columns that hold them."""
    answer = re.sub(r"ss_secret_\w+|\bp[0-9a-f]{12}\b", "KEY", NEW.sub("ID", answer))
    return re.sub(r"[ ─-]+", " ", re.sub(r"\d+", "N", answer))


@pytest.mark.parametrize("words", COMMANDS)
def test_command(scarce, place, words):
    argv = shlex.split(stack.env("SIGSENTRY_CTL"))
    table = next((t for start, t in MAKES.items() if words.startswith(start)), None)

    def run():
        line = words % {"tenant": place.tenant, "project": place.project, "slug": "p" + secrets.token_hex(6)}
        return subprocess.run(argv + shlex.split(line), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                              env=scarce.environ)
    scarce.end()
    usual = run()
    assert usual.stdout or usual.returncode == 2
    for n in range(CALLS_MAX):
        scarce.fail(n)
        done = run()
        hits = scarce.end()
        assert done.returncode >= 0, "allocation %d: signal %d" % (n, -done.returncode)
        if done.returncode != 0:
            assert done.stderr.strip() or done.stdout.strip(), "allocation %d: it fails in silence" % n
        else:
            # all of it, or it has not done what it says
            assert form(done.stdout) == form(usual.stdout), "allocation %d" % n
        if done.returncode == 0 and table:
            ids = set(NEW.findall(done.stdout)) - {place.tenant, place.project}
            assert len(ids) == 1 and len(stack.sql("SELECT FROM sigsentry.%s WHERE id = %%s" % table, ids.pop())) == 1, "allocation %d" % n
        if not hits:
            break
    assert n < CALLS_MAX - 1 and done.returncode == usual.returncode


@pytest.mark.parametrize("words, code", [("status --nagios", 2), ("status", 1), ("--json status", 1), ("check", 1), ("--json check", 1)])
def test_bad_news(scarce, words, code):
    """Are never good ones: the queue is held, which each of these says."""
    argv = shlex.split(stack.env("SIGSENTRY_CTL")) + shlex.split(words)
    stack.ctl("queue", "hold", "--reason", "because of the test")
    try:
        for n in range(CALLS_MAX):
            scarce.fail(n)
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, env=scarce.environ)
            hits = scarce.end()
            assert done.returncode == code or hits and done.returncode > 0, "allocation %d: %s" % (n, done)
            if not hits:
                break
        assert n < CALLS_MAX - 1 and "because of the test" in done.stdout + done.stderr
    finally:
        stack.ctl("queue", "release")


# Couriers --------------------------------------------------------------------------------------------


def go_now():
    stack.sql("UPDATE sigsentry.queue SET wake_at = now() WHERE claim_id IS NULL AND wake_at > now()")


def test_courier(scarce, place, monkeypatch):
    """Deliveries go on while an allocation in so many fails; what was claimed is claimed again, and ends."""
    worlds.dev("courier_stop")
    for name in ("LD_PRELOAD", "SCARCE"):
        monkeypatch.setenv(name, scarce.environ[name])
    world = worlds.World()
    try:
        scarce.end()
        stack.sql("DELETE FROM sigsentry.queue")
        courier = world.courier()
        for name in ("LD_PRELOAD", "SCARCE"):
            monkeypatch.delenv(name)
        site = worlds.Site()
        web, mark = site.channel("webhook")
        site.channel("slack")
        site.mail("a@example.com")
        hits = 0
        for every in (3, 7, 13, 29, 53, 101):
            scarce.fail(0, every)
            for _ in range(5):
                site.publish()
            stack.wait_for(lambda: False, 2)
            hits += scarce.end()
            assert courier.runs(), courier.log.read_text()[-2000:]
        assert hits > 50
        # a fault of our own is looked at again in a minute
        assert stack.wait_for(lambda: [go_now()] and not stack.sql("SELECT FROM sigsentry.queue"), 30, 0.5), \
            stack.sql("SELECT * FROM sigsentry.queue")
        assert {d["status"] for d in site.ended(web, 30)} == {"delivered"}
        before = len(world.sink.got(mark))
        site.publish()
        assert stack.wait_for(lambda: len(world.sink.got(mark)) > before, 10), "it does not deliver any more"
    finally:
        scarce.end()
        world.end_couriers()
        world.close()
        worlds.dev("courier_start")
