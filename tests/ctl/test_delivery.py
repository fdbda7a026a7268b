"""Goal: sigsentryctl publishes, shows, repeats and judges deliveries by the same rules as the API (contract §5, §9).

The stack's courier stands still meanwhile, so that what is in the queue is what the test has put there.
"""

import json
import os
import pathlib
import re
import secrets
import signal
import subprocess

import pytest

from test_ctl import CTL, NOBODY, ROOT, STAMP, ctl, env, misused, new_project, new_tenant, one_line, plain, refused, run, sql

EVENT = {"event": "analysis.complete", "analysisId": "a-1", "severity": "critical", "summary": "It broke."}
DELIVERY = {"id", "tenantId", "channelId", "eventId", "event", "severity", "status", "attempts", "test", "createdAt",
            "nextAttemptAt", "finishedAt", "lastStatusCode", "lastError"}
COURIER = {"id", "name", "version", "alive", "lastBeatAt", "lastBeatSeconds", "leaseSeconds", "flights", "startedAt"}


@pytest.fixture(autouse=True, scope="module")
def stopped():
    pid = int(pathlib.Path(env("SIGSENTRY_COURIER_PIDS")).read_text().split()[0])
    os.kill(pid, signal.SIGSTOP)
    sql("DELETE FROM sigsentry.queue")
    sql("UPDATE sigsentry.tally_attempt SET last_at = now() - interval '1 hour' WHERE outcome = 'local'")
    yield
    sql("DELETE FROM sigsentry.queue")
    os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGHUP)  # beats its heart at once


@pytest.fixture(autouse=True)
def alive():
    """A courier has beaten its heart just now."""
    sql("UPDATE sigsentry.courier SET beat_at = now()")
    sql("INSERT INTO sigsentry.courier (id, name, version, key_ids, lease_s, flights)"
        " SELECT sigsentry.uuid_v7(), 'test', '0', '{}', 60, 0 WHERE NOT EXISTS (SELECT FROM sigsentry.courier)")


class Place:
    """A tenant with a project and a channel."""

    def __init__(self):
        self.tenant = new_tenant("business")
        self.project = new_project(self.tenant)
        self.channel = self.add_channel()

    def add_channel(self):
        return str(sql("INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, destination)"
                       " VALUES (%s, sigsentry.uuid_v7(), %s, 'webhook', 'w', 3, 'example.com') RETURNING id",
                       self.tenant, self.project)[0][0])

    def publish(self, n=1, **changes):
        """Publish n events; their deliveries' ids, oldest first."""
        before = {d["id"] for d in self.list()}
        sql("SELECT sigsentry.publish(%s, %s::jsonb) FROM generate_series(1, %s)", self.project,
            json.dumps(dict(EVENT, **changes)), n)
        return [d["id"] for d in self.list()[::-1] if d["id"] not in before]

    def list(self, *words):
        return ctl("delivery", "list", "--tenant", self.tenant, "--limit", "100000", *words)

    def end(self, status="failed", only=None):
        """End what waits, as a courier would have."""
        sql("WITH q AS (DELETE FROM sigsentry.queue WHERE tenant_id = %s AND (%s IS NULL OR id = %s::uuid) RETURNING *)"
            " INSERT INTO sigsentry.delivery SELECT q.tenant_id, q.id, q.channel_id, q.event_id, %s, q.is_test, 3, q.created_at,"
            " now(), 500, 'it said 500' FROM q", self.tenant, only, only, status)

    def switch(self, on):
        sql("UPDATE sigsentry.channel SET is_active = %s WHERE tenant_id = %s", on, self.tenant)


@pytest.fixture
def place():
    made = Place()
    yield made
    ctl("tenant", "delete", made.tenant, "--yes")


def given(words, text):
    """Run with ${text} on standard input."""
    return subprocess.run(CTL + words, input=text, capture_output=True, timeout=60)


# publish ---------------------------------------------------------------------------------------------


