"""Programs of any release, on a database of their own, behind the stack's nginx.

The stack's own pool goes on; its socket lies aside for so long, and another one in its place, which is handed to each pool as
systemd would.  So two pools can serve side by side, and one follows the other without a gap.
"""

import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import tempfile

import psycopg2

import sink as receivers
import stack

ROOT = stack.ROOT
HERE = pathlib.Path(__file__).resolve().parent
RELEASED = json.loads((HERE / "released.json").read_text())
NEW = pathlib.Path(stack.env("SIGSENTRY_BUILD"))
HOSTS = ("sink.example.com", "hooks.slack.com", "discord.com", "chat.googleapis.com", "outlook.office.com")


def release(version):
    """What released.json says of it."""
    return next(r for r in RELEASED if r["version"] == version)


def has_commit(version):
    """Is it in this clone?  A shallow one may lack it."""
    return subprocess.run(["git", "cat-file", "-e", release(version)["commit"] + "^{commit}"], cwd=ROOT,
                          capture_output=True).returncode == 0


def released_schema(version):
    """The schema files of its commit: {name: SHA-256}."""
    commit = release(version)["commit"]
    names = subprocess.run(["git", "ls-tree", "--name-only", commit, "sql/schema/"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout.split()
    return {name.rpartition("/")[2]: hashlib.sha256(subprocess.run(
        ["git", "show", "%s:%s" % (commit, name)], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout).hexdigest() for name in names}


def statements(tree):
    """What the workers and couriers of a source tree say to the database: {name: (role, text)}."""
    return {path.stem: ("sigsentry_" + path.stem.partition("_")[0], re.sub(r"^--.*\n", "", path.read_text(), flags=re.M).strip().rstrip(";"))
            for path in sorted((tree / "sql" / "q").glob("*.sql")) if path.stem.startswith(("api_", "courier_")) and path.stem != "courier_seen"}


def build(version):
    """The build folder of a release's real programs, made from its commit; built once a run folder."""
    folder = pathlib.Path(stack.env("RUN_DIR")) / "released" / version
    commit = release(version)["commit"]
    stamp = folder / "built"
    if stamp.exists() and stamp.read_text() == commit:
        return folder / "build"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tree").mkdir(parents=True)
    tar = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder / "tree")], input=tar, check=True)
    with (folder / "build.log").open("w") as log:
        subprocess.run(["dev/build"], cwd=folder / "tree", stdout=log, stderr=log, check=True, env={
            **os.environ, "RUN_DIR": str(folder), "BUILD_DIR": str(folder / "build"), "CONFIGURE_FLAGS": ""})
    stamp.write_text(commit)
    return folder / "build"


class Program:
    """One that runs."""

    def __init__(self, argv, log, listener=None):
        self.log = log
        # LISTEN_PID must be the program's own, so the shell that knows its number becomes it
        shell = 'exec 3<&%d; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' % listener if listener is not None else 'exec "$@"'
        with log.open("a") as out:
            self.process = subprocess.Popen(["bash", "-c", shell, "rig", *map(str, argv)], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, pass_fds=() if listener is None else (listener,))

    def says(self, *words, timeout=10):
        """Wait until a line of its log holds all of these."""
        def look():
            return [line for line in self.log.read_text().splitlines() if all(w in line for w in words)]
        found = stack.wait_for(look, timeout)
        assert found, "%s: no line with %s\n%s" % (self.log, words, self.log.read_text()[-4000:])
        return found

    def runs(self):
        return self.process.poll() is None

    def end(self):
        """As systemd would; it must end by itself, and well."""
        self.process.terminate()
        assert self.process.wait(30) == 0, self.log.read_text()[-4000:]

    def kill(self):
        self.process.kill()
        self.process.wait()


