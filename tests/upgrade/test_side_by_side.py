"""Goal: an upgrade under load fails no request and loses nothing, in each of its steps; and for one version the previous release's
real programs serve on the new schema, alone and beside the new ones.
"""

import json
import os
import re
import subprocess
import sys

import pytest

import rig as rigs
import stack
from rig import NEW, RELEASED, ROOT, Rig
from stack import Client, ok, wait_for
from traffic import Traffic
from world import Site

VERSION = RELEASED[-1]["version"]
NEWEST = len(list((ROOT / "sql" / "schema").glob("*.sql")))
OF_SCHEMA = len(RELEASED[-1]["schema"])

# Of the release's own flow suite: what a customer can do, in two minutes less than all of it.  The others are about processes, the
# web server, the stack, or what is refused before the database is asked.
SUITES = ["access", "create", "delete", "deliveries", "idempotency", "ops", "quota", "rate", "settings", "tenant_wide"]
# They play with schema versions, or stop what is not theirs here.  And a family of metrics that the release did not know has no HELP
# line in its answer, which Prometheus does without.
NOT_HERE = "not schema and not database and not pool and not stopped and not read_only and not away and not its_help"


@pytest.fixture(scope="module")
def old():
    """The build folder of the previous release's programs."""
    if not rigs.has_commit(VERSION):
        pytest.skip("the commit of %s is not in this clone (it is a shallow one), so its programs cannot be built: "
                    "git fetch --unshallow" % VERSION)
    return rigs.build(VERSION)


@pytest.fixture
def rig(old):
    """A database as the previous release makes it."""
    with Rig() as made:
        made.use(old)
        done = made.run_ctl("setup", where=old)
        assert done.returncode == 0, done.stderr
        yield made


def settled(rig, traffic, site):
    """All that was acknowledged is there, and every event has arrived."""
    assert traffic.failed == [], "%d of %d failed: %s" % (len(traffic.failed), traffic.n, traffic.failed[:3])
    kept = {r["id"] for r in stack.sql("SELECT id::text FROM sigsentry.channel WHERE project_id = %s AND name = 'renamed'", site.project)}
    assert set(traffic.channels) <= kept
    missing = set()

    def look():
        missing.clear()
        missing.update(set(traffic.events) - {json.loads(r.body)["eventId"] for r in rig.sink.got("upgrade")})
        return not missing
    assert wait_for(look, 30, 0.2), "%d of %d events have not arrived" % (len(missing), len(traffic.events))
    assert wait_for(lambda: not stack.sql("SELECT 1 FROM sigsentry.queue WHERE tenant_id = %s LIMIT 1", site.tenant), 20)
    rows = stack.sql("SELECT status, count(*) AS n FROM sigsentry.delivery WHERE tenant_id = %s GROUP BY 1", site.tenant)
    assert rows == [{"status": "delivered", "n": len(traffic.events)}], rows


def place():
    stack.ctl("plan", "set", "endless", "--channels", "unlimited", "--reads-per-minute", "unlimited", "--writes-per-minute", "unlimited")
    site = Site()
    stack.ctl("tenant", "set-plan", site.tenant, "--plan", "endless")
    site.channel("webhook", url="https://sink.example.com/upgrade-%s", hmacSecret="s")
    return site


def test_an_upgrade_under_load(rig, old):
    """Migration, new ones beside the old, old ones away, one after the other."""
    pool, courier = rig.pool(old), rig.courier(old)
    site = place()
    with Traffic(site) as traffic:
        traffic.go_on()
        done = rig.run_ctl("migrate")
        assert done.returncode == 0, done.stderr
        assert stack.sql("SELECT max(version) AS v FROM sigsentry.migration") == [{"v": NEWEST}]
        traffic.go_on()       # the old ones, on sessions that they have had before
        new_pool = rig.pool(NEW)
        traffic.go_on()
        new_courier = rig.courier(NEW)
        traffic.go_on(200)    # side by side
        assert {r["n"] for r in stack.sql("SELECT count(DISTINCT version) AS n FROM sigsentry.courier")} == {2}
        pool.end()
        traffic.go_on()
        courier.end()
        traffic.go_on()
        assert new_pool.runs() and new_courier.runs()
    settled(rig, traffic, site)


def test_back_to_the_release_before(rig, old):
    """Who takes the packages back keeps the newer schema: the old programs serve on it, each freshly started."""
    assert rig.run_ctl("migrate").returncode == 0
    pool, courier = rig.pool(NEW), rig.courier(NEW)
    site = place()
    with Traffic(site) as traffic:
        traffic.go_on()
        old_pool, old_courier = rig.pool(old), rig.courier(old)
        traffic.go_on()
        pool.end()
        courier.end()
        traffic.go_on(200)
        assert old_pool.runs() and old_courier.runs()
        with Client() as anyone:
            assert ok(anyone.send("GET", "/readyz"), 200) == {"status": "ready", "schemaVersion": NEWEST}
            metrics = anyone.exchange("GET", "/metrics", [], None).body.decode()
            assert 'sigsentry_build_info{version="%s"} 1' % VERSION in metrics
            assert "sigsentry_database_up 1" in metrics and "sigsentry_schema_version %d" % NEWEST in metrics
    settled(rig, traffic, site)


def test_the_release_passes_its_own_tests_on_the_new_schema(rig, old):
    """The old programs, the old suite, the new schema."""
    assert rig.run_ctl("migrate").returncode == 0
    pool, courier = rig.pool(old), rig.courier(old)
    env = dict(stack.ENV, SIGSENTRY_API_PIDS=str(rig.folder / "api.pid"), SIGSENTRY_COURIER_PIDS=str(rig.folder / "courier.pid"),
               SIGSENTRY_LOG=str(rig.logs), SIGSENTRY_CONF=str(rig.conf), SIGSENTRY_BUILD=str(old))
    (rig.folder / "api.pid").write_text("%d\n" % pool.process.pid)
    (rig.folder / "courier.pid").write_text("%d\n" % courier.process.pid)
    (rig.logs / "api.log").symlink_to(pool.log)
    (rig.folder / "env").write_text("".join("%s='%s'\n" % pair for pair in env.items()))
    (rig.folder / "env").chmod(0o600)
    tree = old.parent / "tree"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", NOT_HERE,
         *("tests/flow/test_%s.py" % s for s in SUITES)],
        cwd=tree, capture_output=True, text=True, timeout=600,
        env={**os.environ, "SIGSENTRY_ENV": str(rig.folder / "env"), "SIGSENTRY_DSN": stack.env("SIGSENTRY_DSN")})
    (rig.logs / "flow.out").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 100, done.stdout[-300:]
