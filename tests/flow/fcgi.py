"""A FastCGI client that can also lie, for speaking to the workers' socket without nginx.

Specification 1.0: records of 8 bytes of header (version, type, request id, content length, padding
length) and content; a request is BEGIN_REQUEST, PARAMS… and an empty PARAMS, STDIN… and an empty STDIN.
"""

import json
import secrets
import socket
import struct

import stack

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, GET_VALUES = 1, 2, 3, 4, 5, 6, 7, 9


def record(kind, content=b"", request_id=1, version=1, length=None):
    """One record; ${length} is what its header says, where that is not the content's length."""
    said = len(content) if length is None else length
    return struct.pack(">BBHHBx", version, kind, request_id, said, 0) + content


def records(kind, content):
    """Content of any length as records, with the empty one that ends a stream."""
    parts = [content[i:i + 65535] for i in range(0, len(content), 65535)]
    return b"".join(record(kind, p) for p in parts) + record(kind)


def begin(role=1, flags=0):
    return record(BEGIN, struct.pack(">HB5x", role, flags))


def length_of(n):
    return struct.pack(">B", n) if n < 128 else struct.pack(">I", n | 0x80000000)


def pairs(params):
    """Name-value pairs; ${params} is a list, so that names can stand there twice."""
    out = b""
    for name, value in params:
        name, value = name.encode(), value if isinstance(value, bytes) else str(value).encode("latin-1")
        out += length_of(len(name)) + length_of(len(value)) + name + value
    return out


def create_params(key, length, more=(), drop=()):
    """The parameters of a create, as nginx passes them."""
    params = [
        ("REQUEST_ID", secrets.token_hex(16)),
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_URI", stack.PATH),
        ("QUERY_STRING", ""),
        ("CONTENT_TYPE", "application/json"),
        ("CONTENT_LENGTH", "" if length is None else length),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTPS", "on"),
        ("HTTP_HOST", "localhost"),
        ("HTTP_AUTHORIZATION", "Bearer " + (key or "")),
    ]
    return [p for p in params if p[0] not in drop] + list(more)


def create(key, body=None, **options):
    """The bytes of a whole request that creates a channel."""
    body = json.dumps(stack.channel() if body is None else body).encode()
    return begin() + records(PARAMS, pairs(create_params(key, len(body), **options))) + records(STDIN, body)


def request(method, path, key, body=None, headers=()):
    """The bytes of any request; ${headers} are pairs as in HTTP."""
    body = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    more = [("REQUEST_METHOD", method), ("REQUEST_URI", path)]
    more += [("HTTP_" + name.upper().replace("-", "_"), value) for name, value in headers]
    params = create_params(key, len(body), more, drop=("REQUEST_METHOD", "REQUEST_URI"))
    return begin() + records(PARAMS, pairs(params)) + records(STDIN, body)


class Answer:
    """What came back: `reply` is None where no whole answer did."""

    def __init__(self, data):
        stack.RECORD.append(("fcgi", data))
        self.data = data
        self.stdout, self.stderr, self.ended, self.app_status = b"", b"", False, None
        self.take_records(data)
        self.reply = self.parse() if self.ended and self.stdout else None

    def take_records(self, data):
        while len(data) >= 8:
            _, kind, _, length, padding = struct.unpack(">BBHHBx", data[:8])
            content = data[8:8 + length]
            if kind == STDOUT:
                self.stdout += content
            elif kind == STDERR:
                self.stderr += content
            elif kind == END:
                self.ended = True
                self.app_status = struct.unpack(">I", content[:4])[0]
            data = data[8 + length + padding:]

    def parse(self):
        head, _, body = self.stdout.partition(b"\r\n\r\n")
        headers = [tuple(h.split(": ", 1)) for h in head.decode("latin-1").split("\r\n")]
        status = int(dict((k.lower(), v) for k, v in headers)["status"].split()[0])
        return stack.Reply(status, headers, body)

    @property
    def status(self):
        return self.reply.status if self.reply else None


class Link:
    """A connection to the socket."""

    def __init__(self, path, timeout=15):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(str(path))

    def send(self, data):
        self.sock.sendall(data)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def answer(self):
        """All until the worker closes."""
        data = b""
        while True:
            try:
                part = self.sock.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            data += part
        return Answer(data)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(path, data, timeout=15):
    """Send ${data}, read the answer."""
    with Link(path, timeout) as link:
        link.send(data)
        return link.answer()
