"""Goal: doc/openapi.json is whole and served, its examples are right, and an answer that is not what it says is noticed.

That every answer is what it says is held by all flow tests (openapi.py), and by none if that could not fail: so it
is shown here to fail (contract §1, §3, §7).
"""

import json
import re

import pytest

import courier
import openapi
import stack
from stack import PATH, Reply, channel, created, error, ok

FILE = "/v1/openapi.json"
ID = "9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a"
ALL = ("config:read", "config:write")

OPERATIONS = openapi.api().operations
KEYED = [o for o in OPERATIONS if o.permissions]


def named(operations):
    return {"argvalues": operations, "ids": [o.spec["operationId"] for o in operations]}


# The file -------------------------------------------------------------------------------------------


def test_form():
    text = openapi.FILE.read_text("utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def examples(node, where=""):
    """(place, schema, value) of all examples below ${node}."""
    if isinstance(node, list):
        for i, n in enumerate(node):
            yield from examples(n, "%s[%d]" % (where, i))
    if not isinstance(node, dict):
        return
    if "schema" in node:
        if "example" in node:
            yield where, node["schema"], node["example"]
        for name, e in node.get("examples", {}).items():
            yield "%s: %s" % (where, name), node["schema"], e["value"]
    for name, n in node.items():
        yield from examples(n, "%s/%s" % (where, name))


def test_examples():
    found = list(examples(openapi.api().document["paths"]))
    assert len(found) > 50
    for where, schema, value in found:
        assert not openapi.faults(openapi.validator(schema), value), where


@pytest.mark.parametrize("o", **named(OPERATIONS))
def test_statuses(o):
    """What every request to an operation may be answered with."""
    listed = set(o.spec["responses"])
    want = {"400", "413", "414", "429", "431", "500", "501", "502", "503", "504", "505"}
    if o.permissions:
        want |= {"401", "403"}
    if o.takes:
        want.add("415")
    if "{id}" in o.path:
        want.add("404")
    assert want <= listed, want - listed
    assert len({s for s in listed if s[0] == "2"}) == 1


@pytest.mark.parametrize("o", **named(OPERATIONS))
def test_headers(o):
    """An authenticated key is told its limits, nobody else is; where nginx or both may have answered they may be there."""
    always = {"200", "201", "202", "403", "404", "409", "415"} if o.permissions else set()
    perhaps = {"400", "413", "429", "500", "503"} if o.permissions else set()
    for status, response in o.spec["responses"].items():
        heads = response["headers"]
        assert {"X-Request-Id", "Cache-Control"} <= set(heads)
        rate = [heads.get("X-RateLimit-" + n) for n in ("Limit", "Remaining", "Reset")]
        if status in always:
            assert all(h["required"] for h in rate), status
        elif status in perhaps:
            assert not any(h["required"] for h in rate), status
        else:
            assert rate == [None] * 3, status
        assert ("Retry-After" in heads) == (status in ("429", "503")), status
        assert ("WWW-Authenticate" in heads) == (status == "401"), status


@pytest.mark.parametrize("o", **named(KEYED))
def test_permissions(o):
    """The permission stands at the operation and in its 403, and its scheme is there."""
    schemes = openapi.api().document["components"]["securitySchemes"]
    assert [set(need) <= set(schemes) for need in o.spec["security"]] == [True]
    permission, = o.permissions
    assert permission == ("config:read" if o.method == "GET" else
                          "analysis:create" if o.path == "/v1/events" else "config:write")
    text = json.dumps(o.spec["responses"]["403"]["content"]["application/json"]["schema"])
    assert re.findall(r'"const": "(\w+:\w+)"', text) == [permission]


# Served ---------------------------------------------------------------------------------------------


def test_is_served(client):
    """To everybody, with or without a key and a query, byte for byte."""
    with stack.Client() as nobody:
        for c, path in ((nobody, FILE), (client, FILE + "?x=//")):
            reply = c.send("GET", path=path)
            assert reply.status == 200 and reply.body == openapi.FILE.read_bytes()
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "public, max-age=3600"
    for name in ("strict-transport-security", "x-content-type-options", "content-security-policy", "referrer-policy"):
        assert reply.header(name), name


def test_is_served_to_head(client):
    get, head = client.send("GET", path=FILE), client.send("HEAD", path=FILE)
    assert head.status == 200 and head.body == b""
    for name in ("content-type", "content-length", "cache-control", "etag", "last-modified"):
        assert head.header(name) == get.header(name)


def test_is_served_under_conditions(client):
    """Who has it already gets 304; nginx's other answers to conditions are JSON, and there are no ranges."""
    get = client.send("GET", path=FILE)
    tag, date = get.header("etag"), get.header("last-modified")
    old = "Mon, 01 Jan 2001 00:00:00 GMT"
    for name, value, status in [
            ("If-None-Match", tag, 304), ("If-None-Match", '"x"', 200), ("If-None-Match", "W/" + tag, 304),
            ("If-Modified-Since", date, 304), ("If-Modified-Since", old, 200), ("If-Match", tag, 200),
            ("Range", "bytes=0-5", 200), ("Range", "bytes=99999999-", 200)]:
        reply = client.send("GET", path=FILE, headers=[(name, value)])
        assert reply.status == status, (name, value, reply.status)
        assert reply.body == (b"" if status == 304 else get.body)
        assert reply.header("cache-control") == "public, max-age=3600"
    for name, value in [("If-Match", '"x"'), ("If-Unmodified-Since", old)]:
        error(client.send("GET", path=FILE, headers=[(name, value)]), 412, "PRECONDITION_FAILED")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "X"])
