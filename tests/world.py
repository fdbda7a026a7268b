"""The world that deliveries go into: couriers of the tests' own, receivers for all that they send (sink.py), and places whose
channels lead there."""

import os
import pathlib
import re
import secrets
import shutil
import subprocess
import tempfile

import sink as receivers
import stack
from sink import HOSTS, POWER, SINK
from stack import at, end_process, ok, secret, wait_for

EVENTS = "/v1/events"
ALL = ("analysis:create", "analysis:read", "config:read", "config:write")
URLS = {
    "slack": "https://hooks.slack.com/services/T1/B1/%s",
    "teams": "https://outlook.office.com/webhook/%s",
    "discord": "https://discord.com/api/webhooks/1/%s?thread_id=7",
    "google_chat": "https://chat.googleapis.com/v1/spaces/A/messages/%s?key=k",
    "webhook": "https://" + SINK + "/%s",
}
POWER_URL = "https://" + POWER + ":443/workflows/%s/triggers/manual/paths/invoke?api-version=1&sp=%%2Ftriggers&sig=x-_y"
PROGRAM = pathlib.Path(stack.env("SIGSENTRY_BUILD")) / "src" / "sigsentry-courier"
READY = r"level=info .*ev=courier\.ready"


class Courier:
    """One that runs, with its own copy of the config."""

    def __init__(self, folder, *words):
        self.conf = folder / "courier.conf"
        self.conf.write_text(pathlib.Path(stack.env("SIGSENTRY_CONF")).read_text())
        self.log = folder / "courier.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([str(PROGRAM), "-c", str(self.conf), *words], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=folder, env={**os.environ, **stack.clock_vars()})

    def lines(self, pattern):
        return [line for line in self.log.read_text().splitlines() if re.search(pattern, line)]

    def wait(self, pattern, n=1, timeout=10):
        assert wait_for(lambda: len(self.lines(pattern)) >= n, timeout), self.log.read_text()

    def signal(self, which):
        self.process.send_signal(which)

    def runs(self):
        return self.process.poll() is None


class World:
    """The receivers, whose certificate is good for so many days, and couriers that know them."""

    # so that nothing takes long by the machine's clock
    settings = {"retry_schedule": "1 1 2", "lease_s": 2, "drain_s": 1, "connect_timeout_s": 1, "total_timeout_s": 2}

    def __init__(self, days=1):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sigsentry-delivery-"))
        # where the canary test looks for logs
        self.logs = pathlib.Path(stack.env("SIGSENTRY_LOG")) / "delivery"
        path = receivers.certificate(self.folder, *HOSTS, "drop.example.com", "localhost", days=days)
        self.sink = receivers.Sink(path)
        self.forger = receivers.Sink(receivers.certificate(self.folder, "wrong.example.com", own=True), "127.0.0.3")
        self.hole = receivers.BlackHole("127.0.0.2")
        self.relay = receivers.Relay(path)
        self.password = self.folder / "password"
        self.password.write_text(receivers.RELAY_PASSWORD + "\n")
        self.password.chmod(0o600)
        self.pins = ["%s:443:127.0.0.1:%d" % (host, self.sink.port) for host in (*HOSTS, "drop.example.com", "other.example.com")]
        self.pins += ["wrong.example.com:443:127.0.0.3:%d" % self.forger.port,
                      "hole.example.com:443:127.0.0.2:%d" % self.hole.port]
        self.couriers = []

    def courier(self, **changes):
        """Start one; ${changes} replace settings, None leaves one out."""
        settings = {
            "egress_connect_to": " ".join(self.pins), "egress_ca_file": stack.env("SIGSENTRY_CACERT"),
            "smtp_url": "smtp://localhost:%d/courier.example.com" % self.relay.port, "smtp_user": receivers.RELAY_USER,
            "smtp_password_file": self.password, "mail_from": "alerts@example.com", **self.settings, **changes}
        folder = self.logs / secrets.token_hex(4)
        folder.mkdir(parents=True)
        words = [w for k, v in settings.items() if v is not None for w in ("-o", "%s=%s" % (k, v))]
        made = Courier(folder, *words)
        made.wait(READY)
        self.couriers.append(made)
        return made

    def end_couriers(self):
        for c in self.couriers:
            end_process(c.process)
            assert not c.lines("Sanitizer|runtime error:")
        self.couriers = []
        stack.sql("DELETE FROM sigsentry.queue")

    def close(self):
        for receiver in (self.sink, self.forger, self.hole, self.relay):
            receiver.close()
        shutil.rmtree(self.folder)


