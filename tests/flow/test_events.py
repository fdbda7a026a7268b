"""Goal: POST /v1/events takes what contract §5 says and nothing else, and an event reaches the channels that it says.

Every rule of the table is tried on both sides of its edge; what else a producer sends comes out digit for digit; an event is
there with all of its deliveries or not at all, once for each Idempotency-Key, whatever dies on the way.
"""

import decimal
import json
import os
import signal
import sys
import threading
import time
import uuid

import pytest

import courier
import stack
from stack import Client, channel, created, error, issues, ok

sys.set_int_max_str_digits(0)  # some numbers here have 131072

EVENTS = "/v1/events"
ALL = ("config:read", "config:write", "analysis:create")
SEVERITIES = ["critical", "high", "medium", "low", "info"]
ENVELOPE = ["deliveryId", "eventId", "tenantId", "projectId", "projectSlug", "payloadVersion"]


@pytest.fixture(scope="module", autouse=True)
def quiet():
    with courier.alone():
        yield


@pytest.fixture(scope="module")
def shared():
    return stack.Place("enterprise", ALL)


def event(**changes):
    """The body of an event that is right; ${changes} replace fields, None removes one."""
    body = {"event": "analysis.complete", "analysisId": "a1", "severity": "high", "summary": "It fails."}
    body.update(changes)
    return {k: v for k, v in body.items() if v is not None}


def publish(c, body=None, **options):
    return c.post(event() if body is None else body, path=EVENTS, **options)


def accepted(reply):
    """(id, deliveries) of a 202."""
    data = ok(reply, 202)
    assert set(data) == {"id", "deliveries"}, data
    assert reply.header("location") is None
    return data["id"], data["deliveries"]


def shown(c, new, **options):
    return ok(c.send("GET", path="%s/%s" % (EVENTS, new), **options), 200)


# The answer -----------------------------------------------------------------------------------------


def test_answer(shared, client):
    new, n = accepted(publish(client))
    assert uuid.UUID(new).version == 7 and new == new.lower() and n == 0
    row, = stack.sql("SELECT * FROM sigsentry.event WHERE id = %s", new)
    assert (str(row["tenant_id"]), str(row["project_id"]), row["name"], row["severity"], row["deliveries"]) == (
        shared.tenant, shared.project, "analysis.complete", 1, 0)
    assert row["payload"] == event() and row["occurred_at"] == row["accepted_at"]


def test_shown(shared, client):
    new, _ = accepted(publish(client))
    data = shown(client, new)
    assert {k: data[k] for k in ("id", "projectId", "event", "deliveries")} == {
        "id": new, "projectId": shared.project, "event": event(), "deliveries": []}


# The fields -----------------------------------------------------------------------------------------

WIDE = "\U0001F514"
LISTS = {"affectedServices": ("serviceName", "role", ["origin", "propagator", "affected"]),
         "suggestedActions": ("action", "type", ["fix", "investigate", "mitigate", "escalate"])}
TIMES = ["2026-11-24T18:20:00Z", "2026-11-24T18:20:00.1Z", "2026-11-24T18:20:00.123456789Z", "2026-11-24t18:20:00z",
         "2026-11-24T18:20:00+05:30", "2026-11-24T18:20:00-15:59", "2024-02-29T00:00:00Z", "2000-02-29T00:00:00Z",
         "2016-12-31T23:59:60Z", "2016-12-31T23:59:60.000Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+15:59",
         "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-15:59", "2026-11-24T18:20:00.1234567890123Z"]
NO_TIMES = ["", "now", "2026-11-24", "2026-11-24T18:20Z", "2026-11-24T18:20:00", "2026-11-24 18:20:00Z",
            "2026-11-24T18:20:00.Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z", "2026-11-24T24:00:00Z", "2026-11-24T18:60:00Z",
            "2026-11-24T18:20:61Z", "2026-11-24T18:20:60.5Z", "2026-11-24T18:20:00+24:00", "2026-11-24T18:20:00+16:00",
            "2026-11-24T18:20:00+0530", "2026-11-24T18:20:00 Z", " 2026-11-24T18:20:00Z", "2026-11-24T18:20:00Z\n",
            "0000-01-01T00:00:00Z", "12026-11-24T18:20:00Z", "-2026-11-24T18:20:00Z", "20261124T182000Z", "infinity",
            "\u0662026-11-24T18:20:00Z", "2026-11-24T18:20:00\u221205:00", "1764008400"]