def test_publish(place, tmp_path):
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENT))
    made = ctl("publish", "--project", place.project, file)
    assert set(made) == {"id", "deliveries"} and made["deliveries"] == 1
    [row] = sql("SELECT payload, deliveries FROM sigsentry.event WHERE tenant_id = %s AND id = %s", place.tenant, made["id"])
    assert row == (EVENT, 1)
    text = plain("publish", file, "--project", place.project)
    assert re.fullmatch(r"id          [0-9a-f-]{36}\ndeliveries  1\n", text)
    done = given(["--json", "publish", "-", "--project", place.project], json.dumps(dict(EVENT, severity="info")).encode())
    assert done.returncode == 0 and json.loads(done.stdout)["deliveries"] == 0


def test_publish_issues(place):
    done = given(["publish", "--project", place.project, "-"],
                 b'{"event":"analysis.complete","severity":"worst","url":"http://x","eventId":1,"confidence":2}')
    assert (done.returncode, done.stdout) == (1, b"")
    lines = done.stderr.decode().splitlines()
    assert all(line.startswith("sigsentryctl: standard input: ") for line in lines)
    assert [line.split()[3] for line in lines] == ["analysisId", "severity", "summary", "url", "confidence", "eventId"]
    assert place.list() == []


@pytest.mark.parametrize("text,said", [
    (b"", "standard input: is empty; it must hold the event as a JSON object"),
    (b"{\n'event': 1}", "standard input: line 2, column 1"),
    (b'{"a":1,"a":2}', "(a)"),
    (b"[1]", "the body must be a JSON object, not a JSON array"),
    (json.dumps(EVENT)[:-1].encode() + b',"n":1e200000}', "a number that is too large"),
    (b" " * 262145, "is longer than 262144 bytes"),
], ids=["empty", "quotes", "twice", "array", "number", "long"])
def test_publish_what_is_none(place, text, said):
    done = given(["publish", "--project", place.project, "-"], text)
    assert done.returncode == 1 and said in done.stderr.decode() and done.stdout == b"", done
    assert place.list() == []


def test_publish_refusals(tmp_path):
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENT))
    assert refused("publish", "--project", NOBODY, file).startswith("there is no such project")
    assert refused("publish", "--project", NOBODY, tmp_path / "none").endswith("No such file or directory")
    assert "needs --project" in misused("publish", file)
    assert "needs a word behind it, FILE" in misused("publish", "--project", NOBODY)


# delivery list ------------------------------------------------------------------------------------------


def test_list(place):
    first, second = place.publish() + place.publish(severity="low", summary="x\x1b[31m")
    place.end("failed", first)
    found = place.list()
    assert [d["id"] for d in found] == [second, first] and all(set(d) == DELIVERY for d in found)
    ended, waiting = found[1], found[0]
    assert (ended["status"], ended["severity"], ended["attempts"], ended["test"]) == ("failed", "critical", 3, False)
    assert (ended["lastStatusCode"], ended["lastError"], ended["event"]) == (500, "it said 500", "analysis.complete")
    assert (ended["tenantId"], ended["channelId"]) == (place.tenant, place.channel)
    assert STAMP.fullmatch(ended["createdAt"]) and STAMP.fullmatch(ended["finishedAt"]) and ended["nextAttemptAt"] is None
    assert (waiting["status"], waiting["severity"], waiting["finishedAt"], waiting["lastError"]) == ("pending", "low", None, None)
    text = plain("delivery", "list", "--channel", place.channel)
    assert text.splitlines()[0].split()[:2] == ["ID", "TENANT"] and len(text.splitlines()) == 3
    assert "\x1b" not in text


def test_list_filters(place):
    other = place.add_channel()
    ids = place.publish(2)
    assert len(ids) == 4
    place.end("failed", ids[0])
    place.end("cancelled", ids[1])

    def shown(*words):
        return {d["id"] for d in place.list(*words)}

    assert shown("--status", "failed") == {ids[0]}
    assert shown("--status=cancelled", "--status", "failed") == set(ids[:2])
    assert shown("--status", "pending") == set(ids[2:])
    assert {d["channelId"] for d in place.list("--channel", other)} == {other} and len(shown("--channel", other)) == 2
    assert shown("--channel", NOBODY) == set()
    assert [d["id"] for d in ctl("delivery", "list", "--limit", "2", "--tenant", place.tenant)] == ids[:1:-1]
    assert set(ids) <= {d["id"] for d in ctl("delivery", "list", "--since", "1d", "--limit", "100000")}
    sql("UPDATE sigsentry.delivery SET created_at = now() - interval '2 days' WHERE tenant_id = %s", place.tenant)
    assert shown("--since", "1d") == set(ids[2:])


