"""Goal: no request is read as two, or as another's: one answer to each, or an answer and a close.

Bytes that a proxy and a server are known to read differently, over TLS to nginx, HTTP/1 and HTTP/2.  Behind each of them
stands a harmless sentinel, so that what was left of the trick would be read as a request: then there would be an answer too
many, or the channel that the trick carries would be there.
"""

import contextlib
import json
import re
import secrets

import pytest

import stack
from stack import PATH, RawTls, Reply, channel

SENTINEL = b"GET /v1/sentinel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Wire:
    """What one connection gets back: every byte until the server closes, taken apart without repairing anything."""

    def __init__(self, data, timeout=4):
        self.data, self.closed = b"", False
        with RawTls(timeout=timeout) as t:
            with contextlib.suppress(OSError):
                t.sock.sendall(data)
            with contextlib.suppress(OSError):
                while part := t.sock.recv(65536):
                    self.data += part
                self.closed = True
        self.replies = list(self.take_apart())

    def take_apart(self):
        rest = self.data
        while rest:
            head, blank, rest = rest.partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            assert blank and re.match(r"HTTP/1\.[01] [1-5][0-9]{2}\b", line), "no HTTP: %r" % self.data
            fields = [tuple(f.split(": ", 1)) for f in fields]
            status, length = int(line.split()[1]), int(dict((k.lower(), v) for k, v in fields).get("content-length", 0))
            assert status == 100 or len(rest) >= length > 0, "cut: %r" % self.data
            yield Reply(status, fields, rest[:length])
            rest = rest[length:]

    @property
    def statuses(self):
        return [r.status for r in self.replies]


def head(shared, *lines, method="POST", target=PATH, version="HTTP/1.1", end=b"\r\n", host=b"Host: localhost"):
    """The head of a create, with ${lines} as they are."""
    fields = [b"%s %s %s" % (method.encode(), target.encode(), version.encode()), host, b"Authorization: Bearer " + shared.key.encode(),
              b"Content-Type: application/json", *lines]
    return end.join(f for f in fields if f is not None) + end * 2


def smuggled(shared, name):
    """A whole create, as the trick would have the server see it."""
    body = json.dumps(channel(name)).encode()
    return head(shared, b"Content-Length: %d" % len(body)) + body


def is_there(shared, name):
    return bool(stack.sql("SELECT FROM sigsentry.channel WHERE project_id = %s AND name = %s", shared.project, name))


@pytest.fixture
def name():
    return "desync " + secrets.token_hex(6)


def test_the_client_itself(shared, name):
    """Pipelined, good requests: so what follows fails for the right reason."""
    wire = Wire(smuggled(shared, name) + smuggled(shared, name + " 2") + SENTINEL)
    assert wire.statuses == [201, 201, 404] and wire.closed
    assert is_there(shared, name) and is_there(shared, name + " 2")


def chunked(body, extension=b""):
    return b"%x%s\r\n%s\r\n0\r\n\r\n" % (len(body), extension, body)


TE = b"Transfer-Encoding: chunked"

