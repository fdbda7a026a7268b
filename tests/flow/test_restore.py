"""Goal: after a restore from a backup nothing is sent a second time, and nothing is lost, without an admin's word.

On a database of the tests' own in the stack's server: it is dumped with pg_dump, and restored as doc/backup.md says, with a
courier at work on it, or without.
"""

import json
import os
import pathlib
import secrets
import shlex
import subprocess
import time

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import pytest

import stack
from stack import end_process, secret, wait_for
from world import World

SOON_S = 30  # a courier that has met an empty database asks again after up to 5 s, and a restore takes its time
STILL_S = 1.0  # fifty times a courier's pause between two claims
BIN = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def all_day():
    made = World()
    yield made
    made.close()


@pytest.fixture
def world(all_day):
    yield all_day
    for c in all_day.couriers:
        end_process(c.process)
        assert not c.lines("Sanitizer|runtime error:")
    all_day.couriers = []


class Own:
    """A database with a project and a channel that leads to the sink."""

    def __init__(self, folder):
        parts = psycopg2.extensions.parse_dsn(stack.env("SIGSENTRY_DSN"))
        self.folder = folder
        self.name = "restore_" + secrets.token_hex(6)
        self.parts = {**parts, "dbname": self.name}
        self.host = parts["host"]
        self.settings = {"database": "host=%s dbname=%s" % (self.host, self.name), "keyring_private": folder / "private",
                         "keyring_public": folder / "public", "courier_state": folder / "courier.epoch"}
        self.state = folder / "courier.epoch"
        self.link = None
        self.ctl("setup", "--admin-user", "postgres")
        tenant = self.ctl("tenant", "create", "--name", "T", "--plan", "enterprise")["id"]
        self.project = self.ctl("project", "create", "--tenant", tenant, "--name", "P", "--slug", "p")["id"]
        self.mark = secret("restore")
        credentials = folder / "credentials"
        credentials.write_text(json.dumps({"url": "https://sink.example.com/" + self.mark}))
        self.ctl("channel", "create", "--tenant", tenant, "--type", "webhook", "--name", "c", "--severity-threshold", "low",
                 "--credentials", credentials)

    def words(self):
        return [w for k, v in self.settings.items() for w in ("-o", "%s=%s" % (k, v))]

    def run(self, *words):
        return subprocess.run(shlex.split(stack.env("SIGSENTRY_CTL")) + [*map(str, words), *self.words()], capture_output=True,
                              text=True, timeout=60)

    def ctl(self, *words):
        done = self.run("--json", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def sql(self, text, *params):
        """In a session of its own, so that none stands in the way of a restore."""
        link = psycopg2.connect(**self.parts)
        try:
            link.autocommit = True
            with link.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(text, params)
                return [dict(r) for r in cursor.fetchall()] if cursor.description else []
        finally:
            link.close()

    def publish(self, summary, minutes_ago=0):
        """An event, which was published so long ago."""
        made = self.sql("SELECT id FROM sigsentry.publish(%s, %s)", self.project,
                        json.dumps({"event": "disk.full", "severity": "high", "summary": summary}))[0]["id"]
        if minutes_ago:
            # in one statement, since an event that waits has its delivery
            self.sql("""WITH old AS (SELECT left(sigsentry.uuid_v7_floor(now() - make_interval(mins => %(m)s))::text, 13) AS id),
                             e AS (UPDATE sigsentry.event e SET id = overlay(e.id::text placing o.id from 1 for 13)::uuid,
                                          accepted_at = now() - make_interval(mins => %(m)s) FROM old o WHERE e.id = %(e)s)
                        UPDATE sigsentry.queue q
                           SET id = overlay(q.id::text placing o.id from 1 for 13)::uuid, created_at = now() - make_interval(mins => %(m)s),
                               event_id = overlay(q.event_id::text placing o.id from 1 for 13)::uuid
                          FROM old o WHERE q.event_id = %(e)s""" % {"m": minutes_ago, "e": "'%s'" % made})
        return made

    def mark_of(self, minutes_ago):
        """A mark of then, as couriers made it."""
        new = secrets.token_hex(16)
        self.sql("INSERT INTO sigsentry.epoch (mark, made_at) VALUES (%s, now() - make_interval(mins => %s))", new, minutes_ago)
        return new

    def held(self):
        row, = self.sql("SELECT held_at, why FROM sigsentry.hold")
        return row["held_at"] is not None

    def remembered(self):
        """The mark in the state file, if there is one."""
        words = self.state.read_text().split() if self.state.is_file() else []
        return words[1].replace("-", "") if len(words) == 3 else None

    # backup and restore

    def tool(self, name, *words):
        done = subprocess.run([str(pathlib.Path(BIN) / name), "-h", self.host, *map(str, words)], capture_output=True, text=True,
                              timeout=60, env={**os.environ, "PGUSER": "postgres"})
        assert done.returncode == 0, done.stderr

    def dump(self):
        self.tool("pg_dump", "-Fc", "-f", self.folder / "dump", self.name)

    def restore_anew(self):
        """The database is dropped under its users, and made from the dump."""
        self.tool("dropdb", "--force", self.name)
        self.tool("createdb", "-O", "sigsentry_owner", self.name)
        self.tool("pg_restore", "-1", "-d", self.name, self.folder / "dump")

    def restore_over(self):
        """What is in it is replaced, under sessions that go on.  (pg_restore --clean cannot drop partitions' constraints.)"""
        def gone():
            try:
                self.sql("DROP SCHEMA sigsentry, api, admin, courier CASCADE")
            except psycopg2.errors.DeadlockDetected:  # with a claim
                return False
            return True
        assert wait_for(gone, 30)
        self.tool("pg_restore", "-1", "-d", self.name, self.folder / "dump")

    def drop(self):
        self.tool("dropdb", "--force", "--if-exists", self.name)


@pytest.fixture
def own(tmp_path):
    made = Own(tmp_path)
    yield made
    made.drop()


def came(world, own):
    """Which events have reached the sink, in their order."""
    return [json.loads(r.body)["summary"] for r in world.sink.got(own.mark)]


def comes(world, own, *summaries):
    assert wait_for(lambda: len(came(world, own)) >= len(summaries), SOON_S), came(world, own)
    assert sorted(came(world, own)) == sorted(summaries)


def keeps_still(world, own):
    before = came(world, own)
    time.sleep(STILL_S)
    assert came(world, own) == before


def backed_up(world, own):
    """An hour ago an event was published; a backup was made while it waited; half an hour ago a courier saw a mark.  Now it is sent."""
    own.publish("old", minutes_ago=60)
    own.dump()
    seen = own.mark_of(30)
    courier = world.courier(**own.settings)
    comes(world, own, "old")
    assert wait_for(lambda: own.remembered() == seen, SOON_S), courier.log.read_text()
    return courier


def restore(world, own, courier, how):
    """The courier that is at work afterwards."""
    if how == "over":
        own.restore_over()
    elif how == "anew":
        own.restore_anew()
    else:
        end_process(courier.process)
        own.restore_anew()
        courier = world.courier(**own.settings)
    assert wait_for(own.held, SOON_S), courier.log.read_text()
    return courier


@pytest.mark.parametrize("how", ["anew", "over", "while it rests"])
@pytest.mark.parametrize("end", ["release", "discard"])
def test_nothing_is_sent_again_until_an_admin_says_so(world, own, how, end):
    courier = restore(world, own, backed_up(world, own), how)
    own.publish("new")
    keeps_still(world, own)
    assert came(world, own) == ["old"]
    if how != "over":  # there it is told with the next look, which a new session makes at once
        courier.wait("level=error .*ev=queue.held .*restored from a backup.*queue release.*queue discard")
    shown = own.ctl("queue", "status")
    assert shown["held"] is True and shown["waiting"] == 2
    if end == "release":
        assert own.ctl("queue", "release") == {"released": True, "waiting": 2}
        comes(world, own, "old", "old", "new")
    else:
        half_an_hour = own.sql("SELECT sigsentry.rfc3339(now() - interval '30 minutes') AS at")[0]["at"]
        assert own.ctl("queue", "discard", "--before", half_an_hour, "--dry-run") == {"wouldDiscard": 1, "wouldWait": 1}
        assert own.ctl("queue", "discard", "--before", half_an_hour, "--yes") == {"discarded": 1, "waiting": 1, "released": True}
        comes(world, own, "old", "new")
        row, = own.sql("SELECT last_error FROM sigsentry.delivery WHERE status = 'cancelled'")
        assert row["last_error"].startswith("discarded by an admin")
    keeps_still(world, own)
    assert not own.held() and courier.runs()
    own.publish("after")
    assert wait_for(lambda: "after" in came(world, own), SOON_S)


def test_restored_once_more_it_holds_once_more(world, own):
    courier = restore(world, own, backed_up(world, own), "anew")
    own.restore_anew()
    assert wait_for(own.held, SOON_S)
    own.ctl("queue", "release")
    comes(world, own, "old", "old")
    own.restore_anew()
    assert wait_for(own.held, SOON_S), courier.log.read_text()
    assert came(world, own) == ["old", "old"]


def test_a_loss_of_less_than_a_minute_holds_nothing(world, own):
    """The backup has the mark that the courier remembers: it is all but the newest."""
    own.publish("old", minutes_ago=60)
    seen = own.mark_of(2)
    own.dump()
    courier = world.courier(**own.settings)
    comes(world, own, "old")
    assert wait_for(lambda: own.remembered() == seen, SOON_S)
    own.restore_anew()
    comes(world, own, "old", "old")
    assert not own.held() and not courier.lines("queue.held")


def test_a_new_database_holds_nothing(world, own):
    courier = backed_up(world, own)
    end_process(courier.process)
    project, mark = own.project, own.mark
    own.tool("dropdb", "--force", own.name)
    own.__init__(own.folder)
    assert own.project != project and own.remembered()
    world.courier(**own.settings)
    own.publish("first")
    comes(world, own, "first")
    assert not own.held() and mark != own.mark


def test_a_courier_that_remembers_nothing_keeps_still_too(world, own):
    end_process(backed_up(world, own).process)
    own.restore_anew()
    world.courier(**own.settings)
    assert wait_for(own.held, SOON_S)
    other = world.courier(**{**own.settings, "courier_state": ""})
    assert other.lines("level=warn .*ev=epoch.none")
    keeps_still(world, own)
    assert came(world, own) == ["old"]
    own.ctl("queue", "release")
    comes(world, own, "old", "old")


@pytest.mark.parametrize("content", ["", "sigsentry-epoch-1 0191f6e4", "\0" * 64, None], ids=["empty", "cut", "zeroes", "a folder"])
def test_a_damaged_file_costs_a_warning(world, own, content):
    if content is None:
        own.state.mkdir()
    else:
        own.state.write_text(content)
    seen = own.mark_of(2)
    courier = world.courier(**own.settings)
    assert courier.lines("level=warn .*ev=epoch.load .*begins anew")
    own.publish("one")
    comes(world, own, "one")
    if content is None:
        courier.wait("level=warn .*ev=epoch.save")
    else:
        assert wait_for(lambda: own.remembered() == seen, SOON_S)
    assert courier.runs() and not own.held()


def test_a_first_start_wakes_nobody(world, own):
    courier = world.courier(**own.settings)
    assert courier.lines("level=info .*ev=epoch.new") and not courier.lines("level=(warn|error)")


def test_without_its_folder_it_remembers_as_long_as_it_runs(world, own):
    own.settings["courier_state"] = own.folder / "nowhere" / "courier.epoch"
    own.publish("old", minutes_ago=60)
    own.dump()
    own.mark_of(30)
    courier = world.courier(**own.settings)
    courier.wait("level=warn .*ev=epoch.save .*make the folder")
    comes(world, own, "old")
    restore(world, own, courier, "anew")
    keeps_still(world, own)
    assert came(world, own) == ["old"] and courier.runs()


def test_a_queue_is_held_by_hand(world, own):
    courier = world.courier(**own.settings)
    assert own.ctl("queue", "hold", "--reason", "the relay moves")["why"] == "the relay moves"
    own.publish("one")
    keeps_still(world, own)
    assert came(world, own) == []
    told = own.run("status", "--nagios")
    assert told.returncode == 2 and told.stdout.startswith("CRITICAL - the queue is held since 2") and "the relay moves" in told.stdout
    told = own.run("status")
    assert told.returncode == 1 and "queue release" in told.stderr
    part, = [p for p in json.loads(own.run("--json", "check").stdout) if p["name"] == "queue"]
    assert part["ok"] is False and "the relay moves" in part["message"] and "queue release" in part["cure"]
    began = time.monotonic()
    own.ctl("queue", "release")
    comes(world, own, "one")
    assert time.monotonic() - began < 2
    part, = [p for p in json.loads(own.run("--json", "check").stdout) if p["name"] == "queue"]
    assert part["ok"] is True and courier.runs()
