"""Goal: the pool of workers starts, reloads, heals and stops without losing a request that it need not lose.

Design §1: SIGHUP starts new workers before the old ones finish, SIGTERM lets running requests end, a crashing
worker comes back after a growing pause, and what cannot work ends the start with a message that says why.  What
could harm the stack's own pool is done to pools of our own, on sockets of our own, spoken to by raw FastCGI.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import psycopg2
import pytest

import fcgi
import stack
from stack import Client, Load, channel, created, error

PROGRAM = pathlib.Path(stack.env("SIGSENTRY_BUILD")) / "src" / "sigsentry-api"


# The stack's pool, under load through nginx ------------------------------------------------------------


def test_reload_under_load():
    """SIGHUP, three times: all workers are new each time, and no request fails."""
    place = stack.Place("enterprise")
    with Load(place.key, threads=6) as load:
        for _ in range(3):
            before = stack.settled_workers()
            load.wait_for_more(10)
            os.kill(stack.master_pid(), signal.SIGHUP)
            assert stack.settled_workers(4, 10, without=before), "of %s not all were replaced" % before
        load.wait_for_more(10)
    assert not load.faults and set(load.statuses) == {201}, load.summary()
    assert sorted(stack.channel_ids(place.project)) == sorted(load.acknowledged)


def test_killed_worker():
    """kill -9: at most the request that it held fails, with 502; another worker takes its place."""
    place = stack.Place("enterprise")
    with Load(place.key, threads=6) as load:
        load.wait_for_more(20)
        before = stack.settled_workers()
        os.kill(before[0], signal.SIGKILL)
        after = stack.settled_workers(4, 5, without=before[:1])
        assert after and len(set(after) & set(before)) == 3
        load.wait_for_more(20)
    assert not load.faults and set(load.statuses) <= {201, 502}, load.summary()
    assert len(load.replies) <= 1, load.summary()
    for reply in load.replies:
        error(reply, 502, "BAD_GATEWAY")
    assert set(load.acknowledged) <= set(stack.channel_ids(place.project))


@pytest.mark.parametrize("stale", [False, True], ids=["no socket", "nobody listens"])
def test_pool_away(shared, logs, stale):
    """502 in JSON; the line of the access log tells it from a 502 of a worker's; then all is as before."""
    with Client(shared.key) as c:
        with stack.pool_away(stale):
            reply = c.post(channel())
        error(reply, 502, "BAD_GATEWAY")
        line, = logs.wait(reply.header("x-request-id"), only="sigsentry.log")
        assert '"status":502' in line and '"upstream_status":"502"' in line and '"upstream_s":"0.000"' in line, line
        created(c.post(channel()))


def test_frozen_workers(shared, logs):
    """Goal: workers that hang cost a client nginx's 15 s, and it gets a 504 in JSON."""
    pids = stack.settled_workers()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with Client(shared.key) as c:
            reply = c.post(channel())
        seconds = time.monotonic() - began
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    error(reply, 504, "GATEWAY_TIMEOUT")
    assert 14 < seconds < 17, seconds
    line, = logs.wait(reply.header("x-request-id"), only="sigsentry.log")
    assert '"status":504' in line and '"upstream_status":"504"' in line, line
    with Client(shared.key) as c:
        for _ in range(8):
            created(c.post(channel()))
    assert stack.workers() == pids


def names_of(project):
    return [r["name"] for r in stack.sql("SELECT name FROM sigsentry.channel WHERE project_id = %s", project)]


def waiting():
    """How many sessions wait for a lock."""
    return stack.sql("SELECT count(DISTINCT pid) AS n FROM pg_locks WHERE NOT granted")[0]["n"]