class Rig:
    """A database, which is dropped at the end, keys, a receiver, and the programs that are started on them."""

    def __init__(self, keys=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sigsentry-upgrade-"))
        self.logs = pathlib.Path(stack.env("SIGSENTRY_LOG")) / ("upgrade-" + secrets.token_hex(3))
        self.logs.mkdir(parents=True)
        self.name = "upgrade_" + secrets.token_hex(5)
        self.host = psycopg2.extensions.parse_dsn(stack.env("SIGSENTRY_DSN"))["host"]
        self.programs = []
        self.sink = receivers.Sink(receivers.certificate(self.folder, *HOSTS))
        for kind in ("private", "public"):
            if keys:
                shutil.copy("%s.keyring.%s" % (keys, kind), self.folder / ("keyring." + kind))
                (self.folder / ("keyring." + kind)).chmod(0o600)
        self.conf = self.folder / "sigsentry.conf"
        self.configure()

    def configure(self, **more):
        settings = {
            "database": "host=%s dbname=%s" % (self.host, self.name), "api_workers": 4,
            "api_socket": stack.env("SIGSENTRY_SOCKET"),
            "keyring_public": self.folder / "keyring.public", "keyring_private": self.folder / "keyring.private",
            "egress_ca_file": stack.env("SIGSENTRY_CACERT"),
            "egress_connect_to": " ".join("%s:443:127.0.0.1:%d" % (h, self.sink.port) for h in HOSTS),
            "retry_schedule": "1 1 2 3600", "lease_s": 3, "drain_s": 5,
            # ten years: what a fixture holds must not be dropped for its age
            "history_s": 315360000, **more}
        self.conf.write_text("".join("%s = %s\n" % pair for pair in settings.items()))

    def __enter__(self):
        """From here on stack.ctl(), stack.sql() and nginx are this database's."""
        self.kept = dict(stack.ENV)
        stack.ENV["SIGSENTRY_DSN"] = "host=%s dbname=%s user=sigsentry_owner" % (self.host, self.name)
        self.use(NEW)
        path = stack.env("SIGSENTRY_SOCKET")
        os.rename(path, path + ".kept")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(1024)
        self.listener.set_inheritable(True)
        stack._own.link = None
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.kill()
        self.listener.close()
        path = stack.env("SIGSENTRY_SOCKET")
        os.rename(path + ".kept", path)
        if getattr(stack._own, "link", None) is not None:
            stack._own.link.close()
        stack._own.link = None
        stack.ENV.clear()
        stack.ENV.update(self.kept)
        self.sink.close()
        self.psql("postgres", 'DROP DATABASE IF EXISTS "%s" WITH (FORCE)' % self.name)
        shutil.rmtree(self.folder)

    # The database ----

    def psql(self, database, text=None, user="postgres", file=None):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.host, "-U", user, "-d", database],
                              input=text if file is None else file.read_text(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def make_database(self):
        """An empty one; the roles are there, of the stack's own setup."""
        self.psql("postgres", 'CREATE DATABASE "%s" OWNER sigsentry_owner' % self.name)

    def restore(self, dump):
        self.make_database()
        text = subprocess.run(["xz", "-dc", str(dump)], stdout=subprocess.PIPE, check=True).stdout.decode()
        self.psql(self.name, text, user="sigsentry_owner")

    def dump(self, *words):
        return subprocess.run(["pg_dump", "-h", self.host, "-U", "postgres", *words, self.name], stdout=subprocess.PIPE,
                              check=True).stdout.decode()

    def describe(self, statements):
        """What each takes and gives on this database, by the server: {name: [types and columns]}; an error as its text."""
        found = {}
        for name, (role, text) in statements.items():
            done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-h", self.host, "-U", role, "-d", self.name], capture_output=True,
                                  text=True, input="PREPARE \"%s\" AS %s;\nSELECT parameter_types FROM pg_prepared_statements;\n%s\n\\gdesc\n"
                                  % (name, text, text))
            found[name] = (done.stdout + done.stderr).split()
        return found

    # The programs ----

    def use(self, where):
        """Whose sigsentryctl stack.ctl() is."""
        stack.ENV["SIGSENTRY_CTL"] = "%s -c %s" % (where / "src" / "sigsentryctl", self.conf)

    def run_ctl(self, *words, where=NEW):
        return subprocess.run([str(where / "src" / "sigsentryctl"), "-c", str(self.conf), *words], capture_output=True, text=True,
                              timeout=180)

    def start(self, where, program, *words):
        log = self.logs / ("%s-%d.log" % (program, len(self.programs)))
        log.touch()
        made = Program([where / "src" / program, "-c", self.conf, *words], log,
                       self.listener.fileno() if program == "sigsentry-api" else None)
        self.programs.append(made)
        return made

    def pool(self, where, *words):
        made = self.start(where, "sigsentry-api", *words)
        made.says("ev=master.ready")
        assert stack.wait_for(lambda: len(stack.children(made.process.pid)) >= 4, 10)
        return made

    def courier(self, where, *words):
        made = self.start(where, "sigsentry-courier", *words)
        made.says("ev=courier.ready")
        return made

