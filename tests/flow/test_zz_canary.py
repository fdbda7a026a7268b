"""Goal: a secret that somebody sends is nowhere but sealed in the database (contract §3 "Read", §10; design §4).

Runs last: every secret that any flow test made up bears a mark, and the tests kept all answers.  The marks are
looked for in answers, logs, a dump of the database, process listings, and in the memory of the workers and of nginx's.
"""

import base64
import contextlib
import glob
import json
import os
import pathlib
import re
import resource
import secrets
import shutil
import subprocess
import threading
import uuid

import httpx
import pytest

import sealed
import stack
from stack import CANARY, PATH, Client, RawTls, at, channel, raw_request, secret
from test_pool import pools  # noqa: F401: a fixture

# Only ever in credentials, so that it may be in no worker's memory either.
MEMORY = "mmry" + secrets.token_hex(8)


def credentials_of_all_types(mark):
    """One body for each type, with the mark in every credential field."""
    by_type = {
        "slack": {"webhookUrl": "https://hooks.slack.com/services/T/B/%s"},
        "teams": {"webhookUrl": "https://outlook.office.com/webhook/%s?sig=%s"},
        "discord": {"webhookUrl": "https://discord.com/api/webhooks/1/%s"},
        "google_chat": {"webhookUrl": "https://chat.googleapis.com/v1/spaces/A/messages?key=%s&token=%s"},
        "webhook": {"url": "https://example.com/%s", "authHeader": "Bearer %s", "hmacSecret": "%s"},
        "email": {"recipients": "%s@example.com, x%s@example.com"},
    }
    return [channel("canary", type=kind, credentials={f: v.replace("%s", mark) for f, v in fields.items()})
            for kind, fields in by_type.items()]


def refused_bodies(mark):
    """Bodies that are refused, with the mark at many places."""
    url = "https://hooks.slack.com/services/" + mark
    bodies = []
    for body in credentials_of_all_types(mark):
        bodies += [dict(body, severityThreshold="x"), dict(body, name=""), dict(body, type="sms"),
                   dict(body, extra=mark),
                   {k: v for k, v in body.items() if k != "name"},
                   dict(body, credentials=dict(body["credentials"], other=mark))]
    bodies += [channel(credentials=mark), channel(credentials=[mark]), channel(type=mark),
               channel(severityThreshold=mark),
               channel(credentials={"webhookUrl": url + "#x"}), channel(credentials={"webhookUrl": "http://x/" + mark}),
               channel(credentials={"webhookUrl": {"x": mark}}), channel(apiKey=mark),
               channel(credentials={"webhookurl": url})]
    texts = [
        b'{"credentials":{"webhookUrl":"%s","webhookUrl":"%s"}}', b'{"credentials":{"webhookUrl":"%s', b'%s',
        b'"%s"', b'["%s"]',
        b'{"type":"slack","credentials":{"webhookUrl":"%s\\ud800"}}', b'{"hmacSecret":"%s\xff"}',
        b"{'hmacSecret':'%s'}",
    ]
    return bodies + [t.replace(b"%s", mark.encode()) for t in texts]


def good_changes(made, mark):
    """Changes that pass, of a channel of each type in ${made}: (method, path, body) with the mark in every field."""
    requests = []
    for kind, path in made.items():
        body, = [b for b in credentials_of_all_types(mark) if b["type"] == kind]
        requests += [(m, path, {"credentials": body["credentials"]}) for m in ("PUT", "PATCH")]
    for field in ("hmacSecret", "authHeader"):
        requests.append(("PATCH", made["webhook"], {"credentials": {field: mark}}))
    requests.append(("PATCH", made["webhook"], {"credentials": {"hmacSecret": mark}, "hmacOverlapSeconds": 0}))
    return requests