def test_nginx_asks_once():
    """Workers are killed whose statements go on in the database: 502, each name once, for nginx asks nobody else."""
    place = stack.Place("pro")
    names = ["killed-%d" % i for i in range(4)]
    pids = stack.settled_workers()
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    try:
        with holder.cursor() as cursor:
            cursor.execute(stack.PROJECT_LOCK, (place.project,))
        replies = [None] * len(names)

        def work(i):
            with Client(place.key) as c:
                replies[i] = c.post(channel(names[i]))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(names))]
        for t in threads:
            t.start()
        assert stack.wait_for(lambda: waiting() == 4, 1)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        holder.rollback()
        for t in threads:
            t.join()
    finally:
        holder.close()
    assert stack.settled_workers(4, 10, without=pids)
    with Client(place.key) as c:
        created(c.post(channel("behind")))
    assert stack.wait_for(lambda: waiting() == 0, 5)
    assert sorted(names_of(place.project)) == ["behind"] + names, "a request was lost on the way, or sent twice"
    for reply in replies:
        error(reply, 502, "BAD_GATEWAY")


def test_killed_workers_under_load():
    """kill -9 of one after the other: what was acknowledged is there, and no name stands twice."""
    place = stack.Place("enterprise")
    with Load(place.key, threads=6) as load:
        for pid in stack.settled_workers():
            load.wait_for_more(10)
            os.kill(pid, signal.SIGKILL)
        load.wait_for_more(10)
    assert stack.settled_workers()
    assert not load.faults and set(load.statuses) <= {201, 502}, load.summary()
    assert len(load.replies) <= 4, load.summary()
    names = names_of(place.project)
    assert len(names) == len(set(names)), "one request wrote twice"
    assert set(load.acknowledged) <= set(stack.channel_ids(place.project))


# Pools of our own -------------------------------------------------------------------------------------


class Pool:
    """sigsentry-api with the stack's config and a socket of its own; its log is in a file."""

    def __init__(self, folder, *options, workers=2, config=None, name="api.sock", prefix=(), **popen):
        self.folder = folder
        self.socket = folder / name
        self.log = folder / ("log-%d" % len(list(folder.glob("log-*"))))
        argv = list(prefix) + [str(PROGRAM), "-c", str(config or stack.env("SIGSENTRY_CONF"))]
        for option in ("api_socket=%s" % self.socket, "api_workers=%d" % workers) + options:
            argv += ["-o", option]
        popen.setdefault("stdin", subprocess.DEVNULL)
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, **popen)

    def said(self):
        return self.log.read_text("utf-8", "replace")

    def ready(self, n=2):
        """Wait until it serves with ${n} workers."""
        def look():
            assert self.process.poll() is None, self.said()
            return "ev=master.ready" in self.said() and len(self.workers()) == n
        assert stack.wait_for(look, 10), self.said()
        return self

    def refused(self, timeout=5):
        """It ends by itself with exit status 1; what it said."""
        assert self.process.wait(timeout) == 1, self.said()
        return self.said()

    def workers(self):
        return stack.children(self.process.pid)

    def create(self, key, body=None):
        return fcgi.ask(self.socket, fcgi.create(key, body))

    def send(self, method, path, key, body=None, headers=()):
        return fcgi.ask(self.socket, fcgi.request(method, path, key, body, headers))

    def end(self, signo=signal.SIGTERM, timeout=12):
        self.process.send_signal(signo)
        return self.process.wait(timeout)


