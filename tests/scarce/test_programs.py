"""Goal: a program whose memory runs out says so, loses nothing that it acknowledged, and goes on.

Every allocation that a worker makes for a request fails in turn, every one of a command of sigsentryctl, and, over and over,
of a courier with deliveries under way.
"""

import json
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
        self.channel = id_of(pool.create(self.key, of_kind("webhook", "kept-" + secrets.token_hex(8))))
        event = {"event": "disk.full", "severity": "high", "summary": "The disk is full"}
        self.event = event
        assert self.send("POST", worlds.EVENTS, event).status == 202

    def send(self, method, path, body=None):
        return self.pool.send(method, path, self.key, body).reply


REQUESTS = {
    "create": lambda s: ("POST", stack.PATH, of_kind("webhook", "n-" + secrets.token_hex(8))),
    "create an email channel": lambda s: ("POST", stack.PATH, of_kind("email", "n-" + secrets.token_hex(8))),
    "create, all wrong": lambda s: ("POST", stack.PATH, {"type": "slack", "nmae": 1, "credentials": {"webhookUrl": "http://x"}}),
    "no JSON": lambda s: ("POST", stack.PATH, b"{"),
    "list": lambda s: ("GET", stack.PATH, None),
    "read": lambda s: ("GET", at(s.channel), None),
    "read none": lambda s: ("GET", at(uuid.uuid4()), None),
    "change": lambda s: ("PATCH", at(s.channel), {"name": "n-" + secrets.token_hex(8), "credentials": {"hmacSecret": "x" * 32}}),
    "replace": lambda s: ("PUT", at(s.channel), of_kind("webhook", "n-" + secrets.token_hex(8))),
    "publish": lambda s: ("POST", worlds.EVENTS, s.event),
    "deliveries": lambda s: ("GET", at(s.channel) + "/deliveries?limit=5", None),
    "test": lambda s: ("POST", at(s.channel) + "/test", None),
    "settings": lambda s: ("GET", "/v1/config/settings", None),
    "health": lambda s: ("GET", "/healthz", None),
    "ready": lambda s: ("GET", "/readyz", None),
    "metrics": lambda s: ("GET", "/metrics", None),
    "no such route": lambda s: ("GET", "/v1/none", None),
    "delete": lambda s: ("DELETE", at(id_of(s.pool.create(s.key, channel("n-" + secrets.token_hex(8))))), None),
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
    usual = served.send(*REQUESTS[what](served)).status
    seen = set()
    for n in range(CALLS_MAX):
        request = REQUESTS[what](served)
        scarce.fail(n)
        reply = served.send(*request)
        hits = scarce.end()
        assert reply is not None, "allocation %d: no answer: %s" % (n, served.pool.said()[-500:])
        seen.add(reply.status)
        assert reply.status == usual or hits and reply.status in (500, 503), "allocation %d: %s" % (n, reply)
        # never half an answer, and never an empty one that should have a body
        if what == "metrics" and reply.status == 200:
            assert b"sigsentry_build_info" in reply.body, (n, reply)
        elif reply.status != 204:
            assert reply.header("content-type") == "application/json" and set(reply.json()) <= {"success", "data", "error"}, (n, reply)
        if not hits:
            break
    assert n < CALLS_MAX - 1 and reply.status == usual
    assert served.pool.workers() == [served.pid], "a worker has ended: %s" % served.pool.said()[-500:]


# Commands --------------------------------------------------------------------------------------------

COMMANDS = ["--version", "status", "check", "plan list", "tenant list", "channel list --tenant %(tenant)s", "queue status",
            "tenant create --name x --plan pro", "project create --tenant %(tenant)s --name x --slug %(slug)s",
            "apikey create --project %(project)s --kind secret --permission config:write --name x",
            "apikey list --tenant %(tenant)s", "keyring list", "keyring check", "delivery list --tenant %(tenant)s",
            "--json status", "no-such-command", "tenant create --nmae x", "migrate"]


@pytest.mark.parametrize("words", COMMANDS)
def test_command(scarce, place, words):
    argv = shlex.split(stack.env("SIGSENTRY_CTL"))
    for n in range(CALLS_MAX):
        line = words % {"tenant": place.tenant, "project": place.project, "slug": "p" + secrets.token_hex(6)}
        scarce.fail(n)
        done = subprocess.run(argv + shlex.split(line), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                              env=scarce.environ)
        hits = scarce.end()
        assert done.returncode >= 0, "allocation %d: signal %d" % (n, -done.returncode)
        if done.returncode != 0:
            assert done.stderr.strip() or done.stdout.strip(), "allocation %d: it fails in silence" % n
        if not hits:
            break
    assert n < CALLS_MAX - 1


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
