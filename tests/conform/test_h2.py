"""Goal: HTTP/2's pseudo-headers and lengths, sent wrongly, give no request that was not meant, and one answer at the most.

RFC 9113 §8.1.1, §8.2 and §8.3, by a client that checks nothing of what it sends.
"""

import contextlib
import json
import secrets
import socket

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest

import stack
from stack import PATH, channel


class Wire:
    """One connection; ${answers} holds for each stream the headers of every answer and its body."""

    def __init__(self):
        sock = socket.create_connection(("127.0.0.1", stack.port()), timeout=4)
        self.sock = stack.tls_context(["h2"]).wrap_socket(sock, server_hostname="localhost")
        assert self.sock.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.answers, self.ended, self.is_closed = {}, set(), False
        self.flush()

    def flush(self):
        with contextlib.suppress(OSError):
            self.sock.sendall(self.h2.data_to_send())

    def send(self, headers, body=None):
        """A request as it stands; the number of its stream."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=body is None)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=True)
        self.flush()
        return stream

    def wait(self, *streams):
        """Until each of them is answered, reset, or the connection closed."""
        while not self.is_closed and not set(streams) <= self.ended:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            self.is_closed = not data
            for event in self.h2.receive_data(data) if data else ():
                self.take(event)
            self.flush()

    def take(self, event):
        if isinstance(event, h2.events.ResponseReceived):
            self.answers.setdefault(event.stream_id, []).append(int(dict(event.headers)[":status"]))
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            self.ended.add(event.stream_id)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.is_closed = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def good(shared, body, **changes):
    """The headers of a create, as a list of pairs; ${changes} by the words of the pseudo-headers, None takes one out."""
    pseudo = {"method": "POST", "scheme": "https", "authority": "localhost", "path": PATH, **changes}
    return [(":" + k, v) for k, v in pseudo.items() if v is not None] + [
        ("authorization", "Bearer " + shared.key), ("content-type", "application/json"), ("content-length", str(len(body)))]


def is_there(shared, name):
    return bool(stack.sql("SELECT FROM sigsentry.channel WHERE project_id = %s AND name = %s", shared.project, name))


@pytest.fixture
def name():
    return "h2 " + secrets.token_hex(6)


def test_the_client_itself(shared, name):
    body = json.dumps(channel(name)).encode()
    with Wire() as wire:
        stream = wire.send(good(shared, body), body)
        wire.wait(stream)
        assert wire.answers == {stream: [201]} and is_there(shared, name)


# What is changed of a good create's headers.
BAD = {
    "no method": lambda g, b: g(b, method=None),
    "no path": lambda g, b: g(b, path=None),
    "no scheme": lambda g, b: g(b, scheme=None),
    "an empty path": lambda g, b: g(b, path=""),
    "a path without a slash": lambda g, b: g(b, path="v1/config/notifications"),
    "a path of a whole URL": lambda g, b: g(b, path="https://localhost" + PATH),
    "a path with a line end": lambda g, b: g(b, path=PATH + "\r\nX: y"),
    "a path with a version": lambda g, b: g(b, path=PATH + " HTTP/1.1"),
    "a path with a NUL": lambda g, b: g(b, path=PATH + "\0"),
    "an empty method": lambda g, b: g(b, method=""),
    "a method with a blank": lambda g, b: g(b, method="POST /v1/events"),
    "a method with a line end": lambda g, b: g(b, method="POST\r\n"),
    "a method in lower case": lambda g, b: g(b, method="post"),
    "two methods": lambda g, b: [(":method", "GET")] + g(b),
    "two paths": lambda g, b: [(":path", "/healthz")] + g(b),
    "two schemes": lambda g, b: [(":scheme", "http")] + g(b),
    "an unknown pseudo-header": lambda g, b: [(":proto", "x")] + g(b),
    "a status": lambda g, b: [(":status", "200")] + g(b),
    "a name in capitals": lambda g, b: g(b) + [("X-Thing", "y")],
    "a name with a blank": lambda g, b: g(b) + [("x thing", "y")],
    "a name with a colon": lambda g, b: g(b) + [("x:thing", "y")],
    "a name with a line end": lambda g, b: g(b) + [("x\r\ny", "z")],
    "an empty name": lambda g, b: g(b) + [("", "z")],
    "a value with a line end": lambda g, b: g(b) + [("x", "y\r\nz: a")],
    "a value with an LF": lambda g, b: g(b) + [("x", "y\nz: a")],
    "a value with a NUL": lambda g, b: g(b) + [("x", "y\0z")],
    "an authority with a user": lambda g, b: g(b, authority="x@localhost"),
    "another authority": lambda g, b: g(b, authority="evil.example"),
    "no authority": lambda g, b: g(b, authority=None),
    "a length too long": lambda g, b: [(k, "9999" if k == "content-length" else v) for k, v in g(b)],
    "a length too short": lambda g, b: [(k, "5" if k == "content-length" else v) for k, v in g(b)],
    "two lengths": lambda g, b: g(b) + [("content-length", "5")],
    "a length that is none": lambda g, b: [(k, "x" if k == "content-length" else v) for k, v in g(b)],
    "CONNECT": lambda g, b: g(b, method="CONNECT"),
    "a large field": lambda g, b: g(b) + [("x", "y" * 40000)],
}
# What RFC 9113 (§8.2.2, §8.3) forbids and nginx passes over where it can be read in one way only.
PASSED_OVER = {
    "a pseudo-header behind": lambda g, b: g(b, path=None) + [(":path", PATH)],
    "transfer-encoding": lambda g, b: g(b) + [("transfer-encoding", "chunked")],
    "connection": lambda g, b: g(b) + [("connection", "close")],
    "upgrade": lambda g, b: g(b) + [("upgrade", "h2c")],
    "te": lambda g, b: g(b) + [("te", "gzip")],
    "a host beside the authority": lambda g, b: g(b) + [("host", "localhost")],
    "another host beside the authority": lambda g, b: g(b) + [("host", "evil.example")],
    "another scheme": lambda g, b: g(b, scheme="http"),
    "no length": lambda g, b: g(b)[:-1],
}


def once(shared, name, change):
    body = json.dumps(channel(name)).encode()
    with Wire() as wire:
        stream = wire.send(change(lambda b, **changes: good(shared, b, **changes), body), body)
        wire.wait(stream)
        assert set(wire.answers) <= {stream}, wire.answers
        statuses = wire.answers.get(stream, [])
        assert len(statuses) <= 1, statuses
        if not wire.is_closed:  # the connection goes on, and a good request on it is what it was
            body = json.dumps(channel(name + " after")).encode()
            after = wire.send(good(shared, body), body)
            wire.wait(after)
            assert wire.answers.get(after, [201]) == [201], wire.answers
    return statuses[0] if statuses else None


@pytest.mark.parametrize("case", BAD)
def test_malformed(shared, name, case):
    """Refused, reset or closed; nothing is written."""
    status = once(shared, name, BAD[case])
    assert status in (None, 400, 404, 405, 413, 431), status
    assert not is_there(shared, name)


@pytest.mark.parametrize("case", PASSED_OVER)
def test_passed_over(shared, name, case):
    """The request is what it says without it, or refused; never half of it."""
    status = once(shared, name, PASSED_OVER[case])
    assert status in (None, 201, 400, 404)
    assert is_there(shared, name) == (status == 201)


def test_each_stream_its_own(shared):
    """Thirty creates at once on one connection, their bodies in pieces between each other: each is answered for itself."""
    names = ["h2 %d %s" % (i, secrets.token_hex(4)) for i in range(30)]
    with Wire() as wire:
        bodies = {}
        for n in names:
            body = json.dumps(channel(n)).encode()
            stream = wire.h2.get_next_available_stream_id()
            wire.h2.send_headers(stream, good(shared, body))
            bodies[stream] = body
        for at in range(0, max(map(len, bodies.values())), 50):
            for stream, body in bodies.items():
                if body[at:]:
                    wire.h2.send_data(stream, body[at:at + 50], end_stream=at + 50 >= len(body))
        wire.flush()
        wire.wait(*bodies)
    assert wire.answers == {stream: [201] for stream in bodies}
    assert all(is_there(shared, n) for n in names)
