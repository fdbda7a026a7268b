"""PostgreSQL servers of the tests' own, filled as an admin fills one, and a pool before them that nginx speaks to instead of
the stack's."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import stack
import world as worlds
from load import Home
from test_pool import Pool

BIN = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip()


def run(*words, **options):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60, check=True, **options)


class Server:
    """A cluster in a folder, as dev/lib.sh makes one for a stack; its data, or its WAL alone, on a small disk of so many MB."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sigsentry-faults-"))
        self.folder.chmod(0o755)
        (self.folder / "log").mkdir()
        self.pg = self.folder / "pg"
        self.data = self.pg / "data"
        self.disk = None

    def dev(self, what):
        worlds.dev("pg_find; pg_place; " + what, self.folder)

    def begin(self, disk=None, size_mb=300):
        if disk == "data":
            self._mount(self.pg, size_mb)
        self.dev("pg_init")
        if disk == "wal":
            self._move_wal(size_mb)
        self.dev("pg_start")
        return self

    def begin_as_standby_of(self, other):
        self.dev("as_postgres '%s/pg_basebackup' -h '%s' -U postgres -D '%s' -R -X stream -c fast; pg_start" % (BIN, other.pg, self.data))
        return self

    def _mount(self, path, size_mb):
        """Skips where that cannot be done: it takes root, and a kernel that lets it."""
        path.mkdir()
        try:
            run("mount", "-t", "tmpfs", "-o", "size=%dm" % size_mb, "none", path)
        except (subprocess.CalledProcessError, FileNotFoundError) as e:
            pytest.skip("no disk can be mounted here, which takes root and CAP_SYS_ADMIN: %s" % getattr(e, "stderr", e))
        self.disk = path
        shutil.chown(path, "postgres", "postgres")

    def _move_wal(self, size_mb):
        old, new = self.data / "pg_wal", self.folder / "wal"
        self._mount(new, size_mb)
        run("cp", "-a", "%s/." % old, new)
        shutil.rmtree(old)
        old.symlink_to(new)

    def is_down(self):
        """It has ended, the process too that starts the others anew."""
        try:
            return stack.is_zombie(int((self.data / "postmaster.pid").read_text().split()[0]))
        except FileNotFoundError:
            return True

    def fill(self):
        """Leave no byte free on the small disk."""
        with (self.disk / "ballast").open("wb", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(bytes(1 << 20)):
                pass
        with (self.disk / "ballast").open("ab", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(bytes(4096)):
                pass

    def make_room(self):
        (self.disk / "ballast").unlink()

    def end(self):
        with contextlib.suppress(AssertionError):
            self.dev("pg_kill")
        if self.disk:
            run("umount", "-l", self.disk)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def servers(n=1):
    made = [Server() for _ in range(n)]
    try:
        yield made
    finally:
        for s in made:
            s.end()


def set_up(*hosts):
    """The service in a database on the first of these servers, which the others will have too; the home it has there."""
    folder = hosts[0].folder
    names = ",".join(str(h.pg) for h in hosts)
    settings = {"keyring_private": folder / "private", "keyring_public": folder / "public", "courier_state": folder / "courier.epoch"}
    first = Home(None, database="host=%s dbname=sigsentry" % hosts[0].pg, **settings)
    first.ctl("setup", "--admin-user", "postgres")
    return Home("host=%s dbname=sigsentry user=sigsentry_owner target_session_attrs=read-write" % names,
                database="host=%s dbname=sigsentry" % names, **settings)


@contextlib.contextmanager
def served(home):
    """nginx finds a pool of this home where the stack's was."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sigsentry-pool-"))
    folder.chmod(0o755)
    pool = Pool(folder, *home.words()[1::2], workers=4, env={**os.environ, **stack.clock_vars()})
    path = pathlib.Path(stack.env("SIGSENTRY_SOCKET"))
    kept = path.with_name("kept.sock")
    try:
        pool.ready(4)
        path.rename(kept)
        path.symlink_to(pool.socket)
        yield pool
    finally:
        if kept.exists():
            kept.rename(path)
        stack.end_process(pool.process)
        shutil.rmtree(folder)