def test_is_only_read(client, method):
    for body in (None, b"{}"):
        reply = client.send(method, path=FILE, body=body)
        error(reply, 405, "METHOD_NOT_ALLOWED")
        assert reply.header("allow") == "GET, HEAD"


def test_no_other_name(client):
    for path in (FILE + "/", FILE + "x", "/openapi.json", "/v1/openapi", "/v1/openapi.yaml", "/v1/Openapi.json",
                 "/v1//openapi.json", "//v1/openapi.json", "/v1/x/../openapi.json", "/v1/%6fpenapi.json",
                 "/v1/openapi.json%20"):
        error(client.send("GET", path=path), 404, "NOT_FOUND")


# What it says is there is there ---------------------------------------------------------------------


def concrete(path):
    return path.replace("{id}", ID).replace("{deliveryId}", ID)


@pytest.mark.parametrize("path", sorted(openapi.api().document["paths"]))
def test_methods(client, path):
    """A path takes the methods that are listed, and no others."""
    reply = client.send("X", path=concrete(path))
    error(reply, 405, "METHOD_NOT_ALLOWED")
    listed = {o.method for o in OPERATIONS if o.path == path}
    assert set(reply.header("allow").split(", ")) == listed | ({"HEAD"} if "GET" in listed else set())


@pytest.mark.parametrize("o", **named(KEYED))
def test_a_key_is_needed(o):
    with stack.Client() as nobody:
        error(nobody.send(o.method, path=concrete(o.path)), 401, "UNAUTHORIZED")