@pytest.fixture
def pools():
    """Makes pools in a folder with a short name (a socket's path has at most 107 bytes); ends them afterwards."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sigsentry-pool-"))
    folder.chmod(0o755)
    made = []

    def make(*options, **more):
        made.append(Pool(folder, *options, **more))
        return made[-1]

    make.folder = folder
    yield make
    for pool in made:
        stack.end_process(pool.process)
        for pid in pool.workers():
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_stop_when_idle(pools, shared, signo):
    pool = pools().ready()
    assert pool.create(shared.key).status == 201
    assert pool.socket.stat().st_mode & 0o777 == 0o660
    workers = pool.workers()
    assert pool.end(signo) == 0, pool.said()
    assert not pool.socket.exists(), "the socket's file is left behind"
    assert all(stack.is_zombie(pid) for pid in workers), "a worker outlived its master"


def test_stop_lets_running_requests_end(pools):
    """Two requests wait for a lock when SIGTERM comes: both get their 201, and then it is over."""
    place = stack.Place("pro")
    pool = pools().ready()
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    answers = []
    try:
        with holder.cursor() as cursor:
            cursor.execute(stack.PROJECT_LOCK, (place.project,))
        threads = [threading.Thread(target=lambda: answers.append(pool.create(place.key))) for _ in range(2)]
        for t in threads:
            t.start()
        time.sleep(0.4)
        pool.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        assert pool.process.poll() is None and not answers, "it did not wait"
        holder.rollback()
        for t in threads:
            t.join()
        assert pool.process.wait(5) == 0, pool.said()
    finally:
        holder.close()
    assert [a.status for a in answers] == [201, 201]
    assert stack.channel_count(place.project) == 2
    assert not pool.socket.exists()


def test_what_systemd_is_told(pools):
    """The states of a Type=notify service (sd_notify(3)), each at its time."""
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(pools.folder / "notify"))
    told.settimeout(5)
    with told:
        pool = pools(env={**os.environ, "NOTIFY_SOCKET": str(pools.folder / "notify")})
        assert told.recv(100) == b"READY=1"
        pool.ready()
        pool.process.send_signal(signal.SIGHUP)
        assert told.recv(100).split(b"\n")[0] == b"RELOADING=1"
        assert told.recv(100) == b"READY=1"
        assert pool.end() == 0
        assert told.recv(100) == b"STOPPING=1"


def test_stop_of_a_busy_worker(pools, shared):
    """A worker to whom connections come without a pause hears SIGTERM all the same."""
    pool = pools(workers=1).ready(1)
    ending = threading.Event()
    statuses = []

    def ask():
        while not ending.is_set():
            try:
                statuses.append(pool.create(shared.key).status)
            except OSError:  # it has gone
                time.sleep(0.01)

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for t in askers:
        t.start()
    try:
        assert stack.wait_for(lambda: len(statuses) >= 30, 5)
        assert pool.end(timeout=4) == 0, pool.said()[-2000:]
    finally:
        ending.set()
        stack.end_process(pool.process)
        for t in askers:
            t.join()
    assert set(statuses) <= {201, None}, set(statuses)


def test_repeated_crashes_back_off_and_heal(pools, shared):
    """Killed as soon as it is there, six times: the pauses grow; let alone, it serves."""
    pool = pools(workers=1).ready(1)
    gaps = []
    for _ in range(6):
        pid, = stack.wait_for(pool.workers, 10)
        time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        died = time.monotonic()
        assert stack.wait_for(lambda: [w for w in pool.workers() if w != pid], 10, step=0.005), pool.said()
        gaps.append(time.monotonic() - died)
    assert gaps[-1] > 2 * gaps[1] > 0 and gaps[-1] > 0.5, gaps
    assert all(later > earlier for earlier, later in zip(gaps, gaps[2:])), gaps
    assert pool.create(shared.key).status == 201
    assert pool.end() == 0


def test_one_crashing_worker_leaves_the_others(pools, shared):
    pool = pools(workers=2).ready(2)
    stays = pool.workers()[1]
    for _ in range(3):
        for pid in pool.workers():
            if pid != stays:
                os.kill(pid, signal.SIGKILL)
        assert pool.create(shared.key).status == 201
        time.sleep(0.05)
    assert stays in pool.workers()
    assert stack.wait_for(lambda: len(pool.workers()) == 2, 5)


def test_workers_do_not_hear_sighup(pools, shared):
    """A reload is the master's to do: one that a terminal or a script sends to all of them ends nobody."""
    pool = pools().ready()
    before = pool.workers()
    for pid in before:
        os.kill(pid, signal.SIGHUP)
    for _ in range(4):
        assert pool.create(shared.key).status == 201
    time.sleep(0.2)
    assert pool.workers() == before and "ev=master.exit" not in pool.said()


