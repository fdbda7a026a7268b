"""Goal: new programs that meet a schema too old for them wait for its upgrade: no crash, no loop, no 500; who asks is told 503, the
log says what to run, and they begin by themselves within seconds of the migration.
"""

import json

import pytest

import rig as rigs
import stack
from rig import HERE, NEW, RELEASED, ROOT, Rig
from stack import Client, error, ok, wait_for
from world import Site

NEWEST = len(list((ROOT / "sql" / "schema").glob("*.sql")))
EVENT = {"event": "disk.full", "severity": "high", "summary": "The disk is full"}


def cure():
    """The row that a migration would write, for a schema that has all else."""
    return stack.sql("SELECT version, name, sha256, program_version FROM sigsentry.migration WHERE version = %s", NEWEST)[0]


def wait(courier, text, n=1):
    assert wait_for(lambda: courier.log.read_text().count(text) >= n, 10), courier.log.read_text()


def test_one_number_behind():
    with Rig() as rig:
        assert rig.run_ctl("setup").returncode == 0
        pool, site = rig.pool(NEW), Site()
        site.channel("webhook", url="https://sink.example.com/late-%s")
        pool.end()
        row = cure()
        stack.sql("DELETE FROM sigsentry.migration WHERE version = %s", NEWEST)
        pool, courier = rig.pool(NEW), rig.courier(NEW)
        stack.sql("SELECT sigsentry.publish(%s, %s)", site.project, json.dumps(EVENT))
        with Client(site.key) as client:
            for _ in range(8):
                error(client.send("POST", "/v1/events", EVENT), 503, "SERVICE_UNAVAILABLE")
                error(client.send("GET", stack.PATH), 503, "SERVICE_UNAVAILABLE")
            said = client.send("GET", "/readyz", key="")
            error(said, 503, "SERVICE_UNAVAILABLE")
            for word in (b"version %d" % (NEWEST - 1), b"needs %d" % NEWEST, b"`sigsentryctl migrate`"):
                assert word in said.body, said
            assert client.send("GET", "/healthz", key="").status == 200
            pool.says("ev=db.schema", "sigsentryctl migrate", "version %d" % (NEWEST - 1), "needs %d" % NEWEST)
            courier.says("ev=db.schema", "sigsentryctl migrate", "version %d" % (NEWEST - 1), "needs %d" % NEWEST)
            wait(courier, "ev=db.schema", 4)
            assert len(courier.log.read_text().splitlines()) < 40, courier.log.read_text()
            assert not rig.sink.got("late") and pool.runs() and courier.runs()
            stack.sql("INSERT INTO sigsentry.migration (version, name, sha256, program_version) VALUES (%s, %s, %s, %s)", *row.values())
            assert wait_for(lambda: rig.sink.got("late"), 8), "the courier does not begin"
            ok(client.send("POST", "/v1/events", EVENT), 202)
            assert ok(client.send("GET", "/readyz", key=""), 200)["schemaVersion"] == NEWEST
        assert wait_for(lambda: len(rig.sink.got("late")) == 2, 8)
        pool.end()
        courier.end()


@pytest.mark.parametrize("version", [r["version"] for r in RELEASED])
def test_on_the_schema_of_a_release(version):
    """The real thing: the programs are exchanged before somebody migrates."""
    base = HERE / "fixtures" / version
    with Rig(base) as rig:
        rig.restore(base.with_name(version + ".sql.xz"))
        known = json.loads(base.with_name(version + ".json").read_text())
        is_older = len(rigs.release(version)["schema"]) < NEWEST
        pool, courier = rig.pool(NEW), rig.courier(NEW)
        with Client(known["key"]) as client:
            reply = client.send("GET", stack.PATH)
            if is_older:
                error(reply, 503, "SERVICE_UNAVAILABLE")
                pool.says("ev=db.schema", "sigsentryctl migrate")
                courier.says("ev=db.schema", "sigsentryctl migrate")
                assert not rig.sink.requests
            assert rig.run_ctl("migrate", "--automatic").returncode == 0
            assert wait_for(lambda: client.send("GET", stack.PATH).status == 200, 3)
        assert wait_for(lambda: rig.sink.got("signed"), 10), courier.log.read_text()
        assert pool.runs() and courier.runs()


def test_where_the_grants_are_not_laid_yet():
    """A database was restored without its grants (pg_dump -x), and the programs are at work before somebody migrates."""
    with Rig() as rig:
        assert rig.run_ctl("setup").returncode == 0
        stack.sql("REVOKE USAGE ON SCHEMA api FROM sigsentry_api")
        stack.sql("REVOKE USAGE ON SCHEMA courier FROM sigsentry_courier")
        pool, courier = rig.pool(NEW), rig.courier(NEW)
        with Client(stack.env("SIGSENTRY_SECRET_KEY")) as client:
            reply = client.send("GET", stack.PATH)
            error(reply, 503, "SERVICE_UNAVAILABLE")
            assert reply.header("Retry-After")
            said = client.send("GET", "/readyz", key="")
            error(said, 503, "SERVICE_UNAVAILABLE")
            assert b"`sigsentryctl migrate`" in said.body and b"sigsentry_api" in said.body, said
            for program in (pool, courier):
                program.says("ev=db.schema", "restored", "sigsentryctl migrate")
            assert rig.run_ctl("migrate").returncode == 0
            assert wait_for(lambda: client.send("GET", stack.PATH).status == 401, 3)
        assert wait_for(lambda: stack.sql("SELECT 1 FROM sigsentry.courier"), 8), "the courier does not begin"
        pool.end()
        courier.end()


def test_where_there_is_no_schema_at_all():
    with Rig() as rig:
        rig.make_database()
        assert rig.run_ctl("keyring", "generate").returncode == 0
        pool, courier = rig.pool(NEW), rig.courier(NEW)
        with Client("sk_" + "x" * 40) as client:
            said = client.send("GET", "/readyz", key="")
            error(said, 503, "SERVICE_UNAVAILABLE")
            assert b"`sigsentryctl migrate`" in said.body, said
        courier.says("ev=db.schema", "sigsentryctl migrate")
        assert rig.run_ctl("migrate").returncode == 0
        assert wait_for(lambda: stack.sql("SELECT 1 FROM sigsentry.courier"), 8), "the courier does not begin"
        pool.end()
        courier.end()