def refused_changes(made, mark):
    """Changes that are refused, whose fault stands beside the mark or in it."""
    requests = []
    for method in ("PUT", "PATCH"):
        for kind, path in made.items():
            body, = [b for b in credentials_of_all_types(mark) if b["type"] == kind]
            good = {"credentials": body["credentials"]}
            bodies = [dict(good, name=""), dict(good, severityThreshold=mark), dict(good, isActive=mark), dict(good, id=mark),
                      dict(good, type=mark), dict(good, destination=mark), dict(good, extra=mark),
                      {"credentials": dict(body["credentials"], other=mark)}, {"credentials": mark}, [mark], {}]
            requests += [(method, path, b) for b in bodies]
            requests += [(method, target, good) for target in (at(uuid.uuid4()), PATH + "/x", PATH + "/settings")]
        hook = [
            {"url": "https://example.com/" + mark}, {"url": "https://example.com/%s#x" % mark}, {"hmacSecret": mark * 30},
            {"authHeader": mark + "\n"}, {"hmacSecret": [mark]}, {"url": None, "hmacSecret": mark},
            {"hmacSecret": mark, "webhookUrl": mark}]
        # the first of them is the full set of a PUT
        requests += [(method, made["webhook"], {"credentials": c}) for c in hook[method == "PUT":]]
        requests.append((method, made["webhook"], {"credentials": {"url": "https://example.com/" + mark, "hmacSecret": mark},
                                                   "hmacOverlapSeconds": mark}))
        requests += [(method, made["webhook"], t.replace(b"%s", mark.encode())) for t in (
            b'{"credentials":{"hmacSecret":"%s","hmacSecret":"%s"}}', b'{"credentials":{"hmacSecret":"%s', b'"%s"',
            b'{"credentials":{"hmacSecret":"%s\\ud800"}}', b'{"hmacSecret":"%s\xff"}')]
    requests += [("PUT", PATH + "/settings", b) for b in ({"defaultSeverityThreshold": mark}, [mark], {"hmacSecret": mark})]
    return [r for r in requests if r[:2] != ("PATCH", PATH + "/settings")]


def one_of_each(client, key):
    """{type: path of a new channel}."""
    return {b["type"]: at(stack.created(client.post(b, key=key))) for b in credentials_of_all_types(secret("old"))}


def keys_with(mark):
    """Keys that are none, some of them well-formed as far as a pattern can tell."""
    filled = (mark + "A" * 38)[:38]
    return ["ss_secret_" + filled, "ss_org_" + filled, "ss_pub_" + filled, "ss_live_" + mark, "tb_" + mark,
            mark, "ss_secret_" + mark]


def temporary_folders():
    """nginx's folders for what it buffers, and when a file was last made in each or removed."""
    return {p: p.stat().st_mtime_ns for p in pathlib.Path(stack.env("RUN_DIR"), "nginx", "tmp").iterdir()}


class Listings:
    """A thread that reads the command line of every process, again and again."""

    def __init__(self):
        self.seen = set()
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.ending.wait(0.001):
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                with contextlib.suppress(OSError):  # it has ended
                    self.seen.add(pathlib.Path(path).read_bytes())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


@pytest.fixture(scope="module")
def listings():
    return Listings()


@pytest.fixture(scope="module", autouse=True)
def traffic(listings):
    """Secrets at every place where somebody might put one, in requests that succeed and that fail."""
    folders = temporary_folders()
    with listings:
        send_traffic()
    return folders


