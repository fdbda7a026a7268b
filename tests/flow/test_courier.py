"""Goal: the courier keeps house from its first second to its last, and nothing that happens around it ends it.

A courier of the test's own, beside the stack's: both work on one database, and what one has done the other need not do.
"""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import time

import pytest

import stack
from stack import end_process, wait_for
from world import PROGRAM, READY, Courier


@pytest.fixture
def courier(tmp_path):
    """courier(words...) starts one; it is ended with the test."""
    running = []

    def start(*words):
        running.append(Courier(tmp_path, *words))
        return running[-1]

    yield start
    for c in running:
        end_process(c.process)
        # a sanitizer would have said so
        assert not c.lines("Sanitizer|runtime error:")


@pytest.mark.parametrize("program", ["sigsentry-courier", "sigsentry-api"])
@pytest.mark.parametrize("words,says", [
    (["more"], '"more" is not an option'), (["-o", "poll_ms=20"] * 65, "more than 64 times -o"), (["-z"], "usage:")])
def test_a_command_line_that_is_not_understood(program, words, says):
    """Exit status 2, and what was wrong."""
    done = subprocess.run([PROGRAM.with_name(program), *words], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and says in done.stderr, done.stderr


def leave_traces(place):
    """What is to be forgotten, and beside each what is not yet: the marks of both."""
    old, young = secrets.token_bytes(32), secrets.token_bytes(32)
    for mac, age in ((old, "24 hours 1 second"), (young, "23 hours")):
        stack.sql("INSERT INTO sigsentry.idempotency (tenant_id, key_id, key_mac, project_id, request_mac, answer, created_at)"
                  " VALUES (%s, %s, %s, %s, %s, '{}', now() - %s::interval)", place.tenant, place.key_id, mac,
                  place.project, mac, age)
    stack.sql("INSERT INTO sigsentry.permit (tenant_id, key_id, kind, minute, taken, granted)"
              " VALUES (%s, %s, 'read', now() - interval '2 hours', 1, 1)", place.tenant, place.key_id)
    return old, young


def left(place):
    rows = stack.sql("SELECT key_mac FROM sigsentry.idempotency WHERE tenant_id = %s", place.tenant)
    permits = stack.sql("SELECT kind FROM sigsentry.permit WHERE tenant_id = %s AND kind = 'read'", place.tenant)
    return {bytes(r["key_mac"]) for r in rows}, len(permits)


def counted():
    """When the counts of the metrics were made, in seconds since 1970."""
    rows = stack.sql("SELECT value FROM sigsentry.gauge WHERE name = 'sigsentry_counted_timestamp_seconds'")
    return rows[0]["value"] if rows else 0


@contextlib.contextmanager
def no_database():
    stack.dev_pg("stop")
    try:
        yield
    finally:
        stack.dev_pg("start")


def test_it_keeps_house_when_it_starts(place, courier):
    old, young = leave_traces(place)
    assert left(place) == ({old, young}, 1)
    began = time.time()
    c = courier("-o", "log_level=debug")
    c.wait(READY)
    c.wait(r"ev=house\.done .*batches=")
    assert left(place) == ({young}, 0)
    assert counted() >= began - 1
    kinds = {r["label"]: r["value"] for r in stack.sql("SELECT label, value FROM sigsentry.gauge"
                                                       " WHERE name = 'sigsentry_api_keys'")}
    assert set(kinds) == {'kind="pub"', 'kind="secret"', 'kind="org"'} and kinds['kind="secret"'] >= 1
    assert not [line for line in c.lines("level=(warn|error)") if "ev=delivery." not in line]


def test_a_replaced_secret_goes_when_its_time_has_come(place, courier):
    with stack.Client(place.key) as client:
        made = stack.created(client.post(stack.channel(type="webhook", credentials={
            "url": "https://example.com/", "hmacSecret": stack.secret("hmac")})))
    stack.sql("UPDATE sigsentry.credential SET previous_sealed = sealed, previous_until = now() +"
              " CASE field WHEN 'url' THEN interval '1 hour' ELSE interval '-1 second' END WHERE channel_id = %s", made)
    courier("-o", "log_level=debug").wait(r"ev=house\.done")
    rows = stack.sql("SELECT field, previous_sealed IS NULL AS gone, previous_until IS NULL AS done"
                     " FROM sigsentry.credential WHERE channel_id = %s", made)
    assert {r["field"]: (r["gone"], r["done"]) for r in rows} == {"hmacSecret": (True, True), "url": (False, False)}


def test_it_starts_before_its_database(place, courier):
    """It waits, saying so, and does its chores when there is something to do them with."""
    old, young = leave_traces(place)
    with no_database():
        c = courier("-o", "log_level=debug")
        c.wait(READY)
        c.wait(r"level=error .*ev=db\.connect .*error=")
        assert c.runs()
    # the stack's own courier must not be the one that does it
    c.wait(r"ev=house\.done", timeout=20)
    assert wait_for(lambda: left(place) == ({young}, 0), 5)


def test_the_database_goes_and_comes(place, courier):
    """The next chores find the new server.  SIGHUP has them done at once, not after the rest of the minute."""
    c = courier("-o", "log_level=debug")
    c.wait(r"ev=house\.done")
    stack.dev_pg("kill")
    stack.dev_pg("start")
    leave_traces(place)
    assert c.runs()
    c.signal(signal.SIGHUP)
    c.wait(r"ev=house\.done", n=2)
    assert not c.lines(r"ev=house\.fail")
    # the stack's own may have been at it
    assert wait_for(lambda: left(place)[1] == 0, 5)


def test_reload(courier):
    c = courier()
    c.wait(READY)
    good = c.conf.read_text()
    c.conf.write_text(good + "api_wrokers = 4\n")
    c.signal(signal.SIGHUP)
    c.wait(r'level=error .*ev=courier\.reload .*api_wrokers.*the old settings stay')
    c.conf.unlink()
    c.signal(signal.SIGHUP)
    c.wait(r"level=error .*ev=courier\.reload .*No such file", n=1)
    assert c.runs()
    c.conf.write_text(good + "log_level = debug\n")
    c.signal(signal.SIGHUP)
    c.wait(r"level=info .*ev=courier\.reload .*config=")
    c.signal(signal.SIGTERM)
    assert c.process.wait(5) == 0 and len(c.lines(r"ev=courier\.stop")) == 1


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once(courier, which):
    c = courier("-o", "log_level=debug")
    c.wait(r"ev=house\.done")
    began = time.monotonic()
    c.signal(which)
    assert c.process.wait(5) == 0
    assert time.monotonic() - began < 1
    assert re.search(r"ev=courier\.stop", c.log.read_text().splitlines()[-1])


def counts():
    """The counters that couriers keep, as /metrics sums them up."""
    return {(r["suffix"], r["label"]): r["value"] for r in stack.sql(
        "SELECT suffix, label, value FROM api.metrics() WHERE name IN ('sigsentry_attempts_total', 'sigsentry_delivery_seconds')")}


def seen_alive():
    """How many couriers there are for /metrics and `sigsentryctl status`, and whether there is one for /readyz."""
    return stack.sql("SELECT (SELECT value FROM api.metrics() WHERE name = 'sigsentry_couriers_alive' LIMIT 1) AS metrics,"
                     " (SELECT \"couriersAlive\" FROM admin.queue_status()) AS status, (SELECT is_alive FROM api.ready()) AS ready")[0]


def test_its_last_word_is_that_it_goes(courier):
    """It counts as alive no longer, at once; what it has counted stays."""
    with stack.courier_stopped():
        stack.sql("UPDATE sigsentry.courier SET beat_at = now() - interval '1 hour'")
        c = courier()
        name = "%s:%d" % (socket.gethostname(), c.process.pid)
        row, = wait_for(lambda: stack.sql("SELECT id FROM sigsentry.courier WHERE name = %s", name))
        assert seen_alive() == {"metrics": 1, "status": 1, "ready": True}
        stack.sql("INSERT INTO sigsentry.tally_attempt VALUES (%s, 'slack', 'ok', 7, now())", row["id"])
        stack.sql("INSERT INTO sigsentry.tally_delivery VALUES (%s, 5, 7, 21)", row["id"])
        before = counts()
        c.signal(signal.SIGTERM)
        assert c.process.wait(5) == 0
        assert seen_alive() == {"metrics": 0, "status": 0, "ready": False}
        assert not c.lines(r"ev=courier\.leave")
        for table, column in (("courier", "id"), ("tally_attempt", "courier_id"), ("tally_delivery", "courier_id")):
            assert not stack.sql("SELECT 1 FROM sigsentry.%s WHERE %s = %%s" % (table, column), row["id"])
        assert counts() == before


def test_it_goes_without_a_last_word(courier):
    """Nobody is there to hear it: it does not wait for long."""
    c = courier("-o", "log_level=debug", "-o", "poll_ms=60000")
    c.wait(r"ev=house\.done")
    with no_database():
        c.signal(signal.SIGTERM)
        assert c.process.wait(15) == 0
    assert c.lines(r"level=warn .*ev=courier\.leave .*error=") and re.search(r"ev=courier\.stop", c.log.read_text().splitlines()[-1])


def test_many_at_once(place, tmp_path):
    """They do not hurt each other: all is done, once."""
    old, young = leave_traces(place)
    folders = [tmp_path / str(n) for n in range(4)]
    for f in folders:
        f.mkdir()
    couriers = [Courier(f, "-o", "log_level=debug") for f in folders]
    try:
        for c in couriers:
            c.wait(r"ev=house\.done")
    finally:
        for c in couriers:
            end_process(c.process)
    assert left(place) == ({young}, 0)
    # deliveries that other tests have left are not the matter here
    assert not [line for c in couriers for line in c.lines("level=(warn|error)") if "ev=delivery." not in line]


def run(*words):
    return subprocess.run([str(PROGRAM), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("words", [["-x"], ["--confg", "x"], ["-c"], ["extra"], ["-c", "x", "extra"]], ids=" ".join)
def test_usage(words):
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "") and "usage: sigsentry-courier" in done.stderr


def test_help_and_version():
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "") and "sigsentry-courier(8)" in done.stdout
    assert re.fullmatch(r"sigsentry-courier \d+\.\d+\S*\n", run("-V").stdout)


def test_config_that_is_wrong(tmp_path):
    conf = tmp_path / "own.conf"
    conf.write_text("database = dbname=x\nlog_level = loud\n")
    done = run("-c", str(conf))
    assert done.returncode == 1 and "%s:2" % conf in done.stderr and "log_level" in done.stderr
    done = run("-c", str(tmp_path / "none"))
    assert done.returncode == 1 and "No such file" in done.stderr


def test_without_its_key_it_does_not_begin(courier, tmp_path):
    """Each delivery would fail; who starts it is told which file is missing."""
    c = courier("-o", "keyring_private=%s" % (tmp_path / "none"))
    assert c.process.wait(10) != 0
    assert c.lines("the keyring .*none cannot be read") and not c.lines(READY)


def test_it_tells_systemd():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        path = "/tmp/sigsentry-notify-%s" % secrets.token_hex(6)
        s.bind(path)
        s.settimeout(10)
        try:
            process = subprocess.Popen([str(PROGRAM), "-c", stack.env("SIGSENTRY_CONF")], stderr=subprocess.DEVNULL,
                                       env={**os.environ, "NOTIFY_SOCKET": path})
            try:
                assert s.recv(4096).split(b"\n")[0] == b"READY=1"
                process.send_signal(signal.SIGTERM)
                assert s.recv(4096).split(b"\n")[0] == b"STOPPING=1"
            finally:
                end_process(process)
        finally:
            os.unlink(path)
