"""Goal: nothing that a web server's socket can carry ends a worker or has an answer that is none.

Raw FastCGI to the workers' socket, made from good requests by a generator whose seed is printed: parameters, lengths and
record types changed, streams cut, records in a wrong order or twice.  The workers are to be built with sanitizers
(dev/check does that): their log must not have a report of one.  FUZZ_SEED and FUZZ_REQUESTS choose another run.
"""

import json
import os
import random
import re
import struct
import time

import pytest

import fcgi
import stack
from fcgi import ABORT, BEGIN, GET_VALUES, PARAMS, STDIN, Link, ask, begin, create_params, pairs, record, records
from stack import channel, created

SEED = int(os.environ.get("FUZZ_SEED", "1954"))
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "1500"))
REPORT = r"AddressSanitizer|LeakSanitizer|runtime error:"

VALUES = ["", "0", "-1", "+1", " 1", "1 ", "0x10", "1e3", "65536", "65537", "262144", "262145", "2147483648", "18446744073709551615",
          "18446744073709551616", "9" * 40, "/v1/config/notifications/", "/v1/events", "/%00", "/..", "*", "GET", "HEAD", "DELETE", "PATCH",
          "Bearer", "Bearer ", "Bearer ss_secret_", "application/json; charset=utf-8", "text/plain", "a\nb", "\xff\xfe", "\x01" * 20, "x" * 3000]
NAMES = ["REQUEST_ID", "REQUEST_METHOD", "REQUEST_URI", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_AUTHORIZATION", "HTTP_X_PROJECT_ID",
         "HTTP_IDEMPOTENCY_KEY", "", "X", "HTTP_X", "=", "REQUEST_METHOD=GET"]


class Generator:
    """Requests that are nearly right; the same ones for the same seed."""

    def __init__(self, key, seed):
        self.key = key
        self.rng = random.Random(seed)

    def params(self, body):
        rng = self.rng
        params = create_params(self.key, len(body))
        params[0] = ("REQUEST_ID", "%032x" % rng.getrandbits(128))
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
            i, what = rng.randrange(len(params)), rng.randrange(5)
            if what == 0:
                params[i] = (params[i][0], rng.choice(VALUES))
            elif what == 1:
                params[i] = (rng.choice(NAMES), params[i][1])
            elif what == 2:
                del params[i]
            elif what == 3:
                params.insert(i, (rng.choice(NAMES), rng.choice(VALUES)))
            else:
                params.insert(i, params[rng.randrange(len(params))])
        return params

    def stream(self, kind, content):
        """Records of any sizes, with padding; at times one that lies about its length, or no end."""
        rng, out = self.rng, b""
        while content:
            n = rng.choice((7, 100, 1000, 60000))
            part, content, padding = content[:n], content[n:], rng.choice((0, 0, 0, 1, 7, 255))
            said = len(part) if rng.random() > 0.004 else rng.choice((0, len(part) + 1, max(len(part) - 1, 0), 65535))
            out += struct.pack(">BBHHBx", 1, kind, 1, said, padding) + part + rng.randbytes(padding)
        return out + (record(kind) if rng.random() > 0.05 else b"")

    def other_record(self):
        rng = self.rng
        kind = rng.choice((ABORT, GET_VALUES, BEGIN, PARAMS, STDIN, 0, 3, 6, 7, 8, 10, 11, 99, 255))
        return record(kind, rng.randbytes(rng.choice((0, 1, 8, 30))), rng.choice((0, 1, 2, 65535)), rng.choice((1, 1, 1, 0, 2)),
                      rng.choice((None, None, 0, 65535)))

    def pairs_of(self, params):
        data = bytearray(pairs(params))
        for _ in range(self.rng.choice((0, 0, 0, 1, 3))):
            at = self.rng.randrange(len(data) - 8)
            data[at:at + self.rng.choice((1, 4, 8))] = self.rng.choice((b"\x80", b"\xff\xff\xff\xff", b"\0", b"\x7f", b"\x80\0\0\1", b"\xdc" * 8))
        return bytes(data)

    def body(self):
        """A create, or bytes that are none; the names of what may be written begin with `fuzz`."""
        rng = self.rng
        data = bytearray(json.dumps(channel("fuzz %d" % rng.getrandbits(40))).encode())
        for _ in range(rng.choice((0, 0, 1, 3))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data) + (b" " * rng.choice((65536, 262144, 262145)) if rng.random() < 0.03 else b"")

    def request(self):
        rng = self.rng
        body = self.body()
        parts = [begin(rng.choice((1, 1, 1, 1, 1, 1, 2, 3, 0, 7)), rng.choice((0, 0, 0, 1, 255)))]
        parts.append(self.stream(PARAMS, self.pairs_of(self.params(body))))
        parts.append(self.stream(STDIN, body))
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            parts.insert(rng.randrange(len(parts) + 1), self.other_record())
        if rng.random() < 0.05:
            rng.shuffle(parts)
        data = bytearray(b"".join(parts))
        for _ in range(rng.choice((0, 0, 0, 0, 1, 2, 8))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data[:rng.randrange(len(data) + 1)] if rng.random() < 0.15 else data)