def send_traffic():
    place = stack.Place("enterprise")
    reader = stack.new_key(project=place.project, permissions=("config:read",))["key"]
    full = stack.Place("starter")
    with Client() as c:
        for body in credentials_of_all_types(secret("good")):
            stack.created(c.post(body, key=place.key))
        for body in credentials_of_all_types(secret("bad-key"))[:3]:
            for key in keys_with(CANARY) + [reader, full.key]:
                c.post(body, key=key)
        for body in refused_bodies(secret("refused")):
            assert c.post(body, key=place.key).status == 400
        good = credentials_of_all_types(secret("headers"))[0]
        for value in ("Basic " + CANARY, "Bearer", "Bearer " + CANARY + " x", CANARY, "Digest response=" + CANARY):
            c.post(good, headers=[("Authorization", value)])
        for name in ("X-Project-Id", "Cookie", "X-Api-Key", "Proxy-Authorization", "Idempotency-Key",
                     "X-Request-Id", "Content-Encoding", "X-Forwarded-For", "Origin", "Proxy", "User-Agent"):
            c.post(good, key=place.key, headers=[(name, secret("header"))])
        c.post(good, key=place.key, content_type="text/plain; x=" + CANARY)
        c.post(good, key=place.key, project=CANARY)
        for path in (PATH + "?key=" + CANARY, "/v1/nothing?token=" + CANARY, PATH + "/ss_secret_" + CANARY,
                     "/ss_secret_" + CANARY):
            c.send("GET", path=path)
            c.post(good, key=place.key, path=path)
        c.post(b"%s" % secret("large").encode() * 3000, key=place.key)
        # what nginx would tell in its error log, query and all
        c.post(b"%s" % secret("large").encode() * 3000, path=PATH + "?key=ss_secret_" + CANARY)
        with stack.pool_away():
            c.post(good, path=PATH + "?key=ss_secret_" + CANARY)
        # large, but within the limit: where does nginx keep it meanwhile?
        text = json.dumps(good).encode()
        stack.created(c.post(text + b" " * (65536 - len(text)), key=place.key))
        made = one_of_each(c, place.key)
        for method, path, body in good_changes(made, secret("changed")):
            stack.ok(c.send(method, path, body, key=place.key), 200)
        for method, path, body in refused_changes(made, secret("unchanged")):
            assert 400 <= c.send(method, path, body, key=place.key).status < 500, (method, path, body)
        wide = at(stack.add_tenant_wide_channel(place.tenant))
        for method, path, body in good_changes(made, secret("not-mine"))[:6] + [("PUT", wide, good), ("PATCH", wide, good)]:
            for key in keys_with(CANARY)[:3] + [reader, full.key]:
                assert c.send(method, path, body, key=key).status in (401, 403, 404)
            c.send(method, path, body, key=place.key, content_type="text/plain")
            c.send(method, path, body, key=place.key, project=CANARY)
        for method in ("GET", "DELETE"):
            c.send(method, made["slack"], {"credentials": secret("body")}, key=place.key)
    broken = [
        raw_request("ss_secret_" + CANARY, headers=[("X-Long", secret("long") * 3000)]),
        raw_request(None, headers=[("Authorization", "Bearer ss_secret_" + CANARY * 3000)]),
        raw_request("ss_secret_" + CANARY + "\0", good),
        raw_request("ss_secret_" + CANARY, good, path=PATH + "%00?" + CANARY),
        raw_request("ss_secret_" + CANARY, good, host="unknown.example.com"),
        raw_request("ss_secret_" + CANARY, good, headers=[("Transfer-Encoding", "chunked")]),
        b"X " + raw_request("ss_secret_" + CANARY, good),
        secret("not-http").encode() + b"\r\n\r\n",
    ]
    for data in broken:
        with RawTls() as t:
            t.send(data)
            t.reply()
    with RawTls() as t:  # cut, and closed at once
        t.send(raw_request(place.key, good)[:-20])
    with RawTls() as t:
        t.send(raw_request(place.key, {"credentials": good["credentials"]}, method="PUT", path=made["discord"])[:-20])
    with RawTls(plain=True) as t:
        t.send(raw_request("ss_secret_" + CANARY, good))
        t.reply()


def found_in(data, mark):
    """Is the mark in these bytes: as it is, in hex, or in base64 at any alignment?"""
    mark = mark.encode()
    forms = {mark, mark.hex().encode(), mark.hex().upper().encode(), mark.upper(), mark[::-1]}
    for lead in range(3):
        coded = base64.b64encode(b"\0" * lead + mark)
        forms.add(coded[4 if lead else 0:-4])
    return any(form in data for form in forms)


def test_the_search_finds():
    """The search itself works."""
    for text in (CANARY, CANARY.encode().hex(), base64.b64encode(b"x" + CANARY.encode() + b"y").decode()):
        assert found_in(b"before " + text.encode() + b" behind", CANARY)
    assert not found_in(b"nothing here", CANARY)


def test_no_answer_shows_one():
    assert len(stack.RECORD) > 100
    for kind, data in stack.RECORD:
        assert not found_in(data, CANARY), (kind, data[:2000])


def known_keys():
    """What is secret of the real keys: the stack's own and those that the tests had made."""
    keys = [stack.env(n) for n in ("SIGSENTRY_SECRET_KEY", "SIGSENTRY_ORG_KEY", "SIGSENTRY_PUB_KEY")] + stack.KEYS
    return [k[-24:] for k in keys]


def test_no_log_shows_one():
    """In none of the files of the log folder: nginx's, the service's, the database's."""
    folder = pathlib.Path(stack.env("SIGSENTRY_LOG"))
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) > 1000, "there are no logs to look through"
    keys = known_keys()
    for path in files:
        data = path.read_bytes()
        for mark in [CANARY, MEMORY, stack.NAMED]:
            assert not found_in(data, mark), "%s: %r" % (path, [x for x in data.splitlines() if mark.encode() in x][:3])
        text = data.decode("latin-1")
        assert not any(k in text for k in keys), "a key is in %s" % path