def dev(what, folder=None):
    """A function of dev/lib.sh, for the stack that is up, or for ${folder}."""
    run = {**os.environ, "RUN_DIR": str(folder or stack.env("RUN_DIR")), "BUILD_DIR": stack.env("SIGSENTRY_BUILD")}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", '. "$0"; ' + what, str(stack.ROOT / "dev" / "lib.sh")],
                          env=run, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


class Site(stack.Place):
    """A place with all permissions, its channels at the sink, and what became of its deliveries."""

    def __init__(self):
        super().__init__("enterprise", ALL)
        self.client = stack.Client(self.key)

    def call(self, method, path, status=200, body=None):
        return ok(self.client.send(method, path, body), status)

    def channel(self, kind, url=None, threshold="low", **credentials):
        """A channel of this type; its id and the mark that requests to it bear."""
        mark = secret(kind.replace("_", ""))
        credentials["url" if kind == "webhook" else "webhookUrl"] = (url or URLS[kind]) % mark
        body = stack.channel(kind, type=kind, severityThreshold=threshold, credentials=credentials)
        return stack.created(self.client.post(body)), mark

    def mail(self, *recipients):
        return stack.created(self.client.post(stack.channel(
            "mail", type="email", severityThreshold="low", credentials={"recipients": list(recipients)})))

    def publish(self, **changes):
        event = {"event": "disk.full", "severity": "high", "summary": "The disk is full", **changes}
        return self.call("POST", EVENTS, 202, event)

    def mailed(self):
        """How many messages count for the tenant's cap today."""
        rows = stack.sql("SELECT sent FROM sigsentry.mail_day WHERE tenant_id = %s ORDER BY day DESC LIMIT 1", self.tenant)
        return rows[0]["sent"] if rows else 0

    def deliveries(self, channel):
        return self.call("GET", at(channel) + "/deliveries?limit=100")["items"]

    def delivery(self, channel, one):
        return self.call("GET", "%s/deliveries/%s" % (at(channel), one))

    def ended(self, channel, n=1, timeout=8):
        """Wait until the channel has ${n} deliveries and none goes on; all of them, oldest first, with their attempts.

        Notices of other channels do not count.
        """
        def look():
            items = [d for d in self.deliveries(channel) if not d["event"].startswith("channel.")]
            return items if len(items) >= n and not {i["status"] for i in items} & {"pending", "sending"} else None
        items = wait_for(look, timeout, 0.05)
        assert items, self.deliveries(channel)
        return [self.delivery(channel, i["id"]) for i in reversed(items)]

    def one(self, channel, timeout=8):
        made, = self.ended(channel, timeout=timeout)
        return made


def answer(status, body=b"", **fields):
    """What the sink is to answer, with such fields."""
    return status, body, {k.replace("_", "-"): v for k, v in fields.items()}


def outcomes(delivery):
    """The outcomes of a delivery's attempts, which are numbered from 1."""
    attempts = delivery["attemptList"]
    assert [a["number"] for a in attempts] == list(range(1, len(attempts) + 1)), attempts
    return [a["outcome"] for a in attempts]


def arrivals(world, mark, n=1, timeout=5):
    """Wait for ${n} requests with the mark; all that have come."""
    wait_for(lambda: len(world.sink.got(mark)) >= n, timeout)
    got = world.sink.got(mark)
    assert len(got) >= n, "%d of %d came" % (len(got), n)
    return got


def notices(world, mark, event):
    return [r for r in world.sink.got(mark) if r.header("x-sigsentry-event") == event]
