"""Holds every answer that the flow tests see against doc/openapi.json.

check() finds the operation that was asked for, and fails where the answer's status, a header, the content type or
the body is not what the file says of it.  What no operation was asked for in (another path or method, a broken
request) must be one of the file's x-other-responses.  x-required-with, at a header, names the error codes with which it
is always there.

The file's $refs are put in place and its schemas made into validators once, each as it is first needed.
"""

import functools
import json
import pathlib
import re

import jsonschema

FILE = pathlib.Path(__file__).resolve().parents[1] / "doc" / "openapi.json"

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

# Headers of HTTP and of every web server, which the file does not list.
ORDINARY = {
    "date", "server", "content-type", "content-length", "connection", "transfer-encoding", "vary", "etag",
    "last-modified", "accept-ranges", "strict-transport-security", "x-content-type-options",
    "content-security-policy", "referrer-policy",
}


def load(text):
    """The document of this JSON text, with every $ref replaced by what it names."""
    document = json.loads(text)
    known = {}

    def at(ref):
        if ref not in known:
            assert ref.startswith("#/"), "not in this file: %s" % ref
            node = document
            for part in ref[2:].split("/"):
                node = node[part.replace("~1", "/").replace("~0", "~")]
            known[ref] = put(node)
        return known[ref]

    def put(node):
        if isinstance(node, list):
            return [put(n) for n in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            assert set(node) == {"$ref"}, "beside a $ref: %s" % set(node)
            return at(node["$ref"])
        return {k: put(v) for k, v in node.items()}

    return put(document)


def validator(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def faults(judge, value):
    """What is wrong with a value, a line each; of alternatives that none fit, what is wrong with each of them."""
    lines = []
    for error in judge.iter_errors(value):
        lines.append("%s: %s" % (error.json_path, error.message[:300]))
        lines += ["    or %s: %s" % (e.json_path, e.message[:300]) for e in error.context]
    return lines


class Header:
    """One header of a response."""

    def __init__(self, name, spec):
        self.name = name
        self.required = spec.get("required", False)
        self.with_codes = spec.get("x-required-with", [])
        self.is_integer = spec["schema"].get("type") == "integer"
        self.judge = validator(spec["schema"])

    def check(self, values, code):
        if not values:
            assert not self.required and code not in self.with_codes, "%s is missing" % self.name
            return
        assert len(values) == 1, "%s stands there %d times" % (self.name, len(values))
        value = values[0]
        if self.is_integer:
            assert re.fullmatch("0|[1-9][0-9]*", value), "%s is no number: %r" % (self.name, value)
            value = int(value)
        wrong = faults(self.judge, value)
        assert not wrong, "%s: %s" % (self.name, wrong)


class Response:
    """One answer that is listed."""

    def __init__(self, spec):
        self.headers = {name.lower(): Header(name, h) for name, h in spec.get("headers", {}).items()}
        self.content = {kind: validator(c["schema"]) for kind, c in spec.get("content", {}).items()}

    def check(self, reply, is_head):
        kind = reply.header("content-type")
        if not self.content:
            assert kind is None and reply.body == b"", "has a body, and should not"
        else:
            assert kind in self.content, "the content type %s is not listed" % kind
        value = None if is_head or not self.content else self.value(kind, reply.body)
        error = value.get("error") if isinstance(value, dict) else None
        self.check_headers(reply, error.get("code") if isinstance(error, dict) else None)
        if value is not None:
            wrong = faults(self.content[kind], value)
            assert not wrong, "the body is not as listed:\n" + "\n".join(wrong)

    @staticmethod
    def value(kind, body):
        text = body.decode("utf-8", "strict")
        return json.loads(text) if kind == "application/json" else text

    def check_headers(self, reply, code):
        names = {name for name, _ in reply.headers}
        unlisted = names - ORDINARY - set(self.headers)
        assert not unlisted, "headers that are not listed: %s" % sorted(unlisted)
        for name, header in self.headers.items():
            header.check(reply.all(name), code)
        rate = [n for n in names if n.startswith("x-ratelimit-")]
        assert len(rate) in (0, 3), "X-RateLimit headers come together: %s" % rate


class Responses:
    """All answers that an operation may give, by status."""

    def __init__(self, spec):
        self.spec = spec
        self.made = {}

    def check(self, reply, is_head=False):
        status = str(reply.status)
        assert status in self.spec, "the status is not listed"
        if status not in self.made:
            self.made[status] = Response(self.spec[status])
        self.made[status].check(reply, is_head)


class Operation:
    def __init__(self, path, method, spec, item):
        self.path = path
        self.method = method
        self.spec = spec
        self.parameters = item.get("parameters", []) + spec.get("parameters", [])
        self.permissions = [p for need in spec["security"] for p in need.get("apiKey", [])]
        self.responses = Responses(spec["responses"])

    @functools.cached_property
    def takes(self):
        """The validator of its request bodies; None where it has none."""
        if "requestBody" not in self.spec:
            return None
        return validator(self.spec["requestBody"]["content"]["application/json"]["schema"])


class Api:
    def __init__(self, text):
        self.document = load(text)
        self.operations = [Operation(path, method.upper(), item[method], item)
                           for path, item in self.document["paths"].items() for method in METHODS if method in item]
        self.others = Responses(self.document["x-other-responses"])
        # as they stand before those with a parameter, which would fit them, too
        paths = sorted(self.document["paths"], key=lambda p: "{" in p)
        self.patterns = [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(p))), p) for p in paths]
        self.by_route = {(o.path, o.method): o for o in self.operations}

    def path(self, target):
        """The path of the file that a request's target fits, or None."""
        path = target.partition("?")[0]
        return next((p for pattern, p in self.patterns if pattern.fullmatch(path)), None)

    def find(self, method, target):
        """The operation, or None.  HEAD is answered as GET."""
        return self.by_route.get((self.path(target), "GET" if method == "HEAD" else method))