def test_every_line_of_the_access_log_is_json():
    lines = pathlib.Path(stack.env("SIGSENTRY_LOG"), "sigsentry.log").read_bytes().splitlines()
    assert len(lines) > 100
    for line in lines:
        assert isinstance(json.loads(line.decode("utf-8", "strict")), dict), line


def test_no_body_was_written_to_disk(traffic):
    """nginx would keep a body, or an answer, that it has no room for in a file: the folder would have changed."""
    now = temporary_folders()
    assert {p.name for p in now} >= {"body", "fastcgi"}
    assert now == traffic


def test_no_dump_shows_one():
    program = shutil.which("pg_dump") or sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1]
    dump = subprocess.run([program, "--dbname", stack.env("SIGSENTRY_DSN")], capture_output=True, timeout=60)
    assert dump.returncode == 0, dump.stderr
    assert b"canary" in dump.stdout, "the channels of this test are not in the dump"
    for mark in (CANARY, MEMORY):
        assert not found_in(dump.stdout, mark)
    text = dump.stdout.decode("latin-1")
    assert not any(k in text or k.encode().hex() in text for k in known_keys())


def test_no_process_listing_shows_one():
    ours, seen = str(os.getpid()), 0
    keys = known_keys()
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                data = (folder / name).read_bytes()
            except OSError:
                continue
            if folder.name == ours:
                continue
            seen += 1
            assert not found_in(data, CANARY), folder
            assert not any(k.encode() in data for k in keys), (folder, name)
    assert seen > 10


def test_no_process_listing_showed_one(listings):
    """Nor while the requests were under way, which started sigsentryctl to make keys."""
    assert any(b"sigsentryctl" in line for line in listings.seen), "the thread saw too little"
    for line in listings.seen:
        assert not found_in(line, CANARY), line
        assert not any(k.encode() in line for k in known_keys()), line


# Memory -----------------------------------------------------------------------------------------------


def memory_places(pid, mark):
    """Where in the writable memory of a process the mark stands: (region, what is around it)."""
    found = []
    maps = pathlib.Path("/proc/%d/maps" % pid).read_text().splitlines()
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as mem:
        for line in maps:
            span, mode = line.split()[:2]
            if mode[0] != "r" or "[v" in line:
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            if end - start > 512 * 1024 * 1024:
                continue
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            for hit in re.finditer(re.escape(mark), data):
                found.append((line.split()[-1], data[max(0, hit.start() - 60):hit.end() + 40]))
    return found


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of other processes")


def many_requests(key, requests, times=4, threads=8):
    """All of the requests several times from several clients, so that each worker gets of each."""
    def work():
        with Client(key) as c:
            for method, path, body in requests * times:
                c.send(method, path, body)
    pool = [threading.Thread(target=work) for _ in range(threads)]
    for t in pool:
        t.start()
    for t in pool:
        t.join()


def many(key, bodies):
    many_requests(key, [("POST", PATH, body) for body in bodies])


def unrelated(key):
    with Client(key) as c:
        for _ in range(40):
            c.send("GET", path="/v1/nothing")
            c.post({"name": "unrelated"})


def is_sanitized(pid):
    """Does it run with AddressSanitizer, which keeps freed memory as it was on purpose?"""
    return "libasan" in pathlib.Path("/proc/%d/maps" % pid).read_text()


def leaks(mark):
    return {pid: memory_places(pid, mark.encode())[:5] for pid in stack.workers() if memory_places(pid, mark.encode())}


@needs_root
def test_the_memory_search_finds():
    """What is in a worker's memory for a good reason is found there, and not only on its stack: so the search works."""
    text = re.search(r"(?m)^database = (.*)$", pathlib.Path(stack.env("SIGSENTRY_CONF")).read_text())[1].strip()
    for pid in stack.settled_workers():
        assert {region for region, _ in memory_places(pid, text.encode())} - {"[stack]"}


