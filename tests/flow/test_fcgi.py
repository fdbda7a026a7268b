"""Goal: nothing that arrives at the workers' socket, however broken, crashes a worker or blocks the pool.

Raw FastCGI straight to the socket, as a damaged web server could send it.  After each case the pool answers
through nginx, the workers are the same processes, and a log line tells.
"""

import json
import os
import pathlib
import re
import struct
import threading
import time

import pytest

import fcgi
import stack
from fcgi import Link, ask, begin, create_params, pairs, record, records
from stack import channel, created

# Longer than the worker waits between two bytes of a request (5 s).
PATIENCE = 9


@pytest.fixture
def path():
    return stack.env("SIGSENTRY_SOCKET")


@pytest.fixture(autouse=True)
def unharmed(shared):
    """Before and after: the same workers, and a pool that answers at once through nginx."""
    before = stack.settled_workers()
    yield
    with stack.Client(shared.key) as c:
        for _ in range(6):
            began = time.monotonic()
            created(c.post(channel()))
            assert time.monotonic() - began < 2, "the pool is slow after that"
    assert stack.workers() == before, "a worker died of it"


def rows(shared, name):
    return stack.sql("SELECT id FROM sigsentry.channel WHERE project_id = %s AND name = %s", shared.project, name)


def whole(shared, body=None, length=None, **options):
    """A request whose body may differ from its CONTENT_LENGTH."""
    body = json.dumps(channel() if body is None else body).encode() if not isinstance(body, bytes) else body
    length = len(body) if length is None else length
    params = pairs(create_params(shared.key, length, **options))
    return begin() + records(fcgi.PARAMS, params) + records(fcgi.STDIN, body)


def test_plain_request(shared, path):
    """The client of these tests itself speaks well: so what follows fails for the right reason."""
    answer = ask(path, whole(shared, channel("raw fcgi")))
    assert answer.status == 201 and answer.app_status == 0, answer.data
    assert answer.reply.json()["success"] is True
    assert len(rows(shared, "raw fcgi")) == 1


def test_request_id_of_the_web_server_is_logged(shared, path, logs):
    data = whole(shared, drop=("REQUEST_ID",), more=[("REQUEST_ID", "f" * 31 + "7")])
    assert ask(path, data).status == 201
    assert logs.wait("f" * 31 + "7")


def padded_record(kind, content, padding):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), padding) + content + b"\xff" * padding


def test_records_in_many_forms(shared, path):
    """All that the specification allows: one-byte records, padding, a pause between any two bytes."""
    body = json.dumps(channel("pieces")).encode()
    params = pairs(create_params(shared.key, len(body)))
    data = begin()
    for i in range(0, len(params), 7):
        data += padded_record(fcgi.PARAMS, params[i:i + 7], i % 256)
    data += record(fcgi.PARAMS)
    for i in range(len(body)):
        data += padded_record(fcgi.STDIN, body[i:i + 1], 255)
    data += record(fcgi.STDIN)
    with Link(path) as link:
        for i in range(0, len(data), 4001):
            link.send(data[i:i + 4001])
            time.sleep(0.001)
        assert link.answer().status == 201
    assert len(rows(shared, "pieces")) == 1


# Cases that end at once: the client sends and closes ---------------------------------------------------

TINY = begin()