@functools.cache
def api():
    return Api(FILE.read_text("utf-8"))


def check(method, path, reply, body=None):
    """Fail where the answer is none of those that the file lists for this request.

    ${path}: the request's target; None where there was none that could be understood.  ${body}: what was sent; where
    it was accepted, the file must have said that it is right.
    """
    if reply.status < 200:
        return  # "100 Continue" is of HTTP, and no answer yet
    operation = api().find(method, path) if path else None
    responses = operation.responses if operation else api().others
    try:
        responses.check(reply, method == "HEAD")
        if operation and operation.takes and body and reply.status < 300:
            wrong = faults(operation.takes, json.loads(body))
            assert not wrong, "accepted a body that is not as listed:\n" + "\n".join(wrong)
    except AssertionError as e:
        said = "%s %s" % (operation.method, operation.path) if operation else "any other request"
        raise AssertionError("not what doc/openapi.json says of %s: %s\n%r" % (said, e, reply)) from None


# What RawTls sends --------------------------------------------------------------------------------------


class Requests:
    """The requests in a stream of bytes, as far as they can be told apart: (method, target) each.

    Behind what is no plain request to a host of ours, or has a body of unknown length, nothing more is told.
    """

    LINE = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.[0-9]\r\n")

    def __init__(self, is_lost=False):
        """${is_lost}: none of them is for the API, as over plain HTTP."""
        self.data = b""
        self.body_left = 0
        self.found = []
        self.is_lost = is_lost

    def add(self, data):
        """Bytes that were sent."""
        if not self.is_lost:
            self.data += data
            while self.skip_body() and self.take_head():
                pass

    def next(self):
        """The request that the next answer is for; a target of None where that is not known."""
        return self.found.pop(0) if self.found else (None, None)

    def skip_body(self):
        """Is the last request's body over?"""
        n = min(self.body_left, len(self.data))
        self.data = self.data[n:]
        self.body_left -= n
        return self.body_left == 0

    def take_head(self):
        """Take a head from the front; false where there is none that can be understood."""
        head, blank, rest = self.data.partition(b"\r\n\r\n")
        if not blank:
            return False
        line = self.LINE.match(head + b"\r\n")
        fields = [(k.lower(), v.strip()) for k, _, v in (f.partition(b":") for f in head.split(b"\r\n")[1:])]
        hosts = [v.partition(b":")[0] for k, v in fields if k == b"host"]
        lengths = [v for k, v in fields if k == b"content-length"]
        if line is None or hosts != [b"localhost"]:
            self.is_lost = True
            return False
        self.found.append((line[1].decode(), line[2].decode()))
        self.is_lost = b"transfer-encoding" in dict(fields) or len(lengths) > 1 or not all(n.isdigit() for n in lengths)
        self.data, self.body_left = rest, 0 if self.is_lost or not lengths else int(lengths[0])
        return not self.is_lost