def test_every_operation():
    """Each succeeds once."""
    place = stack.Place(permissions=ALL + ("analysis:create",))
    with courier.alone(), stack.Client(place.key) as c:
        body, once = channel(), [("Idempotency-Key", "once")]
        one = "%s/%s" % (PATH, created(c.post(body, headers=once)))
        assert c.post(body, headers=once).header("idempotency-replayed") == "true"
        seen = {openapi.api().find("POST", PATH)}
        event, of = ok(c.post({"event": "x", "severity": "high", "summary": "s"}, path="/v1/events"), 202)["id"], "%s/deliveries/" % one
        waiting = ok(c.send("POST", path=one + "/test"), 202)["deliveryId"]
        delivery, = [d["id"] for d in ok(c.send("GET", path="/v1/events/" + event), 200)["deliveries"]]
        courier.Courier().end(delivery, "refused")
        ok(c.send("POST", path=of + delivery + "/retry"), 202)
        ok(c.send("POST", path=of + "retry", body={"since": stack.rfc3339(-60)}), 202)
        ok(c.send("GET", path=of + waiting), 200)
        ok(c.send("GET", path=one + "/deliveries"), 200)
        seen |= {openapi.api().find(*r) for r in (
            ("POST", "/v1/events"), ("GET", "/v1/events/" + event), ("POST", one + "/test"), ("GET", one + "/deliveries"),
            ("GET", of + waiting), ("POST", of + delivery + "/retry"), ("POST", of + "retry"))}
        requests = [
            ("GET", PATH, None), ("GET", PATH + "?page=1", None), ("GET", one, None),
            ("PUT", one, {"name": "other"}), ("PATCH", one, {"severityThreshold": "low"}), ("DELETE", one, None),
            ("GET", PATH + "/settings", None), ("PUT", PATH + "/settings", {"defaultSeverityThreshold": "low"}),
            ("GET", "/healthz", None), ("GET", "/readyz", None),
        ]
        for method, path, body in requests:
            ok(c.send(method, path=path, body=body), 200)
            seen.add(openapi.api().find(method, path))
        for path in ("/metrics", FILE):
            assert c.send("GET", path=path).status == 200
            seen.add(openapi.api().find("GET", path))
    assert seen == set(OPERATIONS)


def test_examples_of_events():
    """Every example of an event answers 202."""
    place = stack.Place(permissions=("analysis:create",))
    bodies = openapi.api().find("POST", "/v1/events").spec["requestBody"]["content"]["application/json"]["examples"]
    with stack.Client(place.key) as c:
        for body in bodies.values():
            assert ok(c.post(body["value"], path="/v1/events"), 202)["deliveries"] == 0


def test_examples_of_requests(shared, client):
    """What somebody copies from here works: every example of a create answers 201."""
    bodies = openapi.api().find("POST", PATH).spec["requestBody"]["content"]["application/json"]["examples"]
    assert {b["value"]["type"] for b in bodies.values()} == {
        "slack", "teams", "discord", "google_chat", "webhook", "email"}
    for body in bodies.values():
        created(client.post(body["value"]))


# The check can fail ---------------------------------------------------------------------------------

HEADERS = {
    "Content-Type": "application/json", "X-Request-Id": "0" * 32, "Cache-Control": "no-store",
    "X-RateLimit-Limit": "3000", "X-RateLimit-Remaining": "2999", "X-RateLimit-Reset": "1772600760",
}
MADE = {"success": True, "data": {"id": ID}}
LOCATION = {"Location": "%s/%s" % (PATH, ID)}
ISSUES = {"issues": [{"path": "name", "code": "required", "message": "is missing"}]}


def refused(code, details=None, message="It is wrong."):
    return {"success": False, "error": dict({"code": code, "message": message}, **({"details": details} if details else {}))}


def answer(status, body, repeated=(), **changes):
    """An answer with the headers of a success but for the changes; None leaves one out."""
    names = {"_".join(n.split("-")).lower(): n for n in list(HEADERS) + ["Location", "Retry-After", "WWW-Authenticate"]}
    heads = dict(HEADERS, **{names.get(n, n.replace("_", "-")): v for n, v in changes.items()})
    pairs = [(n, v) for n, v in heads.items() if v is not None] + list(repeated)
    return Reply(status, pairs, body if isinstance(body, bytes) else json.dumps(body).encode())


UNKNOWN_KEY = {"x_ratelimit_limit": None, "x_ratelimit_remaining": None, "x_ratelimit_reset": None}
CREATED = {"location": LOCATION["Location"]}