def test_killed_master(pools, shared):
    """kill -9 of the master: its workers go too, and a new start takes the socket over."""
    pool = pools().ready()
    workers = pool.workers()
    pool.end(signal.SIGKILL)
    assert stack.wait_for(lambda: all(stack.is_zombie(p) for p in workers), 5), "orphans hold the socket"
    assert pool.socket.exists()
    second = pools().ready()
    assert second.create(shared.key).status == 201


# A database of several hosts ----------------------------------------------------------------------------


@pytest.fixture
def silent():
    """The port of a host that takes connections and says nothing, as one that hangs or a firewall in between."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def database(hosts, ports, more=""):
    real = psycopg2.extensions.parse_dsn(stack.env("SIGSENTRY_DSN"))
    return "database=host=%s port=%s dbname=%s %s" % (hosts.replace("REAL", real["host"]), ports, real["dbname"], more)


@pytest.mark.parametrize("more,least,most", [("", 2, 5), ("connect_timeout=1", 1, 2)], ids=["share", "connect_timeout"])
def test_silent_host(pools, shared, silent, more, least, most):
    """The first host accepts and says nothing: the next one is asked in time for the client's 201."""
    pool = pools(database("127.0.0.1,REAL", "%d,5432" % silent, more), workers=1).ready(1)
    began = time.monotonic()
    assert pool.create(shared.key).status == 201
    assert least - 0.5 < time.monotonic() - began < most
    began = time.monotonic()
    assert pool.create(shared.key).status == 201
    assert time.monotonic() - began < 1, "the connection was not kept"


