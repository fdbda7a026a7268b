"""Goal: any released schema goes straight to the newest one, and nothing that was in it is lost: no row, no credential, no delivery.

A fixture grows old, and couriers throw away what is older than history_s, forget first answers after a day and end the
overlap of replaced secrets.  So what is in the database is held against what was there before a courier runs; then history_s is
ten years, and the overlap begins anew.
"""

import base64
import hashlib
import hmac
import json

import pytest

import fill
import rig as rigs
import stack
from rig import HERE, NEW, RELEASED, ROOT, Rig
from stack import Client, at, ok, wait_for

NEWEST = len(list((ROOT / "sql" / "schema").glob("*.sql")))
VERSIONS = [r["version"] for r in RELEASED]


def base(version):
    return HERE / "fixtures" / version


@pytest.fixture(params=VERSIONS)
def old(request):
    """The database of that version, restored; its keys; and what its customer knows."""
    with Rig(base(request.param)) as rig:
        rig.restore(base(request.param).with_name(request.param + ".sql.xz"))
        rig.known = json.loads(base(request.param).with_name(request.param + ".json").read_text())
        rig.schema = rigs.release(request.param)["schema"]
        yield rig


def test_straight_to_the_newest(old):
    """--status says what is to come, and the migration loses no value of any column that was there."""
    before = fill.content()
    assert {table: len(rows) for table, (_, rows) in before.items()} == old.known["counts"]
    states = {r["version"]: r["state"] for r in stack.ctl("migrate", "--status")}
    assert states == {n: "applied" if n <= len(old.schema) else "pending" for n in range(1, NEWEST + 1)}
    assert stack.ctl("migrate")["version"] == NEWEST
    assert {r["state"] for r in stack.ctl("migrate", "--status")} == {"applied"}
    after = fill.content({table: columns for table, (columns, _) in before.items()})
    for table, (columns, rows) in before.items():
        assert table in after, "table %s is gone" % table
        assert after[table][1] == rows, "the rows of %s are others after the migration" % table


def test_a_history_of_before_and_of_after(old):
    """It is found by its outcome, and each week, of before or to come, has all indexes."""
    stack.ctl("migrate")
    shown = stack.ctl("delivery", "list", "--tenant", old.known["tenant"], "--limit", "1000")
    for status in ("failed", "cancelled", "delivered"):
        some = [d["id"] for d in shown if d["status"] == status]
        assert [d["id"] for d in stack.ctl("delivery", "list", "--tenant", old.known["tenant"], "--limit", "1000", "--status", status)] == some
    old.pool(NEW)
    client = Client(old.known["key"])
    for channel in {d["channelId"] for d in shown if d["status"] == "failed"}:
        page = ok(client.send("GET", at(channel) + "/deliveries?status=failed&limit=100"), 200)["items"]
        assert [d["id"] for d in page] == [d["id"] for d in shown if d["status"] == "failed" and d["channelId"] == channel]
    assert {d["status"] for d in shown} >= {"failed", "delivered"}
    stack.sql("SELECT sigsentry.partitions_make(500)")
    assert not stack.sql("SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
                         " WHERE c.relname LIKE 'delivery%%' AND NOT i.indisvalid")
    weeks = stack.sql("SELECT p.inhrelid::regclass::text AS week, count(x.inhrelid) AS n FROM pg_inherits p JOIN pg_index k"
                      " ON k.indrelid = p.inhrelid LEFT JOIN pg_inherits x ON x.inhrelid = k.indexrelid"
                      " WHERE p.inhparent = 'sigsentry.delivery'::regclass GROUP BY 1")
    wanted = stack.sql("SELECT count(*) AS n FROM pg_index WHERE indrelid = 'sigsentry.delivery'::regclass")[0]["n"]
    assert len(weeks) > 70 and {w["n"] for w in weeks} == {wanted}
    client.close()


def test_the_release_before_finds_all_its_functions():
    """Every statement of the previous release's workers and couriers still takes and gives what it did."""
    version = VERSIONS[-1]
    told = json.loads(base(version).with_name(version + ".statements.json").read_text())
    with Rig(base(version)) as rig:
        rig.restore(base(version).with_name(version + ".sql.xz"))
        stack.ctl("migrate")
        now = rig.describe({name: (s["role"], s["sql"]) for name, s in told.items()})
    wrong = {name: now[name] for name, s in told.items() if now[name] != s["is"]}
    assert not wrong, "%s does not find these as it did; a changed function gets a new name, and the old one stays" % version