GOOD = [
    ("created", "POST", PATH, answer(201, MADE, **CREATED)),
    ("replayed", "POST", PATH, answer(201, MADE, **CREATED, Idempotency_Replayed="true")),
    ("unlimited", "POST", PATH, answer(201, MADE, **CREATED, x_ratelimit_limit="unlimited", x_ratelimit_remaining="unlimited")),
    ("invalid", "POST", PATH, answer(400, refused("VALIDATION_ERROR", ISSUES))),
    ("no project", "GET", PATH + "?page=1", answer(400, refused("MISSING_PROJECT_ID"))),
    ("not HTTP", "POST", PATH, answer(400, refused("BAD_REQUEST"), **UNKNOWN_KEY)),
    ("no key", "POST", PATH, answer(401, refused("UNAUTHORIZED"), www_authenticate="Bearer", **UNKNOWN_KEY)),
    ("quota", "POST", PATH, answer(403, refused("QUOTA_EXCEEDED", {"limit": 2, "used": 2, "plan": "starter"}))),
    ("tenant-wide", "PUT", PATH + "/" + ID, answer(403, refused("FORBIDDEN"))),
    ("no channel", "GET", PATH + "/" + ID, answer(404, refused("NOT_FOUND"))),
    ("no event", "GET", "/v1/events/" + ID, answer(404, refused("NOT_FOUND"))),
    ("not finished", "POST", "%s/%s/deliveries/%s/retry" % (PATH, ID, ID), answer(409, refused("NOT_FINISHED"))),
    ("inactive", "POST", "%s/%s/deliveries/retry" % (PATH, ID), answer(409, refused("CHANNEL_INACTIVE"))),
    ("no route", "GET", "/v1/nothing", answer(404, refused("NOT_FOUND"), **UNKNOWN_KEY)),
    ("nothing known", None, None, answer(400, refused("BAD_REQUEST"), **UNKNOWN_KEY)),
    ("away", "POST", PATH, answer(503, refused("SERVICE_UNAVAILABLE"), retry_after="2", **UNKNOWN_KEY)),
    ("HEAD", "HEAD", PATH, answer(200, b"")),
    ("metrics", "GET", "/metrics", answer(200, b"# x\n", content_type="text/plain; version=0.0.4; charset=utf-8", **UNKNOWN_KEY)),
    ("100", "POST", PATH, Reply(100, [], b"")),
]