def test_what_a_session_is_told(pools, shared):
    """In the first packet: a plan is made once, none is compiled, nothing is looked up in a schema of somebody's."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(10)
        pool = pools(database("127.0.0.1", sock.getsockname()[1], "sslmode=disable gssencmode=disable"), workers=1).ready(1)
        asking = threading.Thread(target=pool.create, args=(shared.key,))
        asking.start()
        with sock.accept()[0] as conn:
            packet = conn.recv(4096)
        pool.end()
        asking.join()
    words = packet[8:].split(b"\0")
    told = dict(zip(words[::2], words[1::2]))
    assert told[b"user"] == b"sigsentry_api"
    for option in (b"search_path=", b"jit=off", b"plan_cache_mode=force_generic_plan", b"lock_timeout=2000"):
        assert b"-c " + option in told[b"options"]


@pytest.mark.parametrize("where", ["environment", "service file", "one host in the environment"])
def test_hosts_that_libpq_finds(pools, shared, silent, where):
    """Hosts that do not stand in the connection string."""
    real = psycopg2.extensions.parse_dsn(stack.env("SIGSENTRY_DSN"))
    hosts, ports = ("127.0.0.1," + real["host"], "%d,5432" % silent) if "one" not in where else (real["host"], "5432")
    option, env = "database=dbname=" + real["dbname"], dict(os.environ, PGHOST=hosts, PGPORT=ports)
    if where == "service file":
        path = pools.folder / "services"
        path.write_text("[there]\nhost=%s\nport=%s\n" % (hosts, ports))
        option, env = option + " service=there", dict(os.environ, PGSERVICEFILE=str(path))
    pool = pools(option, workers=1, env=env).ready(1)
    began = time.monotonic()
    assert pool.create(shared.key).status == 201
    assert time.monotonic() - began < (1 if "one" in where else 5)


def test_all_hosts_silent(pools, shared, silent):
    pool = pools(database("127.0.0.1,127.0.0.1,127.0.0.1", silent), workers=1).ready(1)
    began = time.monotonic()
    assert pool.create(shared.key).status == 503
    assert time.monotonic() - began < 9
    assert pool.said().count("took too long") == 3, pool.said()


@pytest.mark.parametrize("hosts,ports", [("/nowhere,REAL", "5432"), ("REAL,/nowhere", "5432"), ("REAL", ""),
                                         ("127.0.0.1,REAL", "1,5432"), ("REAL,REAL", "5433,")])
def test_other_hosts(pools, shared, hosts, ports):
    """One that refuses is passed over at once; so the lists are taken as libpq takes them."""
    pool = pools(database(hosts, ports or "5432"), workers=1).ready(1)
    began = time.monotonic()
    assert pool.create(shared.key).status == 201
    assert time.monotonic() - began < 1


# Whose socket it is -----------------------------------------------------------------------------------


def listening(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen(64)
    return sock


def test_socket_as_standard_input(pools, shared):
    """As spawn-fcgi hands it over; it is not ours to remove."""
    path = pools.folder / "spawned.sock"
    with listening(path) as sock:
        pool = pools(stdin=sock).ready()
    assert fcgi.ask(path, fcgi.create(shared.key)).status == 201
    assert not pool.socket.exists(), "a second socket was made"
    assert pool.end() == 0 and path.exists()


def by_systemd(sock, pid="$$"):
    """A command prefix that starts the rest with ${sock} as descriptor 3."""
    script = 'export LISTEN_FDS=1 LISTEN_PID=%s; exec "$@" 3<&%d' % (pid, sock.fileno())
    return ("bash", "-c", script, "bash")


def test_socket_of_systemd(pools, shared):
    path = pools.folder / "activated.sock"
    with listening(path) as sock:
        pool = pools(prefix=by_systemd(sock), pass_fds=(sock.fileno(),)).ready()
        assert fcgi.ask(path, fcgi.create(shared.key)).status == 201
        assert not pool.socket.exists()
        before = pool.workers()
        pool.process.send_signal(signal.SIGHUP)
        assert stack.wait_for(lambda: len(pool.workers()) == 2 and not set(before) & set(pool.workers()), 5)
        assert fcgi.ask(path, fcgi.create(shared.key)).status == 201
        assert pool.end() == 0 and path.exists()


def test_listen_fds_of_another_process(pools, shared):
    """LISTEN_PID names somebody else: the descriptors are not for us (sd_listen_fds(3))."""
    path = pools.folder / "others.sock"
    with listening(path) as sock:
        pool = pools(prefix=by_systemd(sock, "1"), pass_fds=(sock.fileno(),)).ready()
        assert pool.create(shared.key).status == 201


def test_listen_fds_without_a_socket(pools):
    with open("/dev/null") as nothing:
        said = pools(prefix=by_systemd(nothing), pass_fds=(nothing.fileno(),)).refused()
    assert "LISTEN_FDS" in said or "socket" in said, said


def test_second_start_is_refused(pools, shared):
    first = pools().ready()
    second = pools()
    said = second.refused()
    assert str(second.socket) in said and re.search("already|in use|another", said), said
    assert first.socket.exists() and first.create(shared.key).status == 201


def test_stale_socket_is_taken_over(pools, shared):
    listening(pools.folder / "api.sock").close()
    assert (pools.folder / "api.sock").exists()
    assert pools().ready().create(shared.key).status == 201


def test_a_file_in_the_way_is_kept(pools):
    path = pools.folder / "api.sock"
    path.write_text("precious")
    said = pools().refused()
    assert str(path) in said and path.read_text() == "precious"


def test_folder_of_the_socket_is_missing(pools):
    said = pools(name="no/such/api.sock").refused()
    assert "no/such/api.sock" in said, said


# What cannot work -------------------------------------------------------------------------------------


def config_file(pools, *lines):
    """The stack's config with lines of ours behind it; the path, and the number of the first of ours."""
    text = pathlib.Path(stack.env("SIGSENTRY_CONF")).read_text()
    text = text if text.endswith("\n") else text + "\n"
    path = pools.folder / "test.conf"
    path.write_text(text + "".join(line + "\n" for line in lines))
    return path, text.count("\n") + 1