URLS = ["https://example.com", "https://example.com/", "https://example.com/a?b=c#d", "https://example.com?x", "https://x#y",
        "https://example.com:8443/\u00e9", "https://[2001:db8::1]/x", "https://e.com/" + "x" * (2048 - 14)]
NO_URLS = ["http://example.com/", "HTTPS://example.com/", "//example.com/", "example.com", "https://", "https:///x",
           "https://u@example.com/", "https://u:p@example.com/", "javascript:alert(1)", "https://example.com/a b",
           "https://example.com/\u0001", "https://exa\u0001mple.com/", "https://example.com/\t", "https://example.com\n",
           "https://exa mple.com/", "https://example.com/\u3000", "https://example.com/\u2028", "https://exam\u202eple.com/",
           "https://example.com\\@evil.example/", " https://example.com/", "https://?x", "https://#x"]

GOOD = (
    [("event", n) for n in ("analysis.complete", "analysis.partial", "watchdog.fired", "analysis", "x", "0", "_", "a_1.b_2.c",
                            "x" * 64, "a." * 31 + "ab", "channels.x", "channel_x", "sigsentryx.test", "x.channel.failing")]
    + [("analysisId", n) for n in ("x", " ", "x" * 255, WIDE * 255)]
    + [("createdAt", n) for n in TIMES]
    + [("severity", n) for n in SEVERITIES]
    + [("summary", n) for n in ("x", "\n", "x" * 10000, WIDE * 10000, "\u0001\u007f\u202e")]
    + [("url", n) for n in URLS]
    + [("confidence", n) for n in (0, 1, 0.5, 0.0, 1.0, 1e-300)]
    + [("rootCause", n) for n in ({}, {"description": ""}, {"description": "d", "service": "s", "errorType": "e", "category": "c"},
                                  {"more": [1]})]
    + [(name, v) for name, (text, word, words) in LISTS.items() for v in (
        [[], ["x"], [""], [{text: "x"}], ["x", {text: "y"}], [{text: ""}], [{text: "x", "more": {"a": 1}}], ["x"] * 2000]
        + [[{text: "x", word: w}] for w in words])]
    + [("affectedServices", [{"serviceName": "x", "errorCount": n}]) for n in (0, 12, -1, 1.5)]
    + [("suggestedActions", [{"action": "x", "priority": n, "rationale": "r"}]) for n in (1, "high", None)])


def label(value):
    text = ascii(value)
    return text if len(text) < 60 else "%s.. (%d)" % (text[:40], len(text))


@pytest.mark.parametrize("field,value", GOOD, ids=label)
def test_good(client, field, value):
    new, _ = accepted(publish(client, event(**{field: value})))
    assert shown(client, new)["event"] == event(**{field: value})


def bad(*rows):
    return [(field, value, where, code) for field, code, where, values in rows for value in values]