def exchange(path, data, how):
    """Send, and look at what comes: a whole answer, or nothing that looks like one."""
    with Link(path, timeout=20) as link:
        try:
            link.send(data)
            if how == 0:
                return None  # closed at once
            link.half_close()
            return link.answer()
        except (BrokenPipeError, ConnectionResetError):
            return None


def check_answer(answer, data):
    assert answer is None or answer.status is None or answer.status in (
        200, 201, 202, 400, 401, 403, 404, 405, 409, 413, 415, 429, 503), (answer.stdout, data)
    if answer is not None and answer.status is not None and answer.reply.body:
        reply = answer.reply.json()
        assert set(reply) in ({"success", "data"}, {"success", "error"}), (answer.stdout, data)


@pytest.fixture(scope="module")
def place():
    return stack.Place("enterprise")


def test_nearly_right_requests(place):
    """Four lanes, so that all workers are at it; afterwards each is the process that it was, and answers as before."""
    path, logs, before = stack.env("SIGSENTRY_SOCKET"), stack.Logs(), stack.settled_workers()
    print("FUZZ_SEED=%d FUZZ_REQUESTS=%d" % (SEED, REQUESTS))
    seen = {}

    def lane(n):
        generator = Generator(place.key, SEED * 4 + n)
        for _ in range(REQUESTS // 4):
            data = generator.request()
            answer = exchange(path, data, generator.rng.randrange(10))
            check_answer(answer, data)
            status = answer.status if answer else None
            seen[status] = seen.get(status, 0) + 1

    stack.parallel([lambda n=n: lane(n) for n in range(4)])
    print("statuses", seen)
    # the generator comes through and is refused, each often enough to mean something
    assert seen.get(201, 0) > REQUESTS / 50 and seen.get(400, 0) > REQUESTS / 50 and seen.get(None, 0) > REQUESTS / 50, seen
    with stack.Client(place.key) as c:
        for _ in range(8):
            began = time.monotonic()
            created(c.post(channel()))
            assert time.monotonic() - began < 3
    assert stack.workers() == before, "a worker died of it"
    assert not logs.lines(REPORT), logs.lines(REPORT)
    assert not logs.lines(r"Assertion|core dumped|stack smashing", only="api")


LENGTHS = [(a, b) for a in (1, 0x7f, 0x20000, 0x5cdcdcdc, 0x7ffffff0, 0x7fffffff) for b in (1, 0x20000, 0x5cdcdcdc, 0x7fffffff)]


@pytest.mark.parametrize("name, value", LENGTHS)
def test_lengths_that_no_memory_has(place, name, value):
    """libfcgi would allocate what they say, and abort the process where it cannot."""
    before = stack.settled_workers()
    data = begin() + record(PARAMS, struct.pack(">II", 0x80000000 | name, 0x80000000 | value) + b"N" * 64)
    answer = exchange(stack.env("SIGSENTRY_SOCKET"), data + record(PARAMS) + record(STDIN), 1)
    assert answer is None or answer.status != 201
    assert ask(stack.env("SIGSENTRY_SOCKET"), fcgi.create(place.key)).status == 201
    assert stack.workers() == before, "a worker died of it"


def test_management_records_leave_nothing(place):
    """libfcgi forgets memory with each of a type that it does not know: a worker does not grow with them."""
    def resident():
        return sum(int(re.search(r"VmRSS:\s+(\d+)", open("/proc/%d/status" % pid).read())[1]) for pid in stack.workers())

    path = stack.env("SIGSENTRY_SOCKET")
    data = begin() + record(99, b"", request_id=0) * 8000
    exchange(path, data, 1)
    before = resident()
    for _ in range(20):
        exchange(path, data, 1)
    assert resident() - before < 4096, "kB that the workers have grown by"