BAD_LINES = [
    ("unknown key", "api_worker = 2", "api_workers"),
    ("no equals sign", "hello", None),
    ("not a number", "lock_timeout_ms = soon", "lock_timeout_ms"),
    ("below its least", "lock_timeout_ms = -1", "lock_timeout_ms"),
    ("with a unit", "lock_timeout_ms = 2s", "lock_timeout_ms"),
    ("beyond 64 bits", "lock_timeout_ms = 99999999999999999999", "lock_timeout_ms"),
    ("not a word", "log_level = loud", "log_level"),
    ("not a network", "egress_allow = 10.0.0.0/99", "egress_allow"),
    ("host bits", "egress_allow = 10.0.0.1/8", "egress_allow"),
    ("not a host", "hosts_slack = https://x/", "hosts_slack"),
    ("above its most", "seal_context_s = 61", "seal_context_s"),
]


def without(key):
    """The stack's config without this key, so that our own line is its first."""
    lines = pathlib.Path(stack.env("SIGSENTRY_CONF")).read_text().splitlines()
    return [line for line in lines if line.split("=")[0].strip() != key]


@pytest.mark.parametrize("line,word", [r[1:] for r in BAD_LINES], ids=[r[0] for r in BAD_LINES])
def test_bad_config_line(pools, line, word):
    """Exit status 1, and the message names the file and the line."""
    kept = without(line.split("=")[0].strip())
    path = pools.folder / "test.conf"
    path.write_text("\n".join(kept + ["# a comment", line, ""]))
    said = pools(config=path).refused()
    assert "%s:%d" % (path, len(kept) + 2) in said, said
    assert word is None or word in said, said
    assert not (pools.folder / "api.sock").exists()


@pytest.mark.parametrize("option", ["api_worker=2", "lock_timeout_ms=x", "log_level=loud", "nothing"])
def test_bad_override(pools, option):
    assert option.split("=")[0] in pools(option).refused()


def test_no_config_file(pools):
    path = pools.folder / "none.conf"
    assert str(path) in pools(config=path).refused()


def test_a_folder_as_config_file(pools):
    assert str(pools.folder) in pools(config=pools.folder).refused()


def test_no_keyring(pools):
    """It ends instead of serving without being able to seal."""
    path = pools.folder / "no-such-keyring"
    said = pools("keyring_public=%s" % path).refused()
    assert str(path) in said, said


@pytest.mark.parametrize("text", ["", "hello\n", "sigsentry-keyring 1 public\n", "sigsentry-keyring 9 public\n"],
                         ids=["empty", "garbage", "no key", "version"])
def test_bad_keyring(pools, text):
    path = pools.folder / "keyring"
    path.write_text(text)
    assert str(path) in pools("keyring_public=%s" % path).refused()


def test_unknown_option_is_usage(pools):
    done = subprocess.run([str(PROGRAM), "--frobnicate"], capture_output=True, text=True, timeout=5)
    assert done.returncode == 2 and "usage" in done.stderr


# Reload -----------------------------------------------------------------------------------------------


def hang_up(pool, pattern):
    """SIGHUP, then wait for a new log line that matches."""
    seen = len(pool.said())
    pool.process.send_signal(signal.SIGHUP)
    assert stack.wait_for(lambda: re.search(pattern, pool.said()[seen:]), 5), pool.said()[seen:]


def test_reload_with_a_broken_config(pools, shared):
    """The old workers stay and serve; the log names the line; with the line mended a reload works."""
    path, line = config_file(pools)
    good = path.read_text()
    pool = pools(config=path).ready()
    before = pool.workers()
    path.write_text(good + "nonsense = 1\n")
    hang_up(pool, re.escape("%s:%d" % (path, line)))
    time.sleep(0.2)
    assert pool.workers() == before and pool.create(shared.key).status == 201
    path.write_text(good)
    hang_up(pool, "ev=master.ready")
    assert stack.wait_for(lambda: not set(pool.workers()) & set(before), 5)
    assert pool.create(shared.key).status == 201