NOT_TEXT = [1, True, [], {}, ["x"], 1.5]
BAD = bad(
    ("event", "format", "event", ["A", "analysis.Complete", ".x", "x.", "x..y", "x-y", "x y", "x\n", "x/y", "\u00e9", "\u0661", "x.\u0000"[:2]]),
    ("event", "length", "event", ["", "x" * 65]),
    ("event", "reserved", "event", ["channel.failing", "channel.x", "channel", "sigsentry.test", "sigsentry"]),
    ("event", "type", "event", NOT_TEXT),
    ("analysisId", "length", "analysisId", ["", "x" * 256, WIDE * 256]),
    ("analysisId", "type", "analysisId", NOT_TEXT),
    ("createdAt", "type", "createdAt", NOT_TEXT + [1764008400]),
    ("severity", "enum", "severity", ["", "High", "urgent", "high ", "4"]),
    ("severity", "type", "severity", NOT_TEXT),
    ("summary", "length", "summary", ["", "x" * 10001, WIDE * 10001]),
    ("summary", "type", "summary", NOT_TEXT),
    ("url", "format", "url", NO_URLS),
    ("url", "length", "url", ["https://e.com/" + "x" * (2049 - 14)]),
    ("url", "type", "url", NOT_TEXT),
    ("confidence", "length", "confidence", [-0.1, 1.0000001, 2, -1, 1e300]),
    ("confidence", "type", "confidence", ["0.5", True, [], {}]),
    ("rootCause", "type", "rootCause", ["x", 1, [], True]),
    *[("rootCause", "type", "rootCause." + f, [{f: v} for v in (1, None, [], {})]) for f in ("description", "service", "errorType", "category")],
    *[row for name, (text, word, words) in LISTS.items() for row in (
        (name, "type", name, ["x", 1, {}, {text: "x"}, True]),
        (name, "type", name + "[0]", [[1], [None], [[]], [True]]),
        (name, "type", name + "[2]", [["x", {text: "y"}, 3]]),
        (name, "required", "%s[0].%s" % (name, text), [[{}], [{word: words[0]}], [{}, "x"]]),
        (name, "type", "%s[0].%s" % (name, text), [[{text: v}] for v in (1, None, [])]),
        (name, "enum", "%s[1].%s" % (name, word), [["x", {text: "y", word: v}] for v in ("", "other", words[0].upper())]),
        (name, "type", "%s[0].%s" % (name, word), [[{text: "y", word: v}] for v in (1, None, [words[0]])]))],
    ("affectedServices", "type", "affectedServices[0].errorCount", [[{"serviceName": "x", "errorCount": v}] for v in ("1", None, [], True)]),
    *[(name, "reserved", name, ["x", 1, {}, []]) for name in ENVELOPE])


@pytest.mark.parametrize("field,value,where,code", BAD, ids=label)
def test_bad(client, field, value, where, code):
    assert issues(publish(client, event(**{field: value}))) == [(where, code)]


@pytest.mark.parametrize("value", NO_TIMES, ids=label)
def test_no_time(client, value):
    found = issues(publish(client, event(createdAt=value)))
    assert {w for w, _ in found} == {"createdAt"} and {c for _, c in found} <= {"format", "length"}


FIELDS = ["event", "analysisId", "createdAt", "severity", "summary", "url", "confidence", "rootCause", *LISTS]


@pytest.mark.parametrize("field", FIELDS + ENVELOPE)
def test_null_is_no_value(client, field):
    body = dict(event(), **{field: None})
    assert issues(publish(client, body)) == [(field, "reserved" if field in ENVELOPE else "type")]


@pytest.mark.parametrize("field", ["event", "severity", "summary", "analysisId"])
def test_missing(client, field):
    assert issues(publish(client, event(**{field: None}))) == [(field, "required")]


@pytest.mark.parametrize("name,needed", [("analysis.x", True), ("analysis", True), ("analysis_x", False), ("analysisx.y", False),
                                         ("x.analysis.y", False), ("watchdog.fired", False)])
def test_who_needs_an_analysis(client, name, needed):
    reply = publish(client, event(event=name, analysisId=None))
    assert issues(reply) == [("analysisId", "required")] if needed else accepted(reply)


def test_created_at(client):
    """It is the event's time, whatever its form; without it the event's time is when it was accepted."""
    new, _ = accepted(publish(client, event(createdAt="2026-11-24T18:20:00.250+05:30")))
    row, = stack.sql("SELECT occurred_at = '2026-11-24T12:50:00.250Z' AS same, accepted_at > now() - interval '1 minute' AS now"
                     " FROM sigsentry.event WHERE id = %s", new)
    assert row == {"same": True, "now": True}


# All at once, in body order -------------------------------------------------------------------------