@pytest.mark.parametrize("words,said", [
    (["delivery", "list", "--status"], "--status needs a value behind it"),
    (["delivery", "list", "--status", "faild"], "--status must be pending"),
    (["delivery", "list", "--status=x"], "--status must be pending"),
    (["delivery", "list", "--status", "x"], "--status needs a value"),
    (["migrate", "--status=failed"], "--status takes no value"),
    (["migrate", "--status", "failed"], "--status takes no value"),
    (["setup", "--status"], "setup does not take --status"),
    (["delivery", "list", "--channel", "x"], "--channel must be an id"),
    (["delivery", "retry"], "say which deliveries"),
    (["delivery", "retry", "--channel", NOBODY], "say which deliveries"),
    (["delivery", "retry", "--since", "1d"], "say which deliveries"),
    (["delivery", "retry", NOBODY, "--channel", NOBODY], "not both"),
    (["delivery", "retry", "x"], "--delivery must be an id"),
    (["delivery", "retry", "--channel", NOBODY, "--since", "1d", "--status", "pending"], "what has not ended is tried by itself"),
    (["status", "--nagios", "--json"], "leave --json out"),
])
def test_usage(words, said):
    assert said in misused(*words)


@pytest.mark.parametrize("words", [["--status", "migrate"], ["migrate", "--status"], ["migrate", "--status", "--json"]])
def test_status_of_migrate_stands_anywhere(words):
    assert "applied" in plain(*words)


def test_status_of_deliveries_stands_anywhere(place):
    [one] = place.publish()
    place.end()
    for words in (["--status", "failed", "delivery", "list"], ["delivery", "--status", "failed", "list"]):
        assert [d["id"] for d in ctl(*words, "--tenant", place.tenant)] == [one]


# delivery retry -----------------------------------------------------------------------------------------


def test_retry(place):
    ids = place.publish(3)
    place.end()
    assert ctl("delivery", "retry", *ids[:2]) == {"queued": 2}
    assert plain("delivery", "retry", "--delivery", ids[2]) == "queued  1\n"
    found = place.list()
    assert {d["id"] for d in found} == set(ids) and {d["status"] for d in found} == {"pending"}
    assert {d["attempts"] for d in found} == {0}


def test_retry_refusals(place):
    good, early, switched_off = place.publish(3)
    place.end("failed", good)
    place.end("failed", switched_off)
    done = run("delivery", "retry", good, early, NOBODY)
    assert (done.returncode, done.stdout) == (1, "queued  1\n")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("sigsentryctl: %s: the delivery has not ended" % early)
    assert lines[1].startswith("sigsentryctl: %s: there is no such delivery" % NOBODY) and len(lines) == 2
    place.switch(False)
    assert "the channel is switched off" in refused("delivery", "retry", switched_off)
    assert "the channel is switched off" in refused("delivery", "retry", "--channel", place.channel, "--since", "1d")
    sql("UPDATE sigsentry.delivery SET is_test = true WHERE id = %s", switched_off)
    assert ctl("delivery", "retry", switched_off) == {"queued": 1}  # a test may
    assert refused("delivery", "retry", "--channel", NOBODY, "--since", "1d").startswith("there is no such channel")


def test_retry_many(place):
    """In batches; each once, though it may have failed again meanwhile."""
    place.add_channel()
    ids = place.publish(1050)
    place.end("failed")
    mine = [d["id"] for d in place.list("--channel", place.channel)]
    sql("UPDATE sigsentry.delivery SET status = 'cancelled' WHERE id = %s", mine[0])
    sql("UPDATE sigsentry.delivery SET status = 'delivered' WHERE id = %s", mine[1])
    sql("UPDATE sigsentry.delivery SET is_test = true WHERE id = %s", mine[2])
    words = ["delivery", "retry", "--channel", place.channel]
    assert ctl(*words, "--since", "1d", "--until", "1d") == {"queued": 0}
    assert ctl(*words, "--since", "1d") == {"queued": 1047}
    assert ctl(*words, "--since", "1d", "--status", "cancelled", "--status", "delivered") == {"queued": 2}
    assert ctl(*words, "--since", "1d") == {"queued": 0}
    assert len(ids) == 2100 and len(place.list("--status", "pending")) == 1049


