"""Goal: with the database's disk full, its network cut, or another server in its place, the ledger of load.py holds."""

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from load import Home, Load
from server import BIN, run, served, servers, set_up
from stack import wait_for
from test_crash import Door

# The network -----------------------------------------------------------------------------------------


class Wire:
    """The database as a port of another network namespace, and the two links' ends between."""

    note = ""
    HERE, THERE = "198.18.77.1", "198.18.77.2"  # of the net that is for measurements (RFC 2544)

    def __init__(self):
        self.name = "sigsentry-" + secrets.token_hex(3)
        here, there = ("s%s%s" % (side, self.name[-6:]) for side in "ht")
        self.here, self.there = here, there
        run("ip", "netns", "add", self.name)
        try:
            run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
            run("ip", "address", "add", self.HERE + "/30", "dev", here)
            run("ip", "link", "set", here, "up")
            self._inside("address", "add", self.THERE + "/30", "dev", there)
            self._inside("link", "set", there, "up")
            thread = threading.Thread(target=self._open)
            thread.start()
            thread.join()
            self.port = self.door.port
        except BaseException:
            self.close()
            raise
        self.host = self.THERE

    def _inside(self, *words):
        run("ip", "-n", self.name, *words)

    def _open(self):
        """A socket stays in the namespace that it was made in, and so do threads that this one starts."""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open("/run/netns/" + self.name, os.O_RDONLY)
        try:
            if libc.setns(fd, 0x40000000) != 0:  # CLONE_NEWNET
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)
        self.door = Door(self.THERE)

    def cut(self, what):
        """Nobody is told; but who has looked for the other end in vain for a while, and asks anew, hears that no way leads there."""
        if what == "answers":
            self._inside("route", "add", "blackhole", self.HERE + "/32")  # what comes is still taken in
        else:
            self._inside("link", "set", self.there, "down")

    def mend(self, what):
        if what == "answers":
            self._inside("route", "delete", "blackhole", self.HERE + "/32")
        else:
            self._inside("link", "set", self.there, "up")

    def close(self):
        if hasattr(self, "door"):
            self.door.close()
            run("ip", "link", "delete", self.here)  # the namespace lives on for as long as a thread is in it
        run("ip", "netns", "delete", self.name)


class Valve(Door):
    """Where there are no namespaces: a port of the loopback that stops to carry anything, and says nothing."""

    note = "(by a port of the loopback: no network namespaces here)"

    def __init__(self):
        self.is_open = threading.Event()
        self.is_open.set()
        self.host = "127.0.0.1"
        super().__init__()

    def _carry(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.is_open.wait()  # what has come is kept, not lost: TCP would send it again
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(2)

    def cut(self, what):
        if what == "answers":
            pytest.skip("no network namespaces here, and a port of the loopback cannot lose answers alone")
        self.is_open.clear()

    def mend(self, what):
        self.is_open.set()


@pytest.fixture
def wire():
    try:
        made = Wire()
    except (OSError, subprocess.CalledProcessError, AttributeError):
        made = Valve()
    yield made
    made.close()


@pytest.mark.parametrize("what", ["all", "answers"])
def test_network_cut(world, judged, wire, what):
    """To PostgreSQL, for 10 s: all packets vanish, or those alone that come from it, so that it commits what nobody hears of."""
    home = Home(database="host=%s port=%d dbname=sigsentry" % (wire.host, wire.port))
    with served(home) as pool:
        load = Load(home, world.sink)
        before = pool.workers()
        courier = world.courier(**home.settings)
        with load:
            wire.cut(what)
            time.sleep(10)
            wire.mend(what)
            load.mended()
        assert pool.workers() == before and courier.runs()
        assert load.answers[503], "nobody felt it: %s" % load.unanswered()
        judged(load, note=wire.note)


# The disk --------------------------------------------------------------------------------------------


def switch_wal(server):
    """Begin a new file of WAL; False where that was too much."""
    try:
        with contextlib.closing(psycopg2.connect(host=str(server.pg), user="postgres", dbname="postgres")) as link:
            link.autocommit = True
            link.cursor().execute("SELECT pg_switch_wal()")
        return True
    except psycopg2.Error:
        return False


@pytest.mark.parametrize("disk", ["data", "wal"])
def test_disk_full(world, judged, span, disk):
    """Of the data: statements fail.  Of the WAL: PostgreSQL goes down, and is started once there is room again."""
    with servers() as (server,):
        home = set_up(server.begin(disk, 300 if disk == "data" else 80))
        with served(home) as pool:
            load = Load(home, world.sink)
            before = pool.workers()
            courier = world.courier(**home.settings)
            with load:
                server.fill()
                if disk == "wal":
                    assert wait_for(lambda: not switch_wal(server), 20), "there was room in the WAL"
                    assert wait_for(server.is_down, 30, 0.2), "PostgreSQL does not go down"
                assert wait_for(lambda: load.answers[503], 30), "nobody felt it: %s" % load.unanswered()
                time.sleep(span)
                server.make_room()
                if disk == "wal":
                    server.dev("pg_start")
                load.mended()
            assert pool.workers() == before and courier.runs()
            judged(load)
            world.end_couriers()


# The standby -----------------------------------------------------------------------------------------


def superuser(server, *texts):
    with contextlib.closing(psycopg2.connect(host=str(server.pg), user="postgres", dbname="postgres")) as link:
        link.autocommit = True
        with link.cursor() as cursor:
            for text in texts:
                cursor.execute(text)
            return cursor.fetchall()


@contextlib.contextmanager
def no_replication(primary, standby):
    """Nothing is received any more until the end of the block; what was on its way by then is lost."""
    pid = superuser(standby, "SELECT pid FROM pg_stat_wal_receiver")[0][0]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)


def test_standby_promoted(world, judged, span):
    """The primary dies, its standby takes its place; a commit is acknowledged only when both have it (remote_apply).  The
    standby hears nothing any more before: who commits then waits, and is told that nobody knows."""
    with servers(2) as (primary, standby):
        home = set_up(primary.begin(), standby)
        standby.begin_as_standby_of(primary)
        superuser(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "ALTER SYSTEM SET synchronous_commit = 'remote_apply'",
                  "SELECT pg_reload_conf()")
        assert wait_for(lambda: superuser(primary, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), 20)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        with served(home) as pool:
            load = Load(home, world.sink)
            before = pool.workers()
            courier = world.courier(**home.settings)
            with load:
                with no_replication(primary, standby):
                    assert wait_for(lambda: superuser(primary, waiting)[0][0] >= 3, 20), "no commit waits for the standby"
                    time.sleep(span)  # the long form: for longer than requests wait
                    primary.dev("pg_kill")
                time.sleep(1)
                standby.dev("as_postgres '%s/pg_ctl' -D '%s' -w promote" % (BIN, standby.data))
                load.mended()
            assert pool.workers() == before and courier.runs()
            assert load.answers[503], "nobody felt it: %s" % load.unanswered()
            judged(load)
            world.end_couriers()