def test_all_at_once(client):
    reply = publish(client, b"""{
        "suggestedActions": [{"type": "x", "action": 1}, 2, {}],
        "summary": "",
        "tenantId": "x",
        "extra": {"summary": 1},
        "affectedServices": [{"errorCount": "1", "role": "x", "serviceName": null}],
        "rootCause": {"category": 1, "x": 1, "errorType": 2, "description": 3},
        "severity": "no", "url": "x", "eventId": 1, "confidence": 2, "createdAt": "x",
        "event": "analysis.x"
    }""")
    assert issues(reply) == [
        ("suggestedActions[0].type", "enum"), ("suggestedActions[0].action", "type"), ("suggestedActions[1]", "type"),
        ("suggestedActions[2].action", "required"),
        ("summary", "length"), ("tenantId", "reserved"),
        ("affectedServices[0].errorCount", "type"), ("affectedServices[0].role", "enum"), ("affectedServices[0].serviceName", "type"),
        ("rootCause.category", "type"), ("rootCause.errorType", "type"), ("rootCause.description", "type"),
        ("severity", "enum"), ("url", "format"), ("eventId", "reserved"), ("confidence", "length"), ("createdAt", "format"),
        ("analysisId", "required")]


def test_order_follows_the_body(client):
    wrong = {"event": "X", "analysisId": 1, "createdAt": "x", "severity": 1, "summary": 1, "url": 1, "confidence": "x",
             "rootCause": 1, "affectedServices": 1, "suggestedActions": 1, **{n: 1 for n in ENVELOPE}}
    for order in (list(wrong), list(reversed(wrong)), sorted(wrong)):
        assert [p for p, _ in issues(publish(client, {f: wrong[f] for f in order}))] == order


def test_all_missing(client):
    assert sorted(issues(publish(client, {}))) == [("event", "required"), ("severity", "required"), ("summary", "required")]


def test_thousands_of_problems(client):
    """All up to a limit, and the answer is still JSON."""
    found = issues(publish(client, event(affectedServices=[1] * 900)))
    assert found == [("affectedServices[%d]" % i, "type") for i in range(900)]
    assert len(issues(publish(client, json.dumps(event(affectedServices=[1] * 100000), separators=(",", ":")).encode()))) >= 1000


def test_messages_quote_no_value(client):
    mark = stack.NAMED
    for field in FIELDS:
        for value in (mark + "\n", {mark: mark}, [mark], [{mark: mark}], {"description": [mark]}):
            reply = publish(client, event(**{field: value}))
            assert reply.status == 202 or mark.encode() not in reply.body, reply


# Unknown fields -------------------------------------------------------------------------------------

NUMBERS = ["0", "-1", "1.50", "0.1", "12345678901234567890123456789", "1.000000000000000000000000000000000000001",
           "-0.000000000000000000001", "9007199254740993", "1" + "0" * 5000, "0." + "0" * 5000 + "1"]


def exact(text):
    return json.loads(text, parse_float=decimal.Decimal, parse_int=decimal.Decimal)


def test_unknown_fields_come_out_as_they_went_in(client):
    """Numbers keep every digit, trailing noughts too; texts every character; names may be anything."""
    mine = '{"n":[%s],"t":["","\\u0001\\"\\\\\\/\\b\\f\\n\\r\\t","%s\\ud83d\\udd14"],"deep":%s,"x":[true,false,null,{}],"":1," ":2,"a.b":3,"Event":4}' % (
        ",".join(NUMBERS), "\u00e9\u2028", '{"a":[' * 6 + "1" + "]}" * 6)
    body = json.dumps(event())[:-1] + ',"mine":%s,"Severity":"x","deliveryid":1}' % mine
    new, _ = accepted(publish(client, body.encode()))
    reply = client.send("GET", path="%s/%s" % (EVENTS, new))
    ok(reply, 200)
    assert exact(reply.body)["data"]["event"] == exact(body)
    for number in NUMBERS:
        assert number.encode() in reply.body


def test_exponents_keep_their_value(client):
    for text in ("1e2", "1E+2", "12.5e-3", "-0", "0e5", "1e1000", "1e-1000", "-1.5E-7"):
        new, _ = accepted(publish(client, (json.dumps(event())[:-1] + ',"n":%s}' % text).encode()))
        assert exact(client.send("GET", path="%s/%s" % (EVENTS, new)).body)["data"]["event"]["n"] == decimal.Decimal(text), text