# status -------------------------------------------------------------------------------------------------


def nagios(*words):
    """The exit status, the text and the performance data."""
    done = run("status", "--nagios", *words)
    assert done.stderr == "" and done.stdout.count("\n") == 1, done
    text, bar, data = done.stdout.rstrip("\n").partition(" | ")
    for one in data.split():
        assert re.fullmatch(r"[a-z_]+=\d+s?(;[\d:]*){2};0", one), one
    return done.returncode, text, dict(one.split("=") for one in data.split())


def test_status(place):
    before = ctl("status")
    one = place.publish(3)[0]
    place.end("failed", one)
    found = ctl("status")
    assert set(found) == {"now", "waiting", "sending", "oldestDueSeconds", "deliveredLastHour", "failedLastHour",
                          "couriersAlive", "localFault", "heldAt", "heldBy", "heldWhy", "couriers"}
    assert (found["waiting"], found["sending"]) == (before["waiting"] + 2, 0)
    assert found["failedLastHour"] == before["failedLastHour"] + 1 and found["couriersAlive"] >= 1
    assert all(set(c) == COURIER for c in found["couriers"]) and found["couriers"][0]["alive"]
    text = plain("status")
    assert "waiting" in text and "LAST BEAT AT" in text
    status, text, data = nagios()
    assert (status, text.split()[:2]) == (0, ["OK", "-"])
    assert data["waiting"] == "%d;;;0" % found["waiting"] and data["oldest_due"].endswith(";150;300;0")


def test_status_overdue(place):
    place.publish()
    sql("UPDATE sigsentry.queue SET created_at = now() - interval '200 seconds' WHERE tenant_id = %s", place.tenant)
    assert nagios()[:1] == (1,) and nagios()[1].startswith("WARNING - ")
    assert plain("status") and nagios("-o", "ready_oldest_due_s=0")[0] == 0
    done = run("status", "-o", "ready_oldest_due_s=100")
    assert done.returncode == 1 and "waiting" in done.stdout
    assert re.fullmatch(r"the oldest due delivery has waited for 20\d s", one_line(done))
    status, text, _ = nagios("-o", "ready_oldest_due_s=100")
    assert status == 2 and text.startswith("CRITICAL - the oldest due delivery has waited for 20")


def test_status_without_courier():
    sql("UPDATE sigsentry.courier SET beat_at = now() - make_interval(secs => lease_s + 1)")
    done = run("status", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["couriersAlive"] == 0
    assert one_line(done) == "no courier has beaten its heart within its lease"
    assert nagios()[0] == 2


def test_status_local_fault():
    try:
        sql("INSERT INTO sigsentry.tally_attempt VALUES (%s, 'email', 'local', 1, now())", NOBODY)
        assert "channels of the type email fail by a fault on our side" in one_line(run("status"))
        assert nagios()[:2][0] == 2
    finally:
        sql("DELETE FROM sigsentry.tally_attempt WHERE courier_id = %s", NOBODY)


def test_status_that_cannot_be_found_out(tmp_path):
    away = ["-o", "database=host=%s dbname=x" % tmp_path]
    assert "cannot reach the database" in refused("status", *away)
    for words in (away, ["-o", "no_such_key=1"]):
        done = run("status", "--nagios", *words)
        assert done.returncode == 2 and done.stdout.startswith("CRITICAL - ") and done.stderr == ""
    assert "no_such_key" in refused("status", "-o", "no_such_key=1")


def test_manual():
    manual = (ROOT / "doc" / "sigsentryctl.8").read_text()
    for word in ("publish", "delivery list", "delivery retry", "status", "Fl -nagios", "Fl -until", "Fl -channel"):
        assert word in manual, word