def broken_starts(shared):
    """(name, bytes): what a client sends before it goes away."""
    good = whole(shared, channel("broken"))
    params = records(fcgi.PARAMS, pairs(create_params(shared.key, 10)))
    return [
        ("nothing", b""),
        ("one byte", b"\x01"),
        ("half a header", good[:4]),
        ("half a begin", good[:12]),
        ("only a begin", TINY),
        ("half the params", good[:80]),
        ("params without their end", TINY + params[:-8]),
        ("params, no stdin", TINY + params),
        ("half the body", good[:-60]),
        ("garbage", os.urandom(3000)),
        ("zeroes", b"\0" * 3000),
        ("ones", b"\xff" * 3000),
        ("HTTP", stack.raw_request(shared.key, channel())),
        ("version 2", record(fcgi.BEGIN, struct.pack(">HB5x", 1, 0), version=2)),
        ("version 0", record(fcgi.BEGIN, struct.pack(">HB5x", 1, 0), version=0)),
        ("stdin first", records(fcgi.STDIN, b"{}")),
        ("params first", params + TINY),
        ("unknown type", TINY + record(99, b"x") + params),
        ("type 0", TINY + record(0, b"x")),
        ("unknown role", begin(role=7) + params),
        ("authorizer", begin(role=2) + params),
        ("filter", begin(role=3) + params),
        ("role 0", begin(role=0) + params),
        ("short begin", record(fcgi.BEGIN, b"\0\1")),
        ("long begin", record(fcgi.BEGIN, b"\0\1" + b"\0" * 500)),
        ("two begins", TINY + TINY + params),
        ("another request id", TINY + record(fcgi.PARAMS, b"", request_id=2)),
        ("request id 0", record(fcgi.BEGIN, struct.pack(">HB5x", 1, 0), request_id=0)),
        ("abort at once", TINY + record(fcgi.ABORT)),
        ("abort in the params", TINY + params[:-8] + record(fcgi.ABORT)),
        ("abort in the body", good[:-60] + record(fcgi.ABORT)),
        ("get values", record(fcgi.GET_VALUES, pairs([("FCGI_MAX_CONNS", "")]), request_id=0)),
        ("name longer than the record", TINY + record(fcgi.PARAMS, b"\x7f\x01A") + record(fcgi.PARAMS)),
        ("value of 2 GiB", TINY + record(fcgi.PARAMS, b"\x04\xff\xff\xff\xffNAMEx") + record(fcgi.PARAMS)),
        ("name of 2 GiB", TINY + record(fcgi.PARAMS, b"\xff\xff\xff\xff\x01x") + record(fcgi.PARAMS)),
        ("both of 2 GiB", TINY + record(fcgi.PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xffx") + record(fcgi.PARAMS)),
        ("half a length", TINY + record(fcgi.PARAMS, b"\x80") + record(fcgi.PARAMS)),
        ("params record lies longer", TINY + record(fcgi.PARAMS, b"\x01\x01Ax", length=60000)),
        ("params record lies shorter", TINY + record(fcgi.PARAMS, b"\x0e\x04REQUEST_METHODPOST", length=3)),
        ("stdin record lies", good[:-60] + record(fcgi.STDIN, b"x", length=60000)),
        ("empty names", TINY + records(fcgi.PARAMS, b"\0\0" * 1000) + records(fcgi.STDIN, b"")),
        ("no params at all", TINY + record(fcgi.PARAMS) + record(fcgi.STDIN)),
    ]


def test_broken_and_closed(shared, path):
    """Each broken start, then the client closes: twice over, so that each of the workers meets some."""
    cases = broken_starts(shared)
    for name, data in cases * 2:
        with Link(path) as link:
            try:
                link.send(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert len(stack.workers()) == 4, name
    assert rows(shared, "broken") == []


def test_broken_and_half_closed(shared, path):
    """The same, but the client waits for what comes: an answer that is no success, or the end."""
    for name, data in broken_starts(shared):
        with Link(path) as link:
            try:
                link.send(data)
                link.half_close()
                answer = link.answer()
            except (BrokenPipeError, ConnectionResetError, OSError):
                continue
            assert answer.status != 201, name
            assert answer.status is None or 400 <= answer.status < 600, name
    assert rows(shared, "broken") == []


def test_no_end_of_the_body(shared, path):
    """All bytes that CONTENT_LENGTH announces, but not the record that ends them: written once or not at all."""
    for half_close in (True, False):
        with Link(path) as link:
            link.send(whole(shared, channel("without end %s" % half_close))[:-8])
            if half_close:
                link.half_close()
                assert link.answer().status in (201, 400, None)
        assert len(rows(shared, "without end %s" % half_close)) <= 1


@pytest.mark.parametrize("name", ["half a header", "half the params", "half the body", "value of 2 GiB",
                                  "garbage", "abort in the body",
                                  "params record lies longer", "version 2", "stdin first"])
def test_the_log_tells(shared, path, logs, name):
    """A line or two, not silence and not a flood."""
    data = dict(broken_starts(shared))[name]
    with Link(path) as link:
        try:
            link.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert logs.wait(r"ev=\S", timeout=3, only="api"), "nothing is logged"
    time.sleep(0.1)
    lines = logs.lines(r"ev=\S", only="api")
    assert len(lines) <= 2, lines


def test_silent_peers_do_not_hold_the_pool(shared, path):
    """Half a request, then silence: as many as there are workers.  Each is given up after its time, others go on."""
    cases = dict(broken_starts(shared))
    links = [Link(path) for _ in range(4)]
    try:
        for link, name in zip(links, ["half a header", "half the params", "half the body", "nothing"]):
            link.send(cases[name])
        with stack.Client(shared.key) as c:
            began = time.monotonic()
            created(c.post(channel()))
            assert time.monotonic() - began < PATIENCE
    finally:
        for link in links:
            link.close()


# CONTENT_LENGTH and body ------------------------------------------------------------------------------

BODY = json.dumps(channel("lengths")).encode()

LENGTHS = [
    # name, CONTENT_LENGTH, statuses that are right; None: closed without an answer
    ("one too long", len(BODY) + 1, {400, None}),
    ("far too long", 60000, {400, None}),
    ("one too short", len(BODY) - 1, {400, None}),
    ("zero", 0, {400, None}),
    ("negative", -1, {400, None}),
    ("not a number", "x", {400, None}),
    ("with a sign", "+%d" % len(BODY), {400, 201, None}),
    ("blank before", " %d" % len(BODY), {400, 201, None}),
    ("over the limit", 65537, {400, 413, None}),
    ("beyond 64 bits", 2 ** 70, {400, 413, None}),
    ("2^64 + its length", 2 ** 64 + len(BODY), {400, 413, None}),
    ("2^32 + its length", 2 ** 32 + len(BODY), {400, 413, None}),
]


@pytest.mark.parametrize("length,statuses", [r[1:] for r in LENGTHS], ids=[r[0] for r in LENGTHS])
def test_content_length_lies(shared, path, length, statuses):
    answer = ask(path, whole(shared, BODY, length=length))
    assert answer.status in statuses, answer.data
    if answer.reply:
        assert isinstance(answer.reply.json()["success"], bool)


@pytest.mark.parametrize("surplus", [b" ", b"x" * 9000], ids=["a blank", "more than is read at once"])
def test_more_than_was_announced(shared, path, surplus):
    """What was announced is a good request by itself; with something behind it, nothing is done."""
    body = json.dumps(channel("surplus %d" % len(surplus))).encode()
    answer = ask(path, whole(shared, body + surplus, length=len(body)))
    assert answer.status == 400 and answer.reply.json()["error"]["code"] == "BAD_REQUEST", answer.data
    assert rows(shared, "surplus %d" % len(surplus)) == []


def test_no_content_length(shared, path):
    """Without one, the end of the stream is the end of the body, or the request is refused; nothing in between."""
    assert ask(path, whole(shared, BODY, drop=("CONTENT_LENGTH",))).status in (201, 400)
    assert ask(path, whole(shared, b"", drop=("CONTENT_LENGTH",))).status == 400


@pytest.mark.parametrize("n", [65537, 262145, 2000000])
def test_size_without_nginx(shared, path, n):
    """The worker holds the limit too, where a web server did not."""
    with Link(path) as link:
        try:
            link.send(whole(shared, BODY[:-1] + b" " * (n - len(BODY)) + b"}"))
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = link.answer()
        except ConnectionResetError:
            return
        assert answer.status in (413, None), answer.data


@pytest.mark.parametrize("drop", ["REQUEST_METHOD", "REQUEST_URI", "CONTENT_TYPE", "HTTP_AUTHORIZATION", "REQUEST_ID"])
def test_missing_parameter(shared, path, drop):
    """A web server that forgets one gets an answer in JSON, not a crash."""
    answer = ask(path, whole(shared, drop=(drop,)))
    expected = {"REQUEST_METHOD": {400, 405, 500}, "REQUEST_URI": {400, 404, 500}, "CONTENT_TYPE": {415},
                "HTTP_AUTHORIZATION": {401},
                "REQUEST_ID": {201}}[drop]
    assert answer.status in expected, answer.data
    assert isinstance(answer.reply.json()["success"], bool)


def test_strange_parameters(shared, path):
    cases = [
        ("REQUEST_URI", ""), ("REQUEST_URI", "*"), ("REQUEST_URI", "x" * 100000), ("REQUEST_METHOD", ""),
        ("REQUEST_METHOD", "P" * 50000), ("CONTENT_TYPE", ";" * 5000), ("HTTP_X_PROJECT_ID", "\0"),
        ("HTTP_AUTHORIZATION", "Bearer " + "\xff" * 60000), ("REQUEST_ID", "\r\nev=forged x=\"y\" " + "z" * 9000),
        ("A" * 300, "x" * 70000),
    ]
    for name, value in cases:
        answer = ask(path, whole(shared, drop=(name,), more=[(name, value)]))
        assert answer.status is not None, name
        if name in ("REQUEST_ID", "A" * 300):
            assert answer.status == 201, (name, answer.data)
        else:
            assert 400 <= answer.status < 500, (name, answer.data)


def test_no_forged_log_lines(shared, path, logs):
    """What a request bears cannot make a line, or a field, of its own."""
    mark = stack.secret().replace("-", "")[-12:]
    forged = [("REQUEST_ID", 'x" ev=%s\nlevel=error ev=%s' % (mark, mark)), ("REQUEST_METHOD", "x\r\nev=" + mark)]
    ask(path, whole(shared, drop=("REQUEST_ID", "REQUEST_METHOD"), more=forged))
    lines = logs.wait(mark, only="api")
    assert lines
    for line in lines:
        fields = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[^" ]*)(?: |$)', line)
        assert " ".join("%s=%s" % f for f in fields) == line, "not fields throughout: " + line
        assert dict(fields)["level"] == "info" and mark not in dict(fields)["ev"], line


def test_many_parameters(shared, path):
    assert ask(path, whole(shared, more=[("HTTP_X_%d" % i, "v" * 50) for i in range(2000)])).status is not None


# The answer's end -------------------------------------------------------------------------------------


def test_client_closes_before_the_answer(shared, path, logs):
    """Fifty clients that send a whole request and go; what was asked for may exist, once."""
    for i in range(50):
        with Link(path) as link:
            link.send(whole(shared, channel("gone %d" % i)))
    assert logs.wait("ev=", only="api")
    stack.wait_for(lambda: len(rows(shared, "gone 49")) == 1, 3)
    for i in range(50):
        assert len(rows(shared, "gone %d" % i)) <= 1


def test_clients_that_do_not_read(shared, path):
    """Answers that no socket's buffer holds, and nobody who reads them: each worker gives up after its time.

    That is 5 s for the write, 5 s once more for libfcgi's own at the end, and its 2 s of waiting for the other end.
    """
    body = channel(type="email", credentials={"recipients": ["<a>@b.c"] * 1000})
    assert len(ask(path, whole(shared, body)).data) > 240000, "net.core.wmem_default is 212,992"
    links = [Link(path) for _ in range(4)]
    try:
        for link in links:
            link.send(whole(shared, body))
        with stack.Client(shared.key) as c:
            began = time.monotonic()
            created(c.post(channel()))
            assert time.monotonic() - began < 14
    finally:
        for link in links:
            link.close()


def test_head_has_no_body(shared, path):
    """It is the worker that leaves it out, not only nginx; the headers are those of a GET."""
    def answer(method):
        return ask(path, whole(shared, b"", drop=("REQUEST_METHOD",), more=[("REQUEST_METHOD", method)])).reply

    get, head = answer("GET"), answer("HEAD")
    assert get.status == head.status == 403 and get.body and head.body == b""
    assert head.header("content-length") == str(len(get.body))
    assert [k for k, _ in get.headers] == [k for k, _ in head.headers]


def test_two_requests_on_one_connection(shared, path):
    """Connections are not kept: the second is not answered by mistake with the first's key."""
    other = whole(shared, channel("second on it"), drop=("HTTP_AUTHORIZATION",))
    answer = ask(path, whole(shared, channel("first on it")) + other)
    assert answer.status == 201
    assert rows(shared, "second on it") == []


def test_keep_connection_flag(shared, path):
    """A web server that asks to keep the connection, and keeps its end open, does not get to hold the workers."""
    links = [Link(path) for _ in range(4)]
    try:
        for link in links:
            link.send(begin(flags=1) + whole(shared)[len(begin()):])
        with stack.Client(shared.key) as c:
            began = time.monotonic()
            for _ in range(8):
                created(c.post(channel()))
            assert time.monotonic() - began < 5
        for link in links:
            link.sock.settimeout(2)
            assert link.answer().status == 201, "closed by the worker, which reads no second request"
    finally:
        for link in links:
            link.close()


@pytest.mark.parametrize("refused", [False, True], ids=["answered", "refused"])
def test_a_peer_that_does_not_close_holds_no_worker(shared, path, refused):
    """The worker goes on once the answer is sent; where all was read, there is nothing to wait for."""
    with Link(path) as link:
        link.send(whole(shared, {"type": "none"} if refused else channel("kept open")))
        assert link.answer().status == (400 if refused else 201)
        with pytest.raises(BrokenPipeError):  # closed, and not only done with
            link.send(b"more")


def test_an_answer_comes_with_its_end(shared, path):
    """In one write, so that the web server is woken once.  Two would meet in one read now and then, but not always."""
    data = fcgi.request("GET", "/healthz", shared.key)
    for _ in range(1000):
        with Link(path) as link:
            link.send(data)
            answer = fcgi.Answer(link.sock.recv(1 << 20))
            assert answer.ended and answer.status == 200


def test_broken_ones_among_good_ones(shared, path):
    """While four threads send broken requests, every good one is answered."""
    ending = threading.Event()
    cases = broken_starts(shared)

    def vandal(n):
        while not ending.is_set():
            for _, data in cases[n:] + cases[:n]:
                try:
                    with Link(path) as link:
                        link.send(data)
                except OSError:
                    pass
                time.sleep(0.003)  # more than the backlog holds would be another test

    vandals = [threading.Thread(target=vandal, args=(i * 10,)) for i in range(4)]
    for v in vandals:
        v.start()
    try:
        with stack.Client(shared.key) as c:
            for _ in range(50):
                created(c.post(channel()))
    finally:
        ending.set()
        for v in vandals:
            v.join()


def test_the_socket_is_for_the_web_server_alone(path):
    """0660 (design §1): whoever reaches it can claim any client's address, and hold a worker."""
    assert pathlib.Path(path).stat().st_mode & 0o777 == 0o660