@pytest.mark.parametrize("text", ["1e131072", "-1e131072", "1e999999", "1e-20000", "1e2147483648", "1" * 131073, "0." + "0" * 16383 + "1"],
                         ids=label)
@pytest.mark.parametrize("where", ['"n":%s', '"n":[{"m":%s}]', '"confidence":%s', '"rootCause":{"n":%s}'])
def test_numbers_that_cannot_be_kept(client, text, where):
    """Refused, never rounded."""
    reply = publish(client, (json.dumps(event())[:-1] + "," + where % text + "}").encode())
    assert [c for _, c in issues(reply)] == ["json"]
    assert text.encode() not in reply.body


def test_the_largest_that_can(client):
    for text in ("1e131071", "9" * 131072, "0." + "0" * 16382 + "1"):
        new, _ = accepted(publish(client, (json.dumps(event())[:-1] + ',"n":%s}' % text).encode()))
        assert exact(client.send("GET", path="%s/%s" % (EVENTS, new)).body)["data"]["event"]["n"] == decimal.Decimal(text)


def test_numbers_that_are_long_together(client):
    """Few bytes here, a hundred thousand digits each wherever they are written out."""
    for text in ("[1e131071,1e131071,1e131071]", '{"a":1e131071,"b":{"c":[1e131071,1e131071]}}', "[%s]" % ",".join(["1e131071"] * 9000)):
        reply = publish(client, (json.dumps(event())[:-1] + ',"n":%s}' % text).encode())
        assert issues(reply) == [("", "length")], text[:80]


# The body as such -----------------------------------------------------------------------------------

KIB256 = 256 * 1024


def of_size(n, **changes):
    body = json.dumps(event(pad="", **changes)).encode()
    return body.replace(b'"pad": ""', b'"pad": "%s"' % (b"x" * (n - len(body))))


def test_256_kib(client):
    body = of_size(KIB256)
    assert len(body) == KIB256
    accepted(publish(client, body))


def test_one_byte_more(client):
    error(publish(client, of_size(KIB256 + 1)), 413, "PAYLOAD_TOO_LARGE")


def test_white_space_counts(client):
    accepted(publish(client, of_size(KIB256 - 10) + b" " * 10))
    error(publish(client, of_size(KIB256) + b" "), 413, "PAYLOAD_TOO_LARGE")


def test_other_paths_take_64_kib_still(client):
    error(client.post(channel("x" * 70000)), 413, "PAYLOAD_TOO_LARGE")


GOOD_TEXT = json.dumps(event()).encode()
FAULTS = [
    (b"", "json"), (b" ", "json"), (b"x", "json"), (b"{", "json"), (GOOD_TEXT + b"x", "json"), (GOOD_TEXT[:-1] + b",}", "json"),
    (GOOD_TEXT.replace(b"It", b"\xff"), "json"), (GOOD_TEXT.replace(b"It", b"\xc0\x80"), "json"),
    (GOOD_TEXT.replace(b"It", b"\\u0000"), "json"), (GOOD_TEXT.replace(b"It", b"\\ud800"), "json"),
    (GOOD_TEXT.replace(b"It", b"\n"), "json"), (GOOD_TEXT.replace(b'"', b"'"), "json"),
    (GOOD_TEXT[:-1] + b',"n":01}', "json"), (GOOD_TEXT[:-1] + b',"n":NaN}', "json"), (GOOD_TEXT[:-1] + b',"n":+1}', "json"),
    (GOOD_TEXT[:-1] + b',"n":.5}', "json"), (GOOD_TEXT[:-1] + b',"n":1.}', "json"), (b"\xef\xbb\xbf" + GOOD_TEXT, "json"),
    (GOOD_TEXT[:-1] + b',"n":' + b"[" * 16 + b"]" * 16 + b"}", "json"), (b"[]", "json"), (b"null", "json"), (b"1", "json"),
    (b'"x"', "json"), (b"[" + GOOD_TEXT + b"]", "json"), (GOOD_TEXT[:-1] + b',"summary":"x"}', "duplicate"),
    (GOOD_TEXT[:-1] + b',"summ\\u0061ry":"x"}', "duplicate"), (GOOD_TEXT[:-1] + b',"n":{"a":1,"a":1}}', "duplicate")]


