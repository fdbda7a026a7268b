"""Goal: keys live for years: a new one comes, the old one goes, and no request fails and no value is lost on the way (contract §9, §10).

Runs on a stack of its own, in keys/ beside the one that the other suites run on: so its keyring may be turned round, and every
value in its database is one of these tests'.
"""

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import pathlib
import pty
import re
import secrets
import shlex
import shutil
import signal
import ssl
import stat
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid

import psycopg2
import pytest

import runenv

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = pathlib.Path(runenv.ENV.get("RUN_DIR") or pathlib.Path(runenv.ENV["SIGSENTRY_CONF"]).parent) / "keys"
CANARY = "cnry" + secrets.token_hex(8)
PATH = "/v1/config/notifications"
ID = re.compile("[0-9a-f]{16}")
NOBODY = "00" * 8

# All that the program has said.
SAID = []


def dev(what):
    build = pathlib.Path(runenv.ENV["SIGSENTRY_BUILD"])
    # the programs are those of the other stack, built as they were
    flags = (build / "configured").read_text().strip().partition("/configure")[2].strip()
    run = {**os.environ, "RUN_DIR": str(RUN), "BUILD_DIR": str(build), "CONFIGURE_FLAGS": flags}
    done = subprocess.run([str(ROOT / "dev" / what), *(["--purge"] if what == "down" else [])], env=run, cwd=ROOT,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


class Stack:
    """What dev/up made, and ways to speak to it."""

    def __init__(self):
        lines = (RUN / "env").read_text().splitlines()
        self.env = {k: shlex.split(v)[0] if v.strip("'") else "" for k, _, v in (line.partition("=") for line in lines)}
        self.ctl_words = shlex.split(self.env["SIGSENTRY_CTL"])
        self.context = ssl.create_default_context(cafile=self.env["SIGSENTRY_CACERT"])
        self.private, self.public = RUN / "keyring.private", RUN / "keyring.public"

    def run(self, *words, options=(), **more):
        """sigsentryctl with these words."""
        done = subprocess.run(self.ctl_words + [*map(str, options), *map(str, words)],
                              **{"stdin": subprocess.DEVNULL, **more}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=120)
        if words[:2] != ("keyring", "export"):
            SAID.append(done.stdout + done.stderr)
        return done

    def ctl(self, *words, **more):
        done = self.run("--json", *words, **more)
        assert (done.returncode, done.stderr) == (0, ""), (words, done)
        return json.loads(done.stdout)

    def refused(self, *words, **more):
        done = self.run(*words, **more)
        assert done.returncode == 1 and re.search("(?m)^sigsentryctl: ", done.stderr), (words, done)
        return done.stderr

    def sql(self, text, *params):
        link = psycopg2.connect(self.env["SIGSENTRY_DSN"])
        try:
            with link, link.cursor() as cursor:
                cursor.execute(text, params)
                return cursor.fetchall() if cursor.description else []
        finally:
            link.close()

    def http(self, method, path, body=None, key=None):
        """Status and JSON of the answer."""
        headers = {"Authorization": "Bearer " + (key or self.env["SIGSENTRY_SECRET_KEY"]), "Content-Type": "application/json"}
        request = urllib.request.Request(self.env["SIGSENTRY_URL"] + path, method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as e:
            with e:
                return e.code, json.load(e)

    def channel(self, secret=None, threshold="critical"):
        """A channel that leads to the stack's receiver."""
        status, answer = self.http("POST", PATH, {
            "type": "webhook", "name": "n", "severityThreshold": threshold,
            "credentials": {"url": "https://sink.example.com/" + CANARY, "hmacSecret": secret or CANARY + secrets.token_hex(4)}})
        assert status == 201, answer
        return answer["data"]["id"]

    def delivered(self, channel):
        """Send a test; the line of the receiver's log."""
        status, answer = self.http("POST", "%s/%s/test" % (PATH, channel))
        assert status == 202, answer
        delivery = answer["data"]["deliveryId"]
        assert wait(lambda: self.sink(delivery)), self.http("GET", "%s/%s/deliveries/%s" % (PATH, channel, delivery))
        return self.sink(delivery)

    def sink(self, delivery):
        log = RUN / "sink" / "log"
        lines = [line.split("\t") for line in log.read_text().splitlines()] if log.exists() else []
        return next((line for line in lines if line[2] == delivery), None)

    def courier_pid(self):
        return int(pathlib.Path(self.env["SIGSENTRY_COURIER_PIDS"]).read_text().split()[0])

    def courier_keys(self):
        return {k for [keys] in self.sql("SELECT key_ids FROM sigsentry.courier WHERE name NOT LIKE 'elsewhere%%'") for k in keys}

    def reload_courier(self):
        """What a restart is under systemd."""
        os.kill(self.courier_pid(), signal.SIGHUP)
        want = {k["id"] for k in self.ring()}
        assert wait(lambda: self.courier_keys() == want), (self.courier_keys(), want)

    def workers(self):
        pid = int(pathlib.Path(self.env["SIGSENTRY_API_PIDS"]).read_text().split()[0])
        return pid, set(pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split())

    def reload_workers(self):
        pid, old = self.workers()
        os.kill(pid, signal.SIGHUP)
        assert wait(lambda: len(self.workers()[1]) == len(old) and not old & self.workers()[1], 20)

    def ring(self, *options):
        return self.ctl("keyring", "list", options=options)

    def active(self):
        [key] = [k["id"] for k in self.ring() if k["state"] == "active"]
        return key

    def rotate(self):
        """A whole rotation; the new key."""
        made = self.ctl("keyring", "rotate")
        assert made["state"] == "next"
        self.reload_courier()
        done = self.ctl("keyring", "rotate")
        assert (done["id"], done["state"]) == (made["id"], "active")
        self.reload_workers()
        return made["id"]

    def check(self):
        """All values open."""
        found = self.ctl("keyring", "check")
        assert found["values"] == found["opened"] == sum(k["values"] for k in found["keys"]) and found["unopened"] == []
        return {k["id"]: k["values"] for k in found["keys"]}


def wait(question, timeout=10.0):
    end = time.monotonic() + timeout
    while not (answer := question()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


@pytest.fixture(scope="module")
def made():
    dev("up")
    yield Stack()
    dev("down")
    shutil.rmtree(RUN, ignore_errors=True)


@pytest.fixture
def s(made):
    """The stack, with a keyring whose one key is known to all."""
    made.sql("DELETE FROM sigsentry.courier WHERE name LIKE 'elsewhere%%'")
    if len(made.ring()) > 20 or made.run("keyring", "check").returncode != 0:
        made.sql("DELETE FROM sigsentry.channel")
    return made


def file_mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@contextlib.contextmanager
def at_work(*jobs):
    """Each job goes on and on, in a thread of its own; what one of them raised is raised here."""
    over, faults, counts = threading.Event(), [], [0] * len(jobs)

    def work(i, job):
        try:
            while not over.is_set():
                job()
                counts[i] += 1
        except BaseException as e:  # noqa: B902: handed on below
            faults.append(e)

    threads = [threading.Thread(target=work, args=(i, job)) for i, job in enumerate(jobs)]
    for t in threads:
        t.start()
    try:
        yield counts
    finally:
        over.set()
        for t in threads:
            t.join()
    if faults:
        raise faults[0]


# rotate ----------------------------------------------------------------------------------------------


def test_rotate_waits_for_every_courier(s):
    channel = s.channel()
    old = s.active()
    public = s.public.read_bytes()
    first = s.ctl("keyring", "rotate")
    new = first["id"]
    assert ID.fullmatch(new) and new != old and first["state"] == "next" and s.public.read_bytes() == public
    [courier] = first["couriers"]
    name = "%s:%d" % (os.uname().nodename, s.courier_pid())
    assert (courier["courier"], courier["hasKey"]) == (name, False)
    assert "systemctl restart sigsentry-courier" in courier["toDo"] and "kill -HUP %d" % s.courier_pid() in courier["toDo"]
    assert [(k["id"], k["state"]) for k in s.ring()][-2:] == [(old, "active"), (new, "next")]
    # programs of 0.1.0 know no more words than these
    assert set(re.findall(r"(?m)^key \S+ \S+ (\S+) ", s.private.read_text())) == {"active", "old"}

    private = s.private.read_bytes()
    said = s.refused("keyring", "rotate")
    assert "courier %s lacks key %s" % (name, new) in said and "systemctl restart sigsentry-courier" in said
    s.sql("INSERT INTO sigsentry.courier (id, name, version, key_ids, lease_s, flights)"
          " SELECT gen_random_uuid(), 'elsewhere' || i || ':7', '0.1.0', '{}', 60, 0 FROM generate_series(1, 2) i")
    s.sql("UPDATE sigsentry.courier SET beat_at = now() - interval '181 seconds' WHERE name = 'elsewhere2:7'")
    said = s.refused("keyring", "rotate").splitlines()
    assert len(said) == 2 and all(line.startswith("sigsentryctl: courier ") for line in said)
    assert "courier elsewhere1:7 lacks" in said[0] and "ssh elsewhere1 'sigsentryctl keyring import - " in said[0]
    assert (s.private.read_bytes(), s.public.read_bytes()) == (private, public)

    s.reload_courier()
    assert "elsewhere1" in s.refused("keyring", "rotate") and s.public.read_bytes() == public
    s.sql("DELETE FROM sigsentry.courier WHERE name LIKE 'elsewhere%%'")
    done = s.ctl("keyring", "rotate")
    assert (done["id"], done["state"]) == (new, "active") and "systemctl reload sigsentry-api" in done["next"]
    assert file_mode(s.private) == 0o600 and file_mode(s.public) == 0o644
    assert s.active() == new
    assert [k["state"] for k in s.ring("-o", "keyring_private=/nonexistent") if k["id"] == new] == ["active"]

    # until the workers are reloaded they seal to the old one, and that is opened too
    s.delivered(s.channel())
    s.reload_workers()
    fresh = s.channel()
    assert {r[0] for r in s.sql("SELECT encode(substring(sealed FROM 2 FOR 8), 'hex') FROM sigsentry.credential"
                                " WHERE channel_id = %s", fresh)} == {new}
    s.delivered(fresh)
    s.delivered(channel)
    s.check()
    rows = s.ctl("audit", "--limit", "1000000")
    assert [(r["actorKind"], r["after"]) for r in rows if (r["action"], r["objectId"]) == ("keyring.rotate", new)] == [
        ("user", {"state": "active"})]


@pytest.mark.parametrize("name", [
    "elsewhere$(touch x):7", "elsewhere;reboot:7", "elsewhere:7'x", "elsewhere\x1b[31m:7", "-oProxyCommand=elsewhere:7", "elsewhere",
    "elsewhere\nsigsentryctl: all is well:7", "elsewhere:$(reboot)"])
def test_rotate_and_the_name_of_a_courier(s, name):
    """It comes from another machine: nothing of it stands in a command that a person is told to run, nor moves a terminal."""
    s.sql("INSERT INTO sigsentry.courier (id, name, version, key_ids, lease_s, flights)"
          " VALUES (gen_random_uuid(), %s, '0.1.0', '{}', 60, 0)", name)
    try:
        s.run("keyring", "rotate")
        done = s.run("--json", "keyring", "rotate")
    finally:
        s.sql("DELETE FROM sigsentry.courier WHERE name LIKE '%%elsewhere%%'")
    [row] = [c for c in json.loads(done.stdout)["couriers"] if c["courier"] == name]
    assert row["toDo"] == "on its machine: sigsentryctl keyring import, then restart the courier"
    shown = "".join(c if c.isprintable() else "?" for c in name)
    [line] = [x for x in done.stderr.splitlines() if "elsewhere" in x]
    assert re.fullmatch(r"sigsentryctl: courier %s lacks key [0-9a-f]{16}, heard of \d+ s ago: %s" % (
        re.escape(shown), re.escape(row["toDo"])), line)
    s.reload_courier()
    s.ctl("keyring", "rotate")
    s.reload_workers()


def test_rotate_killed_between_the_files(s):
    """The private file has heard of it, the public one has not: the next run mends that and begins nothing new."""
    public = s.public.read_bytes()
    new = s.rotate()
    keys = len(s.ring())
    s.public.write_bytes(public)
    assert "rotation is not finished" in s.refused("keyring", "reseal")
    assert "keyring rotate" in s.run("check").stdout
    done = s.ctl("keyring", "rotate")
    assert (done["id"], done["state"]) == (new, "active") and len(s.ring()) == keys
    assert ("key %s " % new).encode() in s.public.read_bytes()
    # nor without the public file
    s.public.unlink()
    assert s.ctl("keyring", "rotate")["id"] == new and file_mode(s.public) == 0o644


def test_rotate_without_a_courier(s):
    """With nobody to wait for it is done at once, and says what that means."""
    pid = s.courier_pid()
    rows = s.sql("SELECT id::text, beat_at, lease_s FROM sigsentry.courier")
    os.kill(pid, signal.SIGSTOP)
    try:
        s.sql("UPDATE sigsentry.courier SET beat_at = now() - interval '1 day'")
        done = s.run("keyring", "rotate")
        assert done.returncode == 0 and "No courier is alive" in done.stdout and re.search(r"state +active", done.stdout)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert rows
    s.reload_courier()
    s.reload_workers()


@pytest.mark.parametrize("how", ["one name", "a copy", "a hard link"])
@pytest.mark.parametrize("words", [("rotate",), ("retire",), ("import", "--public"), ("export", "--public", "-")])
def test_private_keys_in_the_public_files_place(s, machine, tmp_path, how, words):
    """They are not overwritten, nor handed out."""
    private, public = tmp_path / "private", tmp_path / "public"
    s.ctl("keyring", "generate", options=machine)
    given = tmp_path / "given"
    s.ctl("keyring", "export", given, "--public", options=machine)
    public.unlink()
    if how == "one name":
        machine = [*machine[:2], "-o", "keyring_public=%s" % private]
    elif how == "a copy":
        shutil.copy(private, public)
    else:
        os.link(private, public)
    before = {f.name: f.read_bytes() for f in tmp_path.iterdir()}
    more = {"retire": [NOBODY], "import": [given]}.get(words[0], [])
    done = s.run("keyring", *words, *more, options=machine)
    assert done.returncode == 1 and done.stdout == "" and "which holds private keys" in done.stderr
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == before


def test_rotate_behind_the_end_of_time(s, machine, tmp_path):
    """A file from elsewhere may say anything; what was written for such a key could not be read again."""
    s.ctl("keyring", "generate", options=machine)
    for name in ("private", "public"):
        file = tmp_path / name
        file.write_text(re.sub(r" 2\d{3}-\S+Z ", " 9999-12-31T23:59:59.999Z ", file.read_text()))
    before = (tmp_path / "private").read_bytes()
    said = s.refused("keyring", "rotate", options=machine)
    assert "year 9999" in said and str(tmp_path / "private") in said
    assert (tmp_path / "private").read_bytes() == before and len(s.ring(*machine)) == 1


def test_rotate_and_a_public_file_of_another_keyring(s, tmp_path):
    other = ["-o", "keyring_private=%s" % (tmp_path / "p"), "-o", "keyring_public=%s" % (tmp_path / "q")]
    s.ctl("keyring", "generate", options=other)
    private, foreign = s.private.read_bytes(), (tmp_path / "q").read_bytes()
    said = s.refused("keyring", "rotate", options=["-o", "keyring_public=%s" % (tmp_path / "q")])
    assert "private half is not in" in said
    assert s.private.read_bytes() == private and (tmp_path / "q").read_bytes() == foreign


def test_without_private_keys(s):
    for command in ("rotate", "reseal", "check", "retire " + NOBODY):
        said = s.refused("keyring", *command.split(), options=["-o", "keyring_private=/tmp/nonexistent"])
        assert "there is no /tmp/nonexistent: run this on the courier's machine" in said
        assert s.refused("keyring", *command.split(), options=["-o", "keyring_private=%s" % s.public])


def test_without_a_database(s):
    """Nothing is written where the couriers cannot be asked."""
    before = s.private.read_bytes()
    for command in ("rotate", "reseal", "check", "retire " + NOBODY):
        assert "cannot reach the database" in s.refused("keyring", *command.split(), options=["-o", "database=host=/nonexistent"])
    assert s.private.read_bytes() == before


# reseal ----------------------------------------------------------------------------------------------


def test_reseal_while_all_goes_on(s):
    """Creates, changes and deliveries meanwhile: none fails, and afterwards all values open, with the active key."""
    hmac_secret = CANARY + "-before"
    before = s.channel(hmac_secret)
    changed = [s.channel() for _ in range(8)]
    many = [s.channel() for _ in range(300)]
    assert many
    new = s.rotate()

    def patch():
        for c in changed:
            status, answer = s.http("PATCH", "%s/%s" % (PATH, c), {
                "credentials": {"hmacSecret": CANARY + secrets.token_hex(4)}, "hmacOverlapSeconds": 3600})
            assert status == 200, answer

    with at_work(s.channel, patch, lambda: s.delivered(before)) as counts:
        time.sleep(0.3)
        done = [s.ctl("keyring", "reseal") for _ in range(3)]
        time.sleep(0.3)
    assert all(counts) and sum(d["resealed"] for d in done) > 600, (counts, done)
    assert s.ctl("keyring", "reseal")["left"] == 0
    assert set(s.check()) == {new}
    # previous values too
    assert s.sql("SELECT count(*) FROM sigsentry.credential WHERE previous_sealed IS NOT NULL")[0][0] >= 8

    at, event, delivery, stamp, signatures, body = s.delivered(before)
    text = pathlib.Path(body).read_bytes()
    signed = hmac.new(hmac_secret.encode(), ("%s.%s." % (delivery, stamp)).encode() + text, hashlib.sha256).digest()
    assert "v1," + __import__("base64").b64encode(signed).decode() in signatures.split()
    notes = [r for r in s.ctl("audit", "--limit", "1000000") if r["action"] == "keyring.reseal" and r["objectId"] == new]
    assert sum(r["after"]["resealed"] for r in notes) == sum(d["resealed"] for d in done)


def test_reseal_moved_to_previous_meanwhile(s):
    """A secret that a PATCH has moved between reading and writing is found in its new place, and the PATCH's stays."""
    channel = s.channel()
    [(tenant, old)] = s.sql("SELECT tenant_id::text, sealed FROM sigsentry.credential WHERE channel_id = %s AND field = 'hmacSecret'",
                            channel)
    assert s.http("PATCH", "%s/%s" % (PATH, channel), {"credentials": {"hmacSecret": CANARY}})[0] == 200
    [(now,)] = s.sql("SELECT sealed FROM sigsentry.credential WHERE channel_id = %s AND field = 'hmacSecret'", channel)
    call = "SELECT admin.keyring_reseal(ARRAY[%s]::uuid[], ARRAY[%s]::uuid[], '{hmacSecret}', ARRAY[%s]::bytea[], ARRAY[%s]::bytea[]," \
           " ARRAY[NULL]::bytea[], ARRAY[NULL]::bytea[])"
    assert s.sql(call, tenant, channel, bytes(old), b"anew") == [(1,)]
    assert [tuple(map(bytes, r)) for r in s.sql("SELECT sealed, previous_sealed FROM sigsentry.credential WHERE channel_id = %s"
                                                " AND field = 'hmacSecret'", channel)] == [(bytes(now), b"anew")]
    # and what is not there any more changes nothing
    assert s.sql(call, tenant, channel, bytes(old), b"anew2") == [(0,)]
    s.sql("DELETE FROM sigsentry.channel WHERE id = %s", channel)


def test_reseal_waits_for_nobody(s):
    """A row that somebody holds is left for another run, and said so; the others are done."""
    held, free = s.channel(), s.channel()
    new = s.rotate()
    link = psycopg2.connect(s.env["SIGSENTRY_DSN"])
    try:
        with link.cursor() as cursor:
            cursor.execute("SELECT FROM sigsentry.credential WHERE channel_id = %s AND field = 'url' FOR UPDATE", (held,))
            began = time.monotonic()
            done = s.run("--json", "keyring", "reseal")
            assert time.monotonic() - began < 5
        assert done.returncode == 1 and json.loads(done.stdout)["left"] == 1 and "run it again" in done.stderr
    finally:
        link.close()
    assert free and s.ctl("keyring", "reseal")["resealed"] == 1
    assert set(s.check()) == {new}


def test_reseal_killed_and_run_again(s):
    for _ in range(450):
        s.channel()
    total = sum(s.check().values())
    new = s.rotate()
    # it is held up in the third page, and killed there
    [(done,)] = s.sql("SELECT count(sealed) + count(previous_sealed) FROM (SELECT * FROM sigsentry.credential"
                      " ORDER BY tenant_id, channel_id, field LIMIT 400) f")
    [(tenant, channel, field)] = s.sql("SELECT tenant_id::text, channel_id::text, field FROM sigsentry.credential"
                                       " ORDER BY tenant_id, channel_id, field OFFSET 450 LIMIT 1")
    s.sql("CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN new; END'")
    s.sql("CREATE TRIGGER hold BEFORE UPDATE ON sigsentry.credential FOR EACH ROW WHEN (old.channel_id = %s AND old.field = %s)"
          " EXECUTE FUNCTION public.hold()", channel, field)
    try:
        p = subprocess.Popen(s.ctl_words + ["keyring", "reseal"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert wait(lambda: s.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        p.kill()
        p.wait()
        s.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    finally:
        s.sql("DROP TRIGGER hold ON sigsentry.credential")
        s.sql("DROP FUNCTION public.hold()")
    counts = s.check()
    assert sum(counts.values()) == total and counts[new] == done, "what was done is done, and nothing is lost"
    assert tenant and s.ctl("keyring", "reseal")["resealed"] == total - done
    assert s.check() == {new: total}


def test_two_reseals_at_once(s):
    for _ in range(300):
        s.channel()
    total = sum(s.check().values())
    new = s.rotate()
    running = [subprocess.Popen(s.ctl_words + ["--json", "keyring", "reseal"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for _ in range(3)]
    done = [p.communicate(timeout=60) for p in running]
    assert sum(json.loads(out)["resealed"] for out, _ in done) == total, "each once"
    s.ctl("keyring", "reseal")
    assert s.check() == {new: total}


@pytest.mark.parametrize("spoil,fault", [
    ("set_byte(sealed, octet_length(sealed) - 1, get_byte(sealed, octet_length(sealed) - 1) # 1)", "damaged"),
    ("substring(sealed FROM 1 FOR 20)", "damaged"),
    ("set_byte(sealed, 3, get_byte(sealed, 3) # 255)", "key missing"),
])
def test_damaged_values(s, spoil, fault):
    """Counted, named, left alone; the others are done."""
    channel = s.channel()
    s.sql("UPDATE sigsentry.credential SET sealed = %s WHERE channel_id = '%s' AND field = 'hmacSecret'" % (spoil, channel))
    old = s.active()
    new = s.rotate()
    value = {"channelId": channel, "field": "hmacSecret", "value": "current", "fault": fault}
    [before] = s.sql("SELECT sealed FROM sigsentry.credential WHERE channel_id = %s AND field = 'hmacSecret'", channel)
    done = s.run("--json", "keyring", "reseal")
    assert done.returncode == 1 and json.loads(done.stdout)["unopened"] == [value] and "1 values cannot be opened" in done.stderr
    assert json.loads(done.stdout)["resealed"] > 0
    assert s.sql("SELECT sealed FROM sigsentry.credential WHERE channel_id = %s AND field = 'hmacSecret'", channel) == [before]
    found = s.run("--json", "keyring", "check")
    assert found.returncode == 1
    shown = json.loads(found.stdout)
    assert shown["unopened"] == [value] and shown["opened"] == shown["values"] - 1
    assert "missing" in {k["state"] for k in shown["keys"]} or fault == "damaged"
    if spoil.startswith("set_byte(sealed, oct"):
        assert "1 of %d stored values need key %s" % (shown["values"], old) in s.refused("keyring", "retire", old)
    plain = s.run("keyring", "check").stdout
    assert re.search(r"%s +hmacSecret +current +%s" % (channel, fault), plain)
    s.sql("DELETE FROM sigsentry.channel WHERE id = %s", channel)
    assert set(s.check()) == {new}


def test_progress_on_a_terminal(s):
    """A bar for a person, not a byte of it for a pipe."""
    master, slave = pty.openpty()
    done = subprocess.run(s.ctl_words + ["keyring", "check"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave, timeout=60,
                          env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert done.returncode == 0
    assert re.match(r"\r\[[#.]{30}\] +\d+ %  \d+ of \d+ values", shown) and shown.endswith("\r\033[K"), shown
    assert s.run("keyring", "check").stderr == ""


# retire ----------------------------------------------------------------------------------------------


def ready(s):
    with contextlib.closing(__import__("http.client").client.HTTPSConnection(
            "localhost", int(s.env["SIGSENTRY_URL"].rsplit(":", 1)[1]), context=s.context)) as link:
        link.request("GET", "/readyz")
        return json.load(link.getresponse())


def test_retire(s):
    s.channel()
    old = s.active()
    said = s.refused("keyring", "retire", old)
    assert "is the active one" in said
    assert "there is no key " + NOBODY in s.refused("keyring", "retire", NOBODY)
    assert s.run("keyring", "retire", "xyz").returncode == 2
    waiting = s.ctl("keyring", "rotate")["id"]
    assert "waits to become active" in s.refused("keyring", "retire", waiting)
    s.reload_courier()
    s.ctl("keyring", "rotate")
    old_public = re.sub(r"(key %s \S+) old" % old, r"\1 active", s.public.read_text().replace(" active ", " old "))
    [n] = s.sql("SELECT count(*) FROM sigsentry.credential, LATERAL (VALUES (sealed), (previous_sealed)) v (box)"
                " WHERE substring(box FROM 2 FOR 8) = decode(%s, 'hex')", old)[0]
    files = s.private.read_bytes(), s.public.read_bytes()
    assert "%d of " % n in s.refused("keyring", "retire", old) and "keyring reseal" in s.refused("keyring", "retire", old)
    assert (s.private.read_bytes(), s.public.read_bytes()) == files
    assert s.sql("SELECT count(*) FROM sigsentry.retired_key WHERE id = decode(%s, 'hex')", old) == [(0,)]

    # a previous value needs it as much
    s.ctl("keyring", "reseal")
    channel = s.channel()       # by a worker that was not reloaded
    assert s.http("PATCH", "%s/%s" % (PATH, channel), {"credentials": {"hmacSecret": CANARY}})[0] == 200
    s.ctl("keyring", "reseal")
    s.sql("UPDATE sigsentry.credential SET previous_sealed = set_byte(previous_sealed, 1, 1) WHERE channel_id = %s", channel)
    [(other,)] = s.sql("SELECT encode(substring(previous_sealed FROM 2 FOR 8), 'hex') FROM sigsentry.credential"
                       " WHERE channel_id = %s AND previous_sealed IS NOT NULL", channel)
    found = json.loads(s.run("--json", "keyring", "check").stdout)
    assert [(u["value"], u["fault"]) for u in found["unopened"]] == [("previous", "key missing")]
    assert {k["id"]: k["values"] for k in found["keys"]}[other] == 1
    s.sql("DELETE FROM sigsentry.channel WHERE id = %s", channel)

    done = s.ctl("keyring", "retire", old)
    kept = pathlib.Path(done["file"])
    assert done["state"] == "retired" and kept == s.private.with_name("keyring.private.retired-" + old)
    assert file_mode(kept) == file_mode(s.private) == 0o600 and file_mode(s.public) == 0o644
    assert old not in s.private.read_text() and old not in s.public.read_text()
    assert s.ctl("keyring", "retire", old)["state"] == "retired", "again"

    # the workers were not reloaded: what they seal nobody could open, so it is not stored
    before = s.sql("SELECT count(*) FROM sigsentry.channel")
    log = pathlib.Path(s.env["SIGSENTRY_LOG"]) / "api.log"
    begun = log.stat().st_size
    status, answer = s.http("POST", PATH, {"type": "slack", "name": "n", "severityThreshold": "low", "credentials": {
        "webhookUrl": "https://hooks.slack.com/services/T1/B1/" + CANARY}})
    assert (status, answer["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert s.sql("SELECT count(*) FROM sigsentry.channel") == before
    line = next(x for x in log.read_text()[begun:].splitlines() if "53S01" in x)
    assert "keyring_public" in line and "reload" in line
    assert old in ready(s)["error"]["message"] and "retired" in ready(s)["error"]["message"]
    stale = s.private.with_name("stale.public")
    stale.write_text(old_public)
    doctor = s.run("--json", "check", options=["-o", "keyring_public=%s" % stale, "-o", "keyring_private=/nonexistent"])
    [part] = [p for p in json.loads(doctor.stdout) if p["name"] == "sealing"]
    assert not part["ok"] and old in part["message"] and "copy the current keyring.public" in part["cure"]
    wide = s.run("channel", "create", "--tenant", s.env["SIGSENTRY_TENANT_ID"], "--type", "slack", "--name", "n",
                 "--severity-threshold", "low", "--credentials", "/dev/stdin", options=["-o", "keyring_public=%s" % stale],
                 stdin=None, input='{"webhookUrl": "https://hooks.slack.com/services/T1/B1/%s"}' % CANARY)
    assert wide.returncode == 1 and "retired" in wide.stderr
    s.reload_workers()
    assert s.channel() and "retired" not in json.dumps(ready(s))
    assert set(s.check()) == {waiting}

    # the way back, for a backup of the database
    assert s.ctl("keyring", "import", kept)["added"] == 1
    assert [(k["id"], k["state"]) for k in s.ring() if k["id"] == old] == [(old, "old")]
    s.reload_courier()


@pytest.mark.parametrize("files", ["public", "both"])
def test_retire_killed_between_the_files(s, files):
    """The key was put aside, and one file or both still have it: the next run takes it out."""
    s.channel()
    old = s.active()
    s.rotate()
    s.ctl("keyring", "reseal")
    before = s.private.read_bytes(), s.public.read_bytes()
    kept = pathlib.Path(s.ctl("keyring", "retire", old)["file"])
    half = kept.read_bytes()
    s.public.write_bytes(before[1])
    if files == "both":
        s.private.write_bytes(before[0])
    assert s.ctl("keyring", "retire", old)["state"] == "retired"
    assert old not in s.private.read_text() and old not in s.public.read_text() and kept.read_bytes() == half
    assert file_mode(s.private) == 0o600 and file_mode(s.public) == 0o644
    s.reload_courier()
    s.check()


def test_retire_counts_behind_those_who_have_not_seen_it(s):
    """A create that began before the key was retired is waited for, and its values are found."""
    channel = s.channel()
    old = s.active()
    s.rotate()
    [row] = s.sql("DELETE FROM sigsentry.credential WHERE channel_id = %s AND field = 'hmacSecret'"
                  " RETURNING tenant_id::text, channel_id::text, field, sealed", channel)
    s.ctl("keyring", "reseal")
    link = psycopg2.connect(s.env["SIGSENTRY_DSN"])
    try:
        with link.cursor() as cursor:
            cursor.execute("INSERT INTO sigsentry.credential (tenant_id, channel_id, field, sealed) VALUES (%s, %s, %s, %s)", row)
            p = subprocess.Popen(s.ctl_words + ["-o", "lock_timeout_ms=20000", "keyring", "retire", old], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
            assert wait(lambda: p.poll() is not None or s.sql("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'ShareLock'"))
            assert p.poll() is None, p.communicate()
            link.commit()
            _, said = p.communicate(timeout=20)
    finally:
        link.close()
    assert p.returncode == 1 and "1 of " in said and "need key " + old in said
    assert old in s.private.read_text()
    s.ctl("keyring", "reseal")
    assert s.ctl("keyring", "retire", old)["state"] == "retired"
    s.check()


def test_retire_does_not_wait_for_ever(s):
    """Somebody holds the table: what is done is said, and the next run goes on."""
    s.channel()
    old = s.active()
    s.rotate()
    s.ctl("keyring", "reseal")
    link = psycopg2.connect(s.env["SIGSENTRY_DSN"])
    try:
        with link.cursor() as cursor:
            cursor.execute("LOCK TABLE sigsentry.credential IN ROW EXCLUSIVE MODE")
            said = s.refused("keyring", "retire", old, options=["-o", "lock_timeout_ms=100"])
    finally:
        link.close()
    assert "nothing new is sealed to key %s" % old in said and "run this again" in said and "pg_locks" in said
    assert old in s.private.read_text()
    assert s.ctl("keyring", "retire", old)["state"] == "retired"
    s.check()


# export and import -----------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path):
    """Options of another machine, without keys."""
    return ["-o", "keyring_private=%s" % (tmp_path / "private"), "-o", "keyring_public=%s" % (tmp_path / "public")]


def test_export_and_import(s, machine, tmp_path):
    """A new machine opens all values with what was kept."""
    backup = tmp_path / "backup"
    s.channel()
    done = s.ctl("keyring", "export", backup)
    assert (done["file"], done["keys"]) == (str(backup), len(s.ring())) and file_mode(backup) == 0o600
    assert backup.read_bytes() == s.private.read_bytes()
    assert "is there already" in s.refused("keyring", "export", backup) and backup.read_bytes() == s.private.read_bytes()
    assert s.run("keyring", "check", options=machine).returncode == 1
    done = s.ctl("keyring", "import", backup, options=machine)
    assert done["added"] == done["keys"] == len(s.ring())
    assert (tmp_path / "private").read_bytes() == s.private.read_bytes() and file_mode(tmp_path / "private") == 0o600
    assert (tmp_path / "public").read_bytes() == s.public.read_bytes() and file_mode(tmp_path / "public") == 0o644
    found = s.ctl("keyring", "check", options=machine)
    assert found["values"] == found["opened"] > 0
    assert s.ctl("keyring", "import", backup, options=machine)["added"] == 0


def test_export_through_a_pipe(s, machine, tmp_path):
    out = s.run("keyring", "export", "-")
    assert out.returncode == 0 and out.stdout.encode() == s.private.read_bytes()
    done = s.run("--json", "keyring", "import", "-", options=machine, stdin=None, input=out.stdout)
    assert done.returncode == 0 and (tmp_path / "private").read_bytes() == s.private.read_bytes()
    assert s.run("--json", "keyring", "export", "-").returncode == 2
    assert s.run("keyring", "export", "--public", "-").stdout.encode() == s.public.read_bytes()


def test_export_shows_nothing_on_a_terminal(s):
    master, slave = pty.openpty()
    done = subprocess.run(s.ctl_words + ["keyring", "export", "-"], stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    os.close(slave)
    with pytest.raises(OSError):
        assert os.read(master, 100) == b""
        raise OSError
    os.close(master)
    assert done.returncode == 1 and "not shown on a terminal" in done.stderr


@pytest.mark.parametrize("mode,done", [(0o644, False), (0o640, False), (0o604, False), (0o600, True)])
def test_export_into_a_file_of_the_shell(s, tmp_path, mode, done):
    """`export - > file` makes the file as the umask says."""
    out = tmp_path / "out"
    out.touch(mode=0o600)
    out.chmod(mode)
    with out.open("w") as file:
        p = subprocess.run(s.ctl_words + ["keyring", "export", "-"], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE,
                           text=True, timeout=60)
    assert (p.returncode == 0) == done and out.read_bytes() == (s.private.read_bytes() if done else b"")
    assert done or "umask 077" in p.stderr


def test_import_loses_nothing(s, machine, tmp_path):
    """Another machine's own keys and its active one stay."""
    own = s.ctl("keyring", "generate", options=machine)["id"]
    before = (tmp_path / "private").read_text()
    backup = tmp_path / "backup"
    s.ctl("keyring", "export", backup)
    s.ctl("keyring", "import", backup, options=machine)
    ring = s.ring(*machine)
    assert {k["id"] for k in ring} == {own} | {k["id"] for k in s.ring()}
    assert [k["id"] for k in ring if k["state"] == "active"] == [own]
    assert before.splitlines()[1] in (tmp_path / "private").read_text().splitlines()


def test_import_refuses(s, machine, tmp_path):
    backup, public = tmp_path / "backup", tmp_path / "only"
    s.ctl("keyring", "export", backup)
    s.ctl("keyring", "export", public, "--public")
    assert file_mode(public) == 0o644 and not re.search(r"(?m)( [0-9a-f]{64}){2}$", public.read_text())
    assert "public keys alone" in s.refused("keyring", "import", public, options=machine)
    assert "do not belong on a web host" in s.refused("keyring", "import", backup, "--public", options=machine)
    backup.chmod(0o644)
    assert "chmod 0600 it" in s.refused("keyring", "import", backup, options=machine)
    assert "line 1" in s.run("keyring", "import", "-", options=machine, stdin=None, input="hello\n").stderr
    assert "there is no %s" % (tmp_path / "none") in s.refused("keyring", "import", tmp_path / "none", options=machine)
    assert not (tmp_path / "private").exists() and not (tmp_path / "public").exists()


def test_import_and_links(s, machine, tmp_path):
    """A link is what a person made of it: it is neither followed nor replaced, wherever it leads."""
    backup, real = tmp_path / "backup", tmp_path / "real"
    s.ctl("keyring", "export", backup)
    (tmp_path / "private").symlink_to(real)
    assert "is there already" in s.refused("keyring", "import", backup, options=machine)
    assert (tmp_path / "private").is_symlink() and not real.exists()
    s.ctl("keyring", "generate", options=["-o", "keyring_private=%s" % real, "-o", "keyring_public=%s" % (tmp_path / "q")])
    before = real.read_bytes()
    said = s.refused("keyring", "import", backup, options=machine)
    assert "%s is a symbolic link" % (tmp_path / "private") in said and "name the file" in said
    assert (tmp_path / "private").is_symlink() and real.read_bytes() == before


def test_import_on_a_web_host(s, machine, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    s.ctl("keyring", "export", first, "--public")
    assert s.ctl("keyring", "import", first, "--public", options=machine)["added"] == len(s.ring())
    assert (tmp_path / "public").read_bytes() == first.read_bytes() and not (tmp_path / "private").exists()
    new = s.rotate()
    s.ctl("keyring", "export", second, "--public")
    done = s.ctl("keyring", "import", second, "--public", options=machine)
    assert (done["id"], done["added"]) == (new, 1) and (tmp_path / "public").read_bytes() == second.read_bytes()
    assert "is older" in s.refused("keyring", "import", first, "--public", options=machine)
    assert (tmp_path / "public").read_bytes() == second.read_bytes()
    # where the private file is, nothing is sealed to what is not in it
    s.ctl("keyring", "generate", options=["-o", "keyring_private=%s" % (tmp_path / "p"), "-o", "keyring_public=%s" % (tmp_path / "q")])
    foreign = tmp_path / "q"
    assert "import that first" in s.refused("keyring", "import", foreign, "--public")


def test_two_couriers_hosts(s, machine, tmp_path):
    """The second host gets the new key before it is active, and makes it active in its own files too."""
    s.run("keyring", "import", "-", options=machine, stdin=None, input=s.run("keyring", "export", "-").stdout)
    new = s.ctl("keyring", "rotate")["id"]
    s.run("keyring", "import", "-", options=machine, stdin=None, input=s.run("keyring", "export", "-").stdout)
    assert [k["id"] for k in s.ring(*machine) if k["state"] == "next"] == [new]
    assert "rotation is not finished" in s.refused("keyring", "reseal", options=machine)
    s.reload_courier()
    s.ctl("keyring", "rotate")
    done = s.ctl("keyring", "rotate", options=machine)
    assert (done["id"], done["state"]) == (new, "active")
    assert (tmp_path / "private").read_bytes() == s.private.read_bytes()
    s.reload_workers()


def test_the_keyring_is_full(s, tmp_path):
    machine = ["-o", "keyring_private=%s" % (tmp_path / "private"), "-o", "keyring_public=%s" % (tmp_path / "public")]
    s.ctl("keyring", "generate", options=machine)
    while len(s.ring(*machine)) < 32:
        other = tmp_path / secrets.token_hex(4)
        s.ctl("keyring", "generate", options=["-o", "keyring_private=%s" % other, "-o", "keyring_public=%s.public" % other])
        s.ctl("keyring", "import", other, options=machine)
    before = (tmp_path / "private").read_bytes()
    s.ctl("keyring", "generate", options=["-o", "keyring_private=%s" % (tmp_path / "x"), "-o", "keyring_public=%s" % (tmp_path / "y")])
    assert "at most 32 keys" in s.refused("keyring", "import", tmp_path / "x", options=machine)
    assert (tmp_path / "private").read_bytes() == before


def test_one_after_the_other(s):
    """Who changes the files waits for who is at it: else one would write down what it had read before the other one wrote."""
    folder = os.open(s.private.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        p = subprocess.Popen(s.ctl_words + ["--json", "keyring", "rotate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5)
        assert p.poll() is None and len(s.ring()) == len(re.findall("(?m)^key ", s.private.read_text()))
        keys = len(s.ring())
        fcntl.flock(folder, fcntl.LOCK_UN)
        out, _ = p.communicate(timeout=20)
    finally:
        os.close(folder)
    assert p.returncode == 0 and json.loads(out)["state"] == "next" and len(s.ring()) == keys + 1
    s.reload_courier()
    s.ctl("keyring", "rotate")
    s.reload_workers()


def test_the_lock_is_not_waited_for_for_ever(s, machine, tmp_path):
    """Any local user may hold it: the folder can be read."""
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        said = s.refused("keyring", "generate", options=machine)
    finally:
        os.close(folder)
    assert "holds the lock" in said and "lslocks" in said
    assert not (tmp_path / "private").exists()


def test_nobody_waits_for_what_is_typed(s, machine, tmp_path):
    """An import has no lock while it reads."""
    p = subprocess.Popen(s.ctl_words + machine + ["keyring", "import", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    try:
        time.sleep(0.5)
        folder = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(folder)
        out, _ = p.communicate(s.private.read_bytes(), timeout=20)
    finally:
        p.kill()
        p.wait()
    assert p.returncode == 0 and (tmp_path / "private").read_bytes() == s.private.read_bytes()


def test_what_a_kill_left_goes(s, machine, tmp_path):
    """It may hold private keys."""
    left = [tmp_path / "private.tmp-abcdef", tmp_path / "public.tmp-abcdef", tmp_path / ("private.retired-%s.tmp-abcdef" % NOBODY)]
    for file in left:
        file.write_text("x")
    kept = tmp_path / "private.backup"
    kept.write_text("x")
    s.ctl("keyring", "generate", options=machine)
    assert not any(file.exists() for file in left) and kept.exists()


# Nothing secret ----------------------------------------------------------------------------------------


def test_nothing_secret_is_said(s):
    """The last one: no output of any of these runs, and no log, bears a credential or a private key."""
    private = set(re.findall(r"(?m) ([0-9a-f]{64})$", s.private.read_text()))
    for file in s.private.parent.glob("keyring.private.retired-*"):
        private |= set(re.findall(r"(?m) ([0-9a-f]{64})$", file.read_text()))
    logs = [p.read_text(errors="replace") for p in pathlib.Path(s.env["SIGSENTRY_LOG"]).rglob("*") if p.is_file()]
    assert len(SAID) > 20 and private and logs
    for text in SAID + logs:
        assert CANARY not in text
        assert not any(key in text for key in private)
    assert uuid