def test_reload_with_a_missing_keyring(pools, shared):
    """What only the new workers can find out leaves the old ones serving as well."""
    keyring = re.search(r"(?m)^\s*keyring_public\s*=\s*(\S+)", pathlib.Path(stack.env("SIGSENTRY_CONF")).read_text())[1]
    copy = pools.folder / "keyring"
    shutil.copy(keyring, copy)
    copy.chmod(0o644)
    pool = pools("keyring_public=%s" % copy).ready()
    before = pool.workers()
    copy.rename(pools.folder / "away")
    hang_up(pool, "ev=master.reload .*hint")
    assert stack.wait_for(lambda: sorted(pool.workers()) == sorted(before), 5), pool.said()
    for _ in range(4):
        assert pool.create(shared.key).status == 201
    (pools.folder / "away").rename(copy)
    hang_up(pool, "ev=master.ready")
    assert stack.wait_for(lambda: len(pool.workers()) == 2 and not set(pool.workers()) & set(before), 5)
    assert pool.create(shared.key).status == 201


def test_reload_changes_the_number_of_workers(pools, shared):
    path, _ = config_file(pools)
    kept = "\n".join(without("api_workers"))
    path.write_text(kept + "\napi_workers = 1\n")
    argv = [str(PROGRAM), "-c", str(path), "-o", "api_socket=%s" % (pools.folder / "n.sock")]
    log = pools.folder / "log-n"
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        for n in (1, 3, 2):
            path.write_text(kept + "\napi_workers = %d\n" % n)
            if n != 1:
                process.send_signal(signal.SIGHUP)
            assert stack.wait_for(lambda: len(stack.children(process.pid)) == n, 5), (n, log.read_text())
            time.sleep(0.1)
            assert len(stack.children(process.pid)) == n
            assert stack.wait_for(lambda: (pools.folder / "n.sock").exists(), 2)
            assert fcgi.ask(pools.folder / "n.sock", fcgi.create(shared.key)).status == 201
    finally:
        stack.end_process(process)
    assert process.returncode == 0


def test_reloads_in_quick_succession(pools, shared):
    """SIGHUP while the last one is still under way, again and again: no request fails, and in the end all workers are there.

    The workers of two reloads become ready in any order: neither may take the other for the one to replace and leave a
    pool without workers.
    """
    pool = pools().ready()
    ending = threading.Event()
    statuses = []

    def ask():
        while not ending.is_set():
            try:
                statuses.append(pool.create(shared.key).status)
            except OSError as e:
                statuses.append(repr(e))

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for t in askers:
        t.start()
    try:
        for n in range(12):
            before = pool.workers()
            for _ in range(6):
                pool.process.send_signal(signal.SIGHUP)
                time.sleep(0.002 * (n % 4))
            settled = stack.wait_for(lambda: len(pool.workers()) == 2 and not set(pool.workers()) & set(before), 5)
            assert settled, (n, pool.workers(), pool.said()[-2000:])
    finally:
        if not pool.workers():  # nobody would answer the askers
            stack.end_process(pool.process)
        ending.set()
        for t in askers:
            t.join()
    assert set(statuses) == {201}, {s: statuses.count(s) for s in set(statuses)}
    assert pool.create(shared.key).status == 201


def test_reload_lets_running_requests_end(pools):
    """A request that waits for a lock while the workers are exchanged gets its answer from the old one."""
    place = stack.Place("pro")
    pool = pools().ready()
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    answers = []
    try:
        with holder.cursor() as cursor:
            cursor.execute(stack.PROJECT_LOCK, (place.project,))
        waiting = threading.Thread(target=lambda: answers.append(pool.create(place.key)))
        waiting.start()
        time.sleep(0.3)
        hang_up(pool, "ev=master.ready")
        # new ones are served meanwhile: an unknown key needs no lock
        began = time.monotonic()
        assert pool.create("ss_secret_x").status == 401
        assert time.monotonic() - began < 1 and not answers
        holder.rollback()
        waiting.join()
    finally:
        holder.close()
    assert [a.status for a in answers] == [201]
    assert stack.wait_for(lambda: len(pool.workers()) == 2, 5)


def test_the_stack_is_as_before(shared):
    """After all of this the stack's own pool has its four workers and serves."""
    assert stack.settled_workers()
    with Client(shared.key) as c:
        created(c.post(channel()))