@pytest.mark.parametrize("body,code", FAULTS, ids=label)
def test_not_json(client, body, code):
    assert [c for _, c in issues(publish(client, body))] == [code]


def test_16_containers_are_enough(client):
    accepted(publish(client, GOOD_TEXT[:-1] + b',"n":' + b"[" * 15 + b"]" * 15 + b"}"))


def test_media_type(client):
    error(publish(client, content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")
    accepted(publish(client, content_type="application/json; charset=utf-8"))


def test_methods(client):
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        reply = client.send(method, path=EVENTS)
        error(reply, 405, "METHOD_NOT_ALLOWED")
        assert reply.header("allow") == "POST"


# Whom it reaches ------------------------------------------------------------------------------------


def add(c, threshold="high", **options):
    return created(c.post(channel(severityThreshold=threshold), **options))


def told(c, new):
    """The channels that the event goes to."""
    return sorted(d["channelId"] for d in shown(c, new)["deliveries"])


def test_thresholds():
    """Severity ≥ threshold; info reaches no channel."""
    place = stack.Place("enterprise", ALL)
    with Client(place.key) as c:
        ids = {t: add(c, t) for t in SEVERITIES[:4]}
        for n, severity in enumerate(SEVERITIES):
            new, count = accepted(publish(c, event(severity=severity)))
            want = sorted(ids[t] for t in SEVERITIES[n:4])
            assert (told(c, new), count) == (want, len(want)), severity
            for d in shown(c, new)["deliveries"]:
                assert {k: d[k] for k in ("eventId", "event", "severity", "status", "attempts", "test")} == {
                    "eventId": new, "event": "analysis.complete", "severity": severity, "status": "pending", "attempts": 0,
                    "test": False}


def test_active_ones_of_the_project_and_the_tenant():
    place = stack.Place("enterprise", ALL)
    other = stack.new_project(place.tenant)
    with Client(place.key) as c, Client(place.org_key(ALL)) as org:
        mine, off, gone = add(c), add(c), add(c)
        foreign = add(org, project=other)
        stack.add_tenant_wide_channel(place.tenant)
        wide, = [x["id"] for x in ok(c.send("GET"), 200) if x["scope"] == "tenant"]
        ok(c.send("PUT", path="%s/%s" % (stack.PATH, off), body={"isActive": False}), 200)
        ok(c.send("DELETE", path="%s/%s" % (stack.PATH, gone)), 200)
        with Client(stack.Place("enterprise", ALL).key) as stranger:
            add(stranger)
        new, n = accepted(publish(c))
        assert (told(c, new), n) == (sorted([mine, wide]), 2)
        new, n = accepted(publish(org, project=other))
        assert (told(org, new), n) == (sorted([foreign, wide]), 2)
        # one that comes later gets nothing of what was before
        ok(c.send("PUT", path="%s/%s" % (stack.PATH, off), body={"isActive": True}), 200)
        assert len(told(org, new)) == 2


def test_many_channels():
    place = stack.Place("enterprise", ALL)
    stack.sql("INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, destination)"
              " SELECT %s, gen_random_uuid(), %s, 'slack', 'n', 3, 'd' FROM generate_series(1, 1000)", place.tenant, place.project)
    with Client(place.key) as c:
        new, n = accepted(publish(c))
        assert n == 1000 == len(set(told(c, new)))
        # each of them would fail, and tell the others
        stack.sql("DELETE FROM sigsentry.queue WHERE tenant_id = %s", place.tenant)


# Keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("permissions", [("config:write",), ("config:read",), ("analysis:read",), ("config:read", "config:write", "analysis:read")],
                         ids="+".join)
def test_permission(shared, permissions):
    key = stack.new_key(project=shared.project, permissions=permissions)["key"]
    with Client(key) as c:
        assert error(publish(c), 403, "FORBIDDEN") == {"required": "analysis:create"}
        assert error(publish(c, b"{"), 403, "FORBIDDEN") == {"required": "analysis:create"}


def test_permission_is_enough(shared):
    key = stack.new_key(project=shared.project, permissions=("analysis:create",))["key"]
    with Client(key) as c:
        new, _ = accepted(publish(c))
        assert error(c.send("GET", path="%s/%s" % (EVENTS, new)), 403, "FORBIDDEN") == {"required": "config:read"}
        error(c.post(channel()), 403, "FORBIDDEN")


def test_public_key(shared):
    key = stack.new_key(project=shared.project, kind="pub", permissions=("analysis:create",))["key"]
    with Client(key) as c:
        error(publish(c), 403, "SECRET_KEY_REQUIRED")


def test_org_key(shared):
    other = stack.new_project(shared.tenant)
    stranger = stack.Place(permissions=ALL)
    with Client(shared.org_key(ALL)) as org, Client(shared.key) as c:
        error(publish(org), 400, "MISSING_PROJECT_ID")
        error(publish(org, project=stranger.project), 403, "WRONG_PROJECT")
        assert issues(publish(org, project="x")) == [("header.X-Project-Id", "format")]
        new, _ = accepted(publish(org, project=other))
        # a GET needs no project; one that is named narrows it
        assert shown(org, new)["projectId"] == other == shown(org, new, project=other)["projectId"]
        error(org.send("GET", path="%s/%s" % (EVENTS, new), project=shared.project), 404, "NOT_FOUND")
        error(c.send("GET", path="%s/%s" % (EVENTS, new)), 404, "NOT_FOUND")
        with Client(stranger.key) as s:
            error(s.send("GET", path="%s/%s" % (EVENTS, new)), 404, "NOT_FOUND")


def test_no_such_event(client):
    for other in (uuid.uuid4(), uuid.UUID(int=0), uuid.UUID(int=2 ** 128 - 1)):
        error(client.send("GET", path="%s/%s" % (EVENTS, other)), 404, "NOT_FOUND")
    for other in ("x", "1", "0192d7a3-1c5d-7d12-9b33", "%20"):
        assert issues(client.send("GET", path="%s/%s" % (EVENTS, other))) == [("path.id", "format")]


def test_suspended():
    place = stack.Place("enterprise", ALL)
    with Client(place.key) as c:
        add(c)
        stack.ctl("tenant", "suspend", place.tenant)
        error(publish(c), 403, "TENANT_SUSPENDED")
        stack.ctl("tenant", "resume", place.tenant)
        assert accepted(publish(c))[1] == 1


# Idempotency-Key ------------------------------------------------------------------------------------


def once(key=None):
    return [("Idempotency-Key", key or stack.secret("once"))]


def count(place, table="event"):
    return stack.sql("SELECT count(*) AS n FROM sigsentry.%s WHERE tenant_id = %%s" % table, place.tenant)[0]["n"]


def test_replay():
    place = stack.Place("enterprise", ALL)
    key = once()
    with Client(place.key) as c:
        add(c)
        first = publish(c, headers=key)
        assert first.header("idempotency-replayed") is None and accepted(first)[1] == 1
        add(c)  # what the first was told stays
        for _ in range(3):
            again = publish(c, headers=key)
            assert accepted(again) and again.body == first.body and again.header("idempotency-replayed") == "true"
        error(publish(c, event(summary="Another."), headers=key), 409, "IDEMPOTENCY_KEY_CONFLICT")
        error(publish(c, json.dumps(event()).encode() + b" ", headers=key), 409, "IDEMPOTENCY_KEY_CONFLICT")
        error(c.post(channel(), headers=key), 409, "IDEMPOTENCY_KEY_CONFLICT")
        assert (count(place), count(place, "queue")) == (1, 1)
        # a refused one is not remembered
        key = once()
        issues(publish(c, event(severity="x"), headers=key))
        accepted(publish(c, headers=key))
    with Client(stack.new_key(project=place.project, permissions=ALL)["key"]) as c:
        assert publish(c, headers=key).header("idempotency-replayed") is None


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "\u00e9"], ids=label)
def test_bad_key(client, key):
    found = issues(publish(client, headers=[("Idempotency-Key", key.encode().decode("latin-1"))]))
    assert [w for w, _ in found] == ["header.Idempotency-Key"]