# Two lengths for one body: name, lines of the head.  The body is that of an empty chunked one, and behind it a whole create.
LENGTHS = {
    "CL and TE": [b"Content-Length: 5", TE],
    "TE and CL": [TE, b"Content-Length: 5"],
    "CL 0 and TE": [b"Content-Length: 0", TE],
    "two CL": [b"Content-Length: 5", b"Content-Length: 500"],
    "two equal CL": [b"Content-Length: 5", b"Content-Length: 5"],
    "CL as a list": [b"Content-Length: 5, 5"],
    "CL with a plus": [b"Content-Length: +5"],
    "CL negative": [b"Content-Length: -5"],
    "CL hex": [b"Content-Length: 0x5"],
    "CL octal": [b"Content-Length: 05e0"],
    "CL with a fraction": [b"Content-Length: 5.0"],
    "CL with words": [b"Content-Length: 5 5"],
    "CL empty": [b"Content-Length:"],
    "CL over 64 bits": [b"Content-Length: 18446744073709551621"],
    "CL and a space before the colon": [b"Content-Length : 5"],
    "CL and a tab before the colon": [b"Content-Length\t: 5"],
    "TE and a space before the colon": [b"Transfer-Encoding : chunked"],
    "TE twice": [TE, TE],
    "TE twice, one of them identity": [TE, b"Transfer-Encoding: identity"],
    "TE xchunked": [b"Transfer-Encoding: xchunked"],
    "TE a list": [b"Transfer-Encoding: gzip, chunked"],
    "TE chunked, identity": [b"Transfer-Encoding: chunked, identity"],
    "TE identity": [b"Transfer-Encoding: identity"],
    "TE quoted": [b'Transfer-Encoding: "chunked"'],
    "TE with a parameter": [b"Transfer-Encoding: chunked;q=1"],
    "TE with a vertical tab": [b"Transfer-Encoding: \x0bchunked"],
    "TE with a high byte": [b"Transfer-Encoding: chunked\xff"],
    "TE on a folded line": [b"Transfer-Encoding:\r\n chunked"],
    "TE behind a fold": [b"X: y\r\n Transfer-Encoding: chunked"],
    "TE behind a bare CR": [b"X: y\rTransfer-Encoding: chunked"],
    "TE with a NUL": [b"Transfer-Encoding: chunked\0"],
    "a name with a NUL": [b"Content-Length\0: 5"],
    "a line without a colon": [b"Content-Length 5"],
    "an empty name": [b": 5"],
    "a first line that is folded": [b" Content-Length: 5"],
}


@pytest.mark.parametrize("case", LENGTHS)
def test_two_lengths(shared, name, case):
    """Refused and closed; or read in one way: an empty or broken body, then what follows only where the head says so."""
    trick = head(shared, *LENGTHS[case]) + b"0\r\n\r\n" + smuggled(shared, name) + SENTINEL
    wire = Wire(trick)
    assert wire.replies and wire.statuses[0] in (400, 411, 413, 415, 501), wire.replies
    assert wire.closed, wire.replies
    assert not is_there(shared, name), "what stood in a body was read as a request"
    assert len(wire.replies) == 1, wire.replies


# A create in chunks that is good but for one thing.
CHUNKS = {
    "a bare LF behind the size": lambda b: b"%x\n%s\r\n0\r\n\r\n" % (len(b), b),
    "no CR LF behind the data": lambda b: b"%x\r\n%s0\r\n\r\n" % (len(b), b),
    "a size that is too small": lambda b: b"%x\r\n%s\r\n0\r\n\r\n" % (len(b) - 1, b),
    "a size with 0x": lambda b: b"0x%x\r\n%s\r\n0\r\n\r\n" % (len(b), b),
    "a size with a plus": lambda b: b"+%x\r\n%s\r\n0\r\n\r\n" % (len(b), b),
    "a negative size": lambda b: b"-%x\r\n%s\r\n0\r\n\r\n" % (len(b), b),
    "a size over 64 bits": lambda b: b"1%016x\r\n%s\r\n0\r\n\r\n" % (len(b), b),
    "no size": lambda b: b"\r\n%s\r\n0\r\n\r\n" % b,
    "a size of other letters": lambda b: b"g\r\n%s\r\n0\r\n\r\n" % b,
}


@pytest.mark.parametrize("case", CHUNKS)
def test_chunks(shared, name, case):
    """Nothing is read from a chunk's data as if it were a request."""
    body = json.dumps(channel(name)).encode()
    wire = Wire(head(shared, TE) + CHUNKS[case](body) + SENTINEL)
    assert wire.replies and wire.closed, wire.replies
    if wire.statuses[0] == 201:  # read in the only way that gives the document that was meant
        assert wire.statuses == [201, 404] and is_there(shared, name)
    else:
        assert wire.statuses == [400] and not is_there(shared, name), wire.replies


@pytest.mark.parametrize("extension", [b";x", b";x=y", b';x="y"', b" ;x", b";" + b"x" * 200])
def test_chunk_extensions(shared, name, extension):
    """They are passed over, as RFC 9112 §7.1.1 asks; a document in them is none."""
    body = json.dumps(channel(name)).encode()
    wire = Wire(head(shared, TE) + chunked(body, extension) + SENTINEL)
    assert wire.statuses == [201, 404] and is_there(shared, name)