@needs_root
@pytest.mark.parametrize("which", ["created", "refused", "changed", "unchanged"])
def test_no_worker_remembers(shared, which):
    """Once a request has ended its credentials are in no worker's memory, in success and in refusal."""
    if is_sanitized(stack.settled_workers()[0]):
        pytest.skip("AddressSanitizer keeps freed memory")
    mark = MEMORY + which
    if which in ("created", "refused"):
        bodies = credentials_of_all_types(mark) if which == "created" else refused_bodies(mark)
        requests = [("POST", PATH, b) for b in bodies]
    else:
        with Client(shared.key) as c:
            made = one_of_each(c, shared.key)
        requests = good_changes(made, mark) if which == "changed" else refused_changes(made, mark)
    many_requests(shared.key, requests, times=2 if which in ("created", "changed") else 1)
    for _ in range(5):
        unrelated(shared.key)
        if not leaks(mark):
            return
    pytest.fail("still in memory: %s" % leaks(mark))


def nginx_workers():
    return stack.children(stack.pids_of("SIGSENTRY_NGINX_PID")[0])


def nginx_leaks(*marks):
    return [(pid, place) for pid in nginx_workers() for mark in marks for place in memory_places(pid, mark.encode())]


def over_http2(key, bodies, connections=6):
    """All of the bodies on each of several connections, so that each of nginx's workers gets of each."""
    for _ in range(connections):
        with httpx.Client(http2=True, verify=stack.env("SIGSENTRY_CACERT"), timeout=20) as c:
            for body in bodies:
                form = {"content": body} if isinstance(body, bytes) else {"json": body}
                answer = c.post("https://localhost:%d%s" % (stack.port(), PATH), **form,
                                headers={"Authorization": "Bearer " + key, "Content-Type": "application/json"})
                assert answer.http_version == "HTTP/2"


@needs_root
def test_the_memory_search_finds_in_nginx():
    for pid in nginx_workers():
        assert memory_places(pid, stack.env("SIGSENTRY_SOCKET").encode())


@needs_root
@pytest.mark.parametrize("send", [many, over_http2], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("which", ["created", "refused"])
def test_nginx_does_not_remember(shared, which, send):
    """Nor does nginx, as soon as its connections are closed: not the credentials, and not the API key.

    Of HTTP/2 the last 48 bytes remain, which hold no whole mark.
    """
    mark = MEMORY + (which if which == "created" else secrets.token_hex(24))
    key = stack.new_key(project=shared.project)["key"]
    send(key, credentials_of_all_types(mark) if which == "created" else refused_bodies(mark))
    stack.wait_for(lambda: not nginx_leaks(mark, key), 2, step=0.2)
    assert not nginx_leaks(mark, key)


@needs_root
def test_nginx_does_not_remember_for_idle_connections(shared):
    """A kept connection that waits for its next request holds nothing of the last one."""
    mark = MEMORY + "nginxidle"
    key = stack.new_key(project=shared.project)["key"]
    clients = [Client(key) for _ in range(8)]
    for c in clients:
        for body in credentials_of_all_types(mark):
            stack.created(c.post(body))
    assert not nginx_leaks(mark, key)
    for c in clients:
        c.close()


@needs_root
def test_a_context_is_forgotten_in_time(pools, shared):  # noqa: F811
    """An idle worker wakes to wipe the key that it sealed with: what it stored before, nobody can read in its memory."""
    pool = pools("seal_context_s=2", "request_deadline_ms=1000", workers=1).ready(1)
    worker, = pool.workers()
    if is_sanitized(worker):
        pytest.skip("AddressSanitizer keeps freed memory")
    made = pool.create(shared.key, channel("forgotten")).reply.json()["data"]["id"]
    key, _ = sealed.context(stack.sealed(made)["webhookUrl"])
    assert memory_places(worker, key), "so that this test can fail"
    assert stack.wait_for(lambda: not memory_places(worker, key), 4, step=0.2), memory_places(worker, key)


@needs_root
def test_no_core_dump_is_made(pools):  # noqa: F811
    """A crash writes no memory to disk (design §4), whatever limit the workers' parent has."""
    def permit():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    generous = pools(preexec_fn=permit).ready()
    limits = pathlib.Path("/proc/%d/limits" % generous.process.pid).read_text()
    # AddressSanitizer sets one of 0 itself
    assert is_sanitized(generous.process.pid) or not re.search(r"Max core file size +0 ", limits), "so that this test can fail"
    for pid in stack.settled_workers() + generous.workers() + nginx_workers():
        limits = pathlib.Path("/proc/%d/limits" % pid).read_text()
        assert re.search(r"Max core file size +0 ", limits), limits