def test_the_new_programs_go_on_with_it(old):
    """Channels are read, credentials opened, what waited leaves, signed with the secrets of then."""
    stack.ctl("migrate")
    stack.sql("UPDATE sigsentry.credential SET previous_until = now() + interval '1 hour' WHERE previous_until IS NOT NULL")
    known, waiting = old.known, stack.sql("SELECT q.id::text, q.channel_id::text FROM sigsentry.queue q WHERE q.tenant_id = %s",
                                          old.known["tenant"])
    old.pool(NEW)
    client = Client(known["key"])
    channels = ok(client.send("GET", stack.PATH + "?limit=100"), 200)["items"]
    assert len(channels) == stack.sql("SELECT count(*) AS n FROM sigsentry.channel WHERE tenant_id = %s",
                                      known["tenant"])[0]["n"]
    assert {c["type"] for c in channels} >= {"slack", "teams", "discord", "google_chat", "webhook", "email"}
    event = ok(client.send("GET", "/v1/events/" + known["published"][0]), 200)
    assert "delivered" in [d["status"] for d in event["deliveries"]], event
    courier = old.courier(NEW, "-o", "max_flights=1000")
    of_signed = {w["id"] for w in waiting if w["channel_id"] == known["signed"]}
    assert len(of_signed) == 15
    assert wait_for(lambda: of_signed <= {r.header("webhook-id") for r in old.sink.got("signed")}, 30), courier.log.read_text()[-3000:]
    for request in old.sink.got("signed"):
        assert request.header("Authorization") == "Bearer kept"
        assert "ünïcode".encode() in request.body
        assert request.header("webhook-signature") == " ".join(signature(s, request) for s in known["secrets"])
    # what waits behind a platform's pace, or for a relay that there is not, needs no waiting for
    marks = {c: mark for c, mark in known["marks"].items()}
    for channel in {w["channel_id"] for w in waiting} & set(marks):
        assert wait_for(lambda: old.sink.got(marks[channel]), 30), "nothing arrived for channel %s" % channel
    # a suspended tenant's rests on
    assert stack.sql("SELECT count(*) AS n FROM sigsentry.queue WHERE tenant_id = %s", known["resting"]["tenant"])[0]["n"] == 1
    stack.ctl("tenant", "resume", known["resting"]["tenant"])
    # it is looked at once a minute: the minute is over
    stack.sql("UPDATE sigsentry.lane SET due_at = now() WHERE tenant_id = %s", known["resting"]["tenant"])
    assert wait_for(lambda: not stack.sql("SELECT 1 FROM sigsentry.queue WHERE tenant_id = %s", known["resting"]["tenant"]), 20)
    made = stack.created(client.post(stack.channel("after the upgrade")))
    assert client.send("DELETE", at(made)).status in (200, 204)
    client.close()


def signature(secret, request):
    said = "%s.%s." % (request.header("webhook-id"), request.header("webhook-timestamp"))
    return "v1," + base64.b64encode(hmac.digest(secret.encode(), said.encode() + request.body, "sha256")).decode()


def half_way(n):
    """A database that has had the first ${n} schema files and nothing else: no functions, no rights."""
    migrate = ROOT / "sql" / "migrate"
    with stack.database() as cursor:
        cursor.execute((migrate / "init.sql").read_text())
    for number, path in enumerate(sorted((ROOT / "sql" / "schema").glob("*.sql"))[:n], 1):
        with stack.database() as cursor:
            cursor.execute(path.read_text())
        stack.sql("INSERT INTO sigsentry.migration (version, name, sha256, program_version) VALUES (%s, %s, %s, '0')",
                  number, path.stem.partition("-")[2], hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def wanted():
    """The schema of a new database, as pg_dump tells it."""
    with Rig() as fresh:
        assert fresh.run_ctl("setup").returncode == 0
        return plain(fresh.dump("--schema-only"))


@pytest.mark.parametrize("n", range(1, NEWEST))
def test_from_any_number_to_the_same_schema(n, wanted):
    """One that stopped on the way, by a crash say, becomes what a new one is."""
    with Rig() as rig:
        rig.make_database()
        half_way(n)
        assert [r["state"] for r in stack.ctl("migrate", "--status")] == ["applied"] * n + ["pending"] * (NEWEST - n)
        stack.ctl("migrate")
        assert plain(rig.dump("--schema-only")) == wanted


def plain(dump):
    """Its lines, but for the word that newer pg_dumps make up each time."""
    return [line for line in dump.splitlines() if "restrict " not in line]