BAD = [
    ("status", "POST", PATH, answer(200, MADE, **CREATED)),
    ("status of no route", "POST", "/v1/nothing", answer(201, MADE, **CREATED)),
    ("method", "DELETE", PATH, answer(200, {"success": True, "data": {"deleted": True}})),
    ("header missing", "POST", PATH, answer(201, MADE)),
    ("request id missing", "POST", PATH, answer(201, MADE, x_request_id=None, **CREATED)),
    ("limits missing", "POST", PATH, answer(201, MADE, **CREATED, **UNKNOWN_KEY)),
    ("one limit missing", "POST", PATH, answer(500, refused("INTERNAL_ERROR"), x_ratelimit_reset=None)),
    ("limits missing with issues", "POST", PATH, answer(400, refused("VALIDATION_ERROR", ISSUES), **UNKNOWN_KEY)),
    ("limits for no key", "POST", PATH, answer(401, refused("UNAUTHORIZED"), www_authenticate="Bearer")),
    ("limits for no route", "GET", "/v1/nothing", answer(404, refused("NOT_FOUND"))),
    ("limits of an open path", "GET", "/healthz", answer(200, {"success": True, "data": {"status": "ok"}})),
    ("header unlisted", "POST", PATH, answer(201, MADE, **CREATED, X_Powered_By="C")),
    ("header repeated", "POST", PATH, answer(201, MADE, [("X-Request-Id", "0" * 32)], **CREATED)),
    ("header value", "POST", PATH, answer(201, MADE, location="/v1/config/notifications/1")),
    ("header is no number", "POST", PATH, answer(201, MADE, **CREATED, x_ratelimit_reset="soon")),
    ("may be kept", "POST", PATH, answer(201, MADE, **CREATED, cache_control="public")),
    ("no Retry-After", "POST", PATH, answer(503, refused("SERVICE_UNAVAILABLE"))),
    ("media type", "POST", PATH, answer(201, MADE, **CREATED, content_type="application/json; charset=utf-8")),
    ("HTML", None, None, answer(404, b"<html>", content_type="text/html", **UNKNOWN_KEY)),
    ("field", "POST", PATH, answer(201, {"success": True, "data": {"id": ID, "name": "x"}}, **CREATED)),
    ("envelope", "POST", PATH, answer(201, {"success": True, "data": {"id": ID}, "x": 1}, **CREATED)),
    ("no envelope", "POST", PATH, answer(201, {"id": ID}, **CREATED)),
    ("success", "POST", PATH, answer(201, {"success": False, "data": {"id": ID}}, **CREATED)),
    ("id", "POST", PATH, answer(201, {"success": True, "data": {"id": ID.upper()}}, **CREATED)),
    ("code", "POST", PATH, answer(409, refused("CONFLICT"))),
    ("code of one delivery", "POST", "%s/%s/deliveries/retry" % (PATH, ID), answer(409, refused("NOT_FINISHED"))),
    ("code of another status", "POST", PATH, answer(415, refused("NOT_FOUND"))),
    ("permission", "GET", PATH, answer(403, refused("FORBIDDEN", {"required": "config:write"}))),
    ("no permission", "GET", PATH, answer(403, refused("FORBIDDEN"))),
    ("quota without details", "POST", PATH, answer(403, refused("QUOTA_EXCEEDED"))),
    ("quota of a read", "GET", PATH, answer(403, refused("QUOTA_EXCEEDED", {"limit": 2, "used": 2, "plan": "starter"}))),
    ("issue code", "POST", PATH, answer(400, refused("VALIDATION_ERROR", {"issues": [dict(ISSUES["issues"][0], code="bad")]}))),
    ("no issues", "POST", PATH, answer(400, refused("VALIDATION_ERROR", {"issues": []}))),
    ("no message", "POST", PATH, answer(409, refused("IDEMPOTENCY_KEY_CONFLICT", message=""))),
    ("body of a 304", "GET", FILE, answer(304, b"x", cache_control="public, max-age=3600", ETag='"x"', **UNKNOWN_KEY)),
]


def judge(cases):
    return {"argvalues": [c[1:] for c in cases], "ids": [c[0] for c in cases]}


@pytest.mark.parametrize("method,path,reply", **judge(GOOD))
def test_the_check_passes(method, path, reply):
    openapi.check(method, path, reply)


@pytest.mark.parametrize("method,path,reply", **judge(BAD))
def test_the_check_fails(method, path, reply):
    with pytest.raises(AssertionError, match="not what doc/openapi.json says"):
        openapi.check(method, path, reply)


def test_the_check_looks_at_accepted_bodies():
    reply = answer(201, MADE, **CREATED)
    openapi.check("POST", PATH, reply, json.dumps(channel()))
    with pytest.raises(AssertionError, match="accepted a body"):
        openapi.check("POST", PATH, reply, json.dumps(channel(extra=1)))


def test_the_check_is_made(client, monkeypatch):
    """Each client hands its answers over, with what was asked for."""
    asked = []
    monkeypatch.setattr(openapi, "check", lambda method, path, reply, body=None: asked.append((method, path, reply.status)))
    client.send("GET", path="/v1/nothing?x")
    with stack.RawTls() as t:
        t.send(stack.raw_request(path="/a", body=b"{}") + stack.raw_request(path="/b") + b"GET /c HTTP/1.1\r\nHo")
        t.send(b"st: localhost\r\n\r\n" + stack.raw_request(path="/d", host="example.com"))
        for _ in range(4):
            t.reply()
    assert asked == [("GET", "/v1/nothing?x", 404), ("POST", "/a", 404), ("POST", "/b", 404), ("GET", "/c", 404),
                     ("POST", None, 404)]