def test_trailers_are_no_headers(shared, name):
    """What stands behind the last chunk changes nothing of the request."""
    body = json.dumps(channel(name)).encode()
    data = b"%x\r\n%s\r\n0\r\nContent-Length: 5\r\nX-Project-Id: x\r\n\r\n" % (len(body), body)
    wire = Wire(head(shared, TE) + data + SENTINEL)
    assert wire.statuses in ([201, 404], [400]), wire.replies
    assert is_there(shared, name) == (wire.statuses[0] == 201)


# Heads that are odd in other ways: name, the whole head but for its body's length, the statuses that are right.
ODD = {
    "bare LF": (dict(end=b"\n"), {201, 400}),
    "absolute form": (dict(target="https://localhost" + PATH), {201, 400, 404}),
    "absolute form, another host": (dict(target="https://evil.example" + PATH), {400, 404}),
    "asterisk form": (dict(target="*"), {400, 404}),
    "authority form": (dict(target="localhost:443"), {400, 404}),
    "a fragment in the target": (dict(target=PATH + "#x"), {201, 400, 404}),
    "no target": (dict(target=""), {400}),
    "a space in the target": (dict(target=PATH + " /x"), {400, 404}),
    "a NUL in the target": (dict(target=PATH + "\0"), {400, 404}),
    "a CR in the target": (dict(target=PATH + "\r"), {400, 404}),
    "a tab for the blank": (dict(method="POST\t"), {400, 405}),
    "lower case method": (dict(method="post"), {400, 405}),
    "a blank before the method": (dict(method=" POST"), {400}),
    "HTTP/1.2": (dict(version="HTTP/1.2"), {201, 400, 505}),
    "HTTP/2.0 in text": (dict(version="HTTP/2.0"), {400, 505}),
    "HTTP/1.1 and more": (dict(version="HTTP/1.1x"), {400}),
    "http in lower case": (dict(version="http/1.1"), {400}),
    "no host": (dict(host=None), {400}),
    "another host": (dict(host=b"Host: evil.example"), {404}),
    "two hosts": (dict(host=b"Host: localhost\r\nHost: evil.example"), {400}),
    "an empty host": (dict(host=b"Host:"), {400, 404}),
    "a host with a path": (dict(host=b"Host: localhost/x"), {400, 404}),
    "a host with a user": (dict(host=b"Host: x@localhost"), {400, 404}),
    "a host with a NUL": (dict(host=b"Host: localhost\0"), {400}),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_heads(shared, name, case):
    """One answer, the right one; a channel is there exactly where it says 201."""
    how, right = ODD[case]
    body = json.dumps(channel(name)).encode()
    wire = Wire(head(shared, b"Content-Length: %d" % len(body), **how) + body + SENTINEL)
    assert wire.replies and wire.statuses[0] in right, wire.replies
    assert wire.statuses[1:] in ([], [404]), wire.replies
    assert wire.closed and is_there(shared, name) == (wire.statuses[:1] == [201])


def test_an_unknown_length(shared, name):
    """A field that only looks like one (nginx drops names with an underscore) gives no body: what follows is read as what it is."""
    wire = Wire(head(shared, b"Transfer_Encoding: chunked") + b"0\r\n\r\n" + smuggled(shared, name) + SENTINEL)
    assert wire.statuses == [400, 400] and wire.closed and not is_there(shared, name)


def test_http_0_9(shared, name):
    """A line without a version is answered without a head, as of old, or not at all; and nothing is done for it."""
    with pytest.raises(AssertionError, match="no HTTP"):
        Wire(head(shared, version="") + smuggled(shared, name) + SENTINEL)
    assert not is_there(shared, name)


@pytest.mark.parametrize("bad", [b"X-A: a\0b", b"X A: b", b"X\x01: b", b"X(: b", b"\x80: b", b"X: \x01", b"X" * 200 + b": y"])
def test_odd_fields(shared, name, bad):
    """A strange field is refused or passed over; it never begins another."""
    body = json.dumps(channel(name)).encode()
    wire = Wire(head(shared, bad, b"Content-Length: %d" % len(body)) + body + SENTINEL)
    assert wire.statuses in ([201, 404], [400]), wire.replies
    assert is_there(shared, name) == (wire.statuses[0] == 201)


@pytest.mark.parametrize("lines", [[b"X: " + b"y" * 9000], [b"X: " + b"y" * 40000], [b"X%d: " % i + b"y" * 3000 for i in range(20)],
                                   [b"X: y"] * 5000, [b"y" * 9000 + b": x"]])
def test_large_heads(shared, name, lines):
    """431 in our form (400 where it is no field yet) and a close, or within the limits; what is a body stays one."""
    inner = smuggled(shared, name)
    wire = Wire(head(shared, b"Content-Length: %d" % len(inner), *lines) + inner + SENTINEL)
    assert wire.statuses in ([431], [431, 404], [400], [400, 404]), wire.replies
    assert wire.closed and not is_there(shared, name)


@pytest.mark.parametrize("connection, kept", [(b"keep-alive", True), (b"close", False), (b"", False)])
def test_http_1_0(shared, name, connection, kept):
    """An HTTP/1.0 connection is kept only where that was asked for."""
    body = json.dumps(channel(name)).encode()
    lines = [b"Content-Length: %d" % len(body)] + ([b"Connection: " + connection] if connection else [])
    wire = Wire(head(shared, *lines, version="HTTP/1.0") + body + SENTINEL)
    assert wire.statuses == ([201, 404] if kept else [201]) and wire.closed and is_there(shared, name)


def test_http_1_0_has_no_chunks(shared, name):
    """RFC 9112 §6.1: a Transfer-Encoding of an HTTP/1.0 request is a fault; it is read as chunks or refused, never as both."""
    body = json.dumps(channel(name)).encode()
    wire = Wire(head(shared, TE, b"Connection: keep-alive", version="HTTP/1.0") + chunked(body) + SENTINEL)
    assert wire.statuses in ([400], [411], [201, 404]), wire.replies
    assert is_there(shared, name) == (wire.statuses[0] == 201)


def test_a_refused_body_is_no_request(shared, name):
    """A body that is refused before it was read (too large) is not read as the next request."""
    inner = smuggled(shared, name) + SENTINEL
    wire = Wire(head(shared, b"Content-Length: %d" % (70000 + len(inner))) + inner, timeout=1)
    assert wire.statuses == [413] and not is_there(shared, name)


@pytest.mark.parametrize("status, method, target, key", [(401, "POST", PATH, "x"), (404, "POST", "/v1/none", None), (405, "DELETE", PATH, None)])
def test_an_early_answer_leaves_no_body(shared, name, status, method, target, key):
    """Refused for its head, the request's body is still a body: the next request begins behind it."""
    inner = smuggled(shared, name)
    lines = [b"Content-Length: %d" % len(inner)]
    data = head(shared, *lines, method=method, target=target)
    if key:
        data = data.replace(shared.key.encode(), key.encode())
    wire = Wire(data + inner + SENTINEL)
    assert wire.statuses in ([status, 404], [status]), wire.replies
    assert not is_there(shared, name)


def test_expect_continue_is_no_second_answer(shared, name):
    """100 comes before the one answer, and not where the body was already there."""
    body = json.dumps(channel(name)).encode()
    wire = Wire(head(shared, b"Expect: 100-continue", b"Content-Length: %d" % len(body)) + body + SENTINEL)
    assert [s for s in wire.statuses if s != 100] == [201, 404] and wire.statuses.count(100) <= 1


def test_each_gets_its_own(shared):
    """Fifty pipelined creates, each with a key of its own: the answers come in the order of the requests."""
    names = ["desync %d %s" % (i, secrets.token_hex(4)) for i in range(50)]
    wire = Wire(b"".join(smuggled(shared, n) for n in names) + SENTINEL, timeout=15)
    assert wire.statuses == [201] * 50 + [404]
    assert [stack.channel_row(r.json()["data"]["id"])["name"] for r in wire.replies[:50]] == names