def test_16_at_once():
    """One event, one delivery; all get the same answer."""
    place = stack.Place("enterprise", ALL)
    with Client(place.key) as c:
        add(c)
    for _ in range(3):
        before, key, gate, replies = count(place), once(), threading.Barrier(16), []

        def work():
            with Client(place.key) as c:
                c.send("GET", path="/v1/nothing")
                gate.wait(20)
                replies.append(publish(c, headers=key))

        threads = [threading.Thread(target=work) for _ in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        good = [r for r in replies if r.status == 202]
        for r in replies:
            if r.status != 202:  # it waited longer than 2 s
                error(r, 503, "SERVICE_UNAVAILABLE")
        assert len({r.body for r in good}) == 1 and good
        assert sum(r.header("idempotency-replayed") is None for r in good) <= 1
        assert count(place) == before + 1
    assert count(place, "queue") == 3


def test_workers_that_die():
    """What was answered is there, once; what was not answered is there at most once, and its repeat is answered."""
    place = stack.Place("enterprise", ALL)
    answered, done, faults = [], threading.Event(), []
    with Client(place.key) as c:
        add(c)

    def work(n):
        with Client(place.key) as c:
            i = 0
            while not done.is_set():
                i += 1
                name, key = "work%d.n%d" % (n, i), once()
                for _ in range(50):
                    try:
                        reply = publish(c, event(event=name), headers=key)
                    except OSError:
                        c.close()
                        continue
                    if reply.status == 202:
                        answered.append((name, accepted(reply)))
                        break
                    if reply.status not in (502, 503, 504):
                        faults.append(reply)
                    time.sleep(0.05)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for _ in range(6):
        time.sleep(0.3)
        for pid in stack.workers()[:2]:
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    done.set()
    for t in threads:
        t.join()
    stack.settled_workers()
    assert not faults and len(answered) > 20
    rows = stack.sql("SELECT name, id::text, deliveries FROM sigsentry.event WHERE tenant_id = %s", place.tenant)
    assert sorted((r["name"], (r["id"], r["deliveries"])) for r in rows) == sorted(answered)
    assert count(place, "queue") == len(answered)


def test_database_that_dies():
    """A crash of the database loses nothing that was acknowledged, and splits no event from its deliveries."""
    place = stack.Place("enterprise", ALL)
    answered, done = [], threading.Event()
    with Client(place.key) as c:
        add(c)

    def work():
        with Client(place.key) as c:
            while not done.is_set():
                reply = publish(c)
                if reply.status == 202:
                    answered.append(accepted(reply)[0])
                else:
                    error(reply, 503, "SERVICE_UNAVAILABLE")
                    time.sleep(0.05)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    time.sleep(0.5)
    stack.dev_pg("kill")
    stack.dev_pg("start")
    before = len(answered)
    assert stack.wait_for(lambda: len(answered) > before + 20, 20)
    done.set()
    for t in threads:
        t.join()
    rows = stack.sql("SELECT e.id::text, (SELECT count(*) FROM sigsentry.queue q WHERE q.event_id = e.id) AS n"
                     " FROM sigsentry.event e WHERE e.tenant_id = %s", place.tenant)
    assert set(answered) <= {r["id"] for r in rows} and {r["n"] for r in rows} == {1}


# Nothing of it is logged ----------------------------------------------------------------------------


def test_logs(client, logs):
    """Events may hold anything: neither their texts nor their names of fields are logged; codes are."""
    mark = stack.NAMED + "-log"
    accepted(publish(client, event(summary=mark, **{mark: mark})))
    issues(publish(client, event(severity=mark, url=mark, rootCause={"description": {mark: mark}}, affectedServices=[{mark: 1}])))
    assert logs.wait("ev=http.end.*issues=.*severity:enum")
    assert mark not in logs.text()
