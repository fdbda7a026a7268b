"""Goal: PUT and PATCH change a channel as contract §3 "Update" says: what is asked for, as a whole, and nothing else.

Each rule of create holds for a change; what a GET showed may be sent back; secrets are replaced, kept, removed and
overlap as told, and are never pointed at another place; every change leaves its audit row.
"""

import json
import re
import threading
import time
import uuid

import pytest
from cryptography.exceptions import InvalidTag

import sealed
import stack
from stack import BOTH, Client, at, channel, created, error, issues, of_kind, ok, secret, shown
from test_create import (AUTH_HEADERS, BAD_NAMES, BAD_RECIPIENTS, BAD_URLS, BAD_WORDS, FOREIGN_HOSTS, GOOD_NAMES,
                         GOOD_RECIPIENTS, HMAC_SECRETS, SECRET_FIELDS)
from test_database import cut_backends

KINDS = list(stack.CREDENTIALS)

both_methods = pytest.mark.parametrize("method", ["PUT", "PATCH"])


@pytest.fixture(scope="module")
def shared():
    return stack.Place("enterprise", BOTH)


@pytest.fixture(scope="module")
def kept(shared):
    """A channel of each type for requests that change nothing, and one for those that may change anything."""
    with Client(shared.key) as c:
        made = {kind: created(c.post(of_kind(kind, "kept"))) for kind in KINDS}
        made["any"] = created(c.post(of_kind("webhook", "any")))
    return made


def change(client, channel_id, body, method="PUT", **options):
    return client.send(method, at(channel_id), body, **options)


def updated(reply):
    assert ok(reply, 200) == {"updated": True}, reply


def state(channel_id):
    """All that the database knows of a channel: its row, its credentials, how many audit rows."""
    return stack.sql(
        "SELECT c::text AS channel, (SELECT string_agg(f::text, ' ' ORDER BY field) FROM sigsentry.credential f"
        " WHERE f.tenant_id = c.tenant_id AND channel_id = c.id) AS boxes,"
        " (SELECT count(*) FROM sigsentry.audit a WHERE a.tenant_id = c.tenant_id AND object_id = c.id::text) AS audits"
        " FROM sigsentry.channel c WHERE id = %s", channel_id)[0]


def last_audit(channel_id, n):
    """The newest audit row; there are ${n} in all."""
    rows = sorted(stack.audit_rows(channel_id), key=lambda r: r["id"])
    assert len(rows) == n, rows
    return rows[-1]


def new_channel(client, kind="webhook", **changes):
    return created(client.post(of_kind(kind, **changes)))


def opened(channel_id, kind="webhook"):
    """What the credentials of a channel are: {field: value}."""
    return {f: sealed.opened(b, channel_id, kind, f).decode() for f, b in stack.sealed(channel_id).items()}


def credential(channel_id, field):
    row, = stack.sql("SELECT sealed, previous_sealed, extract(epoch FROM previous_until - now())::float AS left_s"
                     " FROM sigsentry.credential WHERE channel_id = %s AND field = %s", channel_id, field)
    return {k: bytes(v) if isinstance(v, memoryview) else v for k, v in row.items()}


# What can be changed --------------------------------------------------------------------------------

FIELDS = [("name", "another"), ("severityThreshold", "low"), ("isActive", False)]


@both_methods
@pytest.mark.parametrize("field,value", FIELDS)
def test_one_field(shared, client, method, field, value):
    """That field changes, updatedAt too, and nothing else; one audit row says so."""
    new = new_channel(client)
    before, boxes = shown(client, new), stack.sealed(new)
    time.sleep(0.002)
    reply = change(client, new, {field: value}, method)
    assert reply.json() == {"success": True, "data": {"updated": True}}
    updated(reply)
    after = shown(client, new)
    assert after == dict(before, **{field: value, "updatedAt": after["updatedAt"]})
    assert after["updatedAt"] > before["updatedAt"] and stack.sealed(new) == boxes
    row = last_audit(new, 2)
    assert (row["tenant"], row["actor_kind"], row["actor"]) == (shared.tenant, "key", shared.key_id)
    assert (row["action"], row["object_kind"]) == ("channel.update", "channel")
    assert (row["before"], row["after"]) == ({field: before[field]}, {field: value})


@both_methods
@pytest.mark.parametrize("kind", KINDS)
def test_credentials_alone(client, kind, method):
    """Every field is sealed anew; the hint follows; the audit row names the fields and shows no value."""
    new = new_channel(client, kind)
    before, boxes = shown(client, new), stack.sealed(new)
    sent = stack.credentials_of(kind)
    updated(change(client, new, {"credentials": sent}, method))
    after, fresh = shown(client, new), stack.sealed(new)
    assert after == dict(before, updatedAt=after["updatedAt"]) and after["updatedAt"] > before["updatedAt"]
    assert set(fresh) == set(boxes) == set(sent)
    for field in sent:
        assert fresh[field] != boxes[field] and fresh[field][-24:] != boxes[field][-24:]
    row = last_audit(new, 2)
    assert (row["before"], row["after"]) == ({}, {"credentials": sorted(sent)})


@both_methods
def test_all_fields(client, method):
    new = new_channel(client)
    before = shown(client, new)
    body = {"severityThreshold": "critical", "isActive": False, "hmacOverlapSeconds": 60, "name": "all é",
            "credentials": {"url": "https://other.example.org/" + secret(), "hmacSecret": secret(), "authHeader": secret()}}
    updated(change(client, new, body, method))
    after = shown(client, new)
    assert after == dict(before, name="all é", severityThreshold="critical", isActive=False,
                         destination="other.example.org", updatedAt=after["updatedAt"])
    row = last_audit(new, 2)
    assert row["before"]["name"] == "n" and row["after"]["name"] == "all é"
    changed = {"name", "severityThreshold", "isActive", "destination"}
    assert changed <= set(row["before"]) and changed <= set(row["after"]) and stack.CANARY not in str(row)


@both_methods
@pytest.mark.parametrize("body", [{"name": "n"}, {"severityThreshold": "high"}, {"isActive": True},
                                  {"name": "n", "severityThreshold": "high", "isActive": True}], ids=repr)
def test_same_value(client, method, body):
    """What is so already is no change: no audit row, the same updatedAt."""
    new = new_channel(client)
    before = state(new)
    updated(change(client, new, body, method))
    assert state(new) == before


def test_many_changes_many_rows(client):
    """The audit rows tell the way from the first name to the last."""
    new = new_channel(client, name="n0")
    for i in range(1, 6):
        updated(change(client, new, {"name": "n%d" % i}, "PUT" if i % 2 else "PATCH"))
    rows = sorted(stack.audit_rows(new), key=lambda r: r["id"])
    assert [r["action"] for r in rows] == ["channel.create"] + ["channel.update"] * 5
    assert [(r["before"], r["after"]) for r in rows[1:]] == [
        ({"name": "n%d" % i}, {"name": "n%d" % (i + 1)}) for i in range(5)]


def test_after_create(client):
    """isActive is a field of a change; a channel that is off can be changed and stays off."""
    new = new_channel(client, "slack")
    updated(change(client, new, {"isActive": False}))
    updated(change(client, new, {"name": "off"}, "PATCH"))
    assert (shown(client, new)["isActive"], shown(client, new)["name"]) == (False, "off")
    updated(change(client, new, {"isActive": True}, "PATCH"))
    assert shown(client, new)["isActive"] is True


# What a GET showed ----------------------------------------------------------------------------------

REASON = {"code": "gone", "message": "410 \u2014 \"gone\"", "at": "2026-01-02T03:04:05.678Z"}


def switch_off(channel_id):
    """As the service does it by itself."""
    stack.sql("UPDATE sigsentry.channel SET is_active = false, disabled_reason = %s WHERE id = %s",
              json.dumps(REASON), channel_id)


@both_methods
@pytest.mark.parametrize("kind", KINDS + ["off", "disabled", "strange name"])
def test_sent_back(client, method, kind):
    """As it is: 200, and nothing changes.  With one change: that one."""
    name = "a\"b\\c\u2028\U0001F514" if kind == "strange name" else "n"
    new = new_channel(client, kind if kind in KINDS else "slack", name=name)
    if kind == "off":
        updated(change(client, new, {"isActive": False}))
    elif kind == "disabled":
        switch_off(new)
    got = shown(client, new)
    assert ("disabledReason" in got) == (kind == "disabled")
    before = state(new)
    updated(change(client, new, got, method))
    updated(change(client, new, dict(reversed(got.items())), method))
    assert state(new) == before
    updated(change(client, new, dict(got, name="renamed"), method))
    after = shown(client, new)
    assert after == dict(got, name="renamed", updatedAt=after["updatedAt"])
    assert issues(change(client, new, got, method)) == [("updatedAt", "readonly")], "it is not as it was any more"


@both_methods
def test_sent_back_with_credentials(client, method):
    new = new_channel(client, "slack")
    got = shown(client, new)
    boxes = stack.sealed(new)
    updated(change(client, new, dict(got, credentials=stack.credentials_of("slack")), method))
    assert stack.sealed(new) != boxes


READONLY = [
    ("id", [str(uuid.uuid4()), "", "x", 1, None, True, [], {}]),
    ("type", ["slack", "Webhook", "", 1, None, ["webhook"]]),
    ("scope", ["tenant", "", 1, None]),
    ("destination", ["example.org", "EXAMPLE.com", "", 1, None]),
    ("createdAt", ["2026-01-01T00:00:00.000Z", "", 1, None]),
    ("updatedAt", ["2026-01-01T00:00:00.000Z", "", 1, None]),
    ("disabledReason", [REASON, {}, "x", False]),
]


@both_methods
@pytest.mark.parametrize("field,value", [(f, v) for f, values in READONLY for v in values], ids=repr)
def test_readonly(client, kept, method, field, value):
    """Another value is refused, alone and beside good changes, and nothing is changed."""
    new = kept["webhook"]
    before = state(new)
    assert issues(change(client, new, {field: value}, method)) == [(field, "readonly")]
    assert issues(change(client, new, {"name": "x", field: value, "isActive": False}, method)) == [(field, "readonly")]
    assert state(new) == before


@both_methods
def test_readonly_reason(client, method):
    """The reason that stands there may be sent back in any order, and no other."""
    new = new_channel(client, "slack")
    switch_off(new)
    before = state(new)
    updated(change(client, new, {"isActive": False, "disabledReason": dict(reversed(REASON.items()))}, method))
    for value in (dict(REASON, code="x"), {}, dict(REASON, more=1), None, str(REASON)):
        assert issues(change(client, new, {"isActive": False, "disabledReason": value}, method)) == [
            ("disabledReason", "readonly")]
    assert state(new) == before


@both_methods
def test_every_readonly_at_once(client, kept, method):
    sent = {f: "other" for f, _ in READONLY}
    assert issues(change(client, kept["slack"], sent, method)) == [(f, "readonly") for f in sent]


# Bodies that are refused ----------------------------------------------------------------------------


@both_methods
def test_empty_object(client, kept, method):
    before = state(kept["slack"])
    (path, code), = issues(change(client, kept["slack"], {}, method))
    assert path == "" and code in ("required", "json", "length")
    assert state(kept["slack"]) == before


@both_methods
@pytest.mark.parametrize("text", [b"[]", b'"x"', b"1", b"null", b"true", b'[{"name":"x"}]', b"", b" ", b"{", b"{}}",
                                  b'{"name":"x",}', b"{'name':'x'}", b'{"name":"\xff"}', b'{"name":"\\u0000"}',
                                  b'{"name":"\\ud800"}', b"\xef\xbb\xbf{}", b'{"name":NaN}'])
def test_no_object(client, kept, method, text):
    before = state(kept["slack"])
    (_, code), = issues(change(client, kept["slack"], text, method))
    assert code == "json" and state(kept["slack"]) == before


@both_methods
@pytest.mark.parametrize("text,path", [(b'{"name":"a","name":"b"}', "name"), (b'{"name":"a","n\\u0061me":"a"}', "name"),
                                       (b'{"credentials":{"url":"a","url":"b"}}', "credentials.url"),
                                       (b'{"id":"a","id":"a"}', "id")])
def test_repeated_name(client, kept, method, text, path):
    assert issues(change(client, kept["webhook"], text, method)) == [(path, "duplicate")]


@both_methods
def test_announced_length(client, kept, method):
    """64 KiB pass, one byte more does not."""
    body = json.dumps({"name": "kept"}).encode()
    updated(change(client, kept["slack"], body + b" " * (65536 - len(body)), method))
    error(change(client, kept["slack"], body + b" " * (65537 - len(body)), method), 413, "PAYLOAD_TOO_LARGE")


UNKNOWN = [("nmae", "name"), ("Name", "name"), ("credential", "credentials"), ("severity_threshold", "severityThreshold"),
           ("isactive", "isActive"), ("is_active", "isActive"), ("hmacOverlapSecond", "hmacOverlapSeconds")]


@both_methods
@pytest.mark.parametrize("sent,known", UNKNOWN)
def test_nearest_name(client, kept, method, sent, known):
    reply = change(client, kept["webhook"], {"name": "x", sent: "x"}, method)
    assert issues(reply) == [(sent, "unknown")]
    assert known in reply.json()["error"]["details"]["issues"][0]["message"]


@both_methods
@pytest.mark.parametrize("field", ["tenantId", "projectId", "sealed", "", "x" * 3000, "__proto__", "a.b", "\u202e", "etag"],
                         ids=lambda f: ascii(f[:20]))
def test_unknown_field(client, kept, method, field):
    before = state(kept["slack"])
    (_, code), = issues(change(client, kept["slack"], {field: True}, method))
    assert code == "unknown"
    (_, code), = issues(change(client, kept["slack"], {"name": "x", field: True}, method))
    assert code == "unknown" and state(kept["slack"]) == before


WRONG_TYPES = [(f, v) for f, values in [
    ("name", [None, 1, True, [], {}]), ("severityThreshold", [None, 1, True, [], {}]),
    ("isActive", [None, 0, 1, "true", "false", "", [], {}]),
    ("credentials", [None, 1, "x", True, [], "https://example.com/"])] for v in values]


@both_methods
@pytest.mark.parametrize("field,value", WRONG_TYPES, ids=repr)
def test_wrong_type(client, kept, method, field, value):
    before = state(kept["slack"])
    assert issues(change(client, kept["slack"], {field: value}, method)) == [(field, "type")]
    assert state(kept["slack"]) == before


@both_methods
@pytest.mark.parametrize("name", [n for _, n in GOOD_NAMES], ids=[i for i, _ in GOOD_NAMES])
def test_good_name(client, kept, method, name):
    updated(change(client, kept["any"], {"name": name}, method))
    assert shown(client, kept["any"])["name"] == name


@both_methods
@pytest.mark.parametrize("name,code", [r[1:] for r in BAD_NAMES], ids=[r[0] for r in BAD_NAMES])
def test_bad_name(client, kept, method, name, code):
    assert issues(change(client, kept["slack"], {"name": name}, method)) == [("name", code)]


@both_methods
def test_thresholds(client, kept, method):
    for word in ("critical", "high", "medium", "low"):
        updated(change(client, kept["any"], {"severityThreshold": word}, method))
        assert stack.channel_row(kept["any"])["threshold"] == word
    for value, code in BAD_WORDS:
        assert issues(change(client, kept["any"], {"severityThreshold": value}, method)) == [("severityThreshold", code)]


@both_methods
def test_all_at_once(client, kept, method):
    """Every problem, in body order."""
    reply = change(client, kept["webhook"], b"""{
        "severityThreshold": "urgent", "colour": "red", "type": "slack", "isActive": "yes",
        "credentials": {"hmacSecret": "", "foo": 1, "authHeader": " x", "url": "http://example.com/"},
        "hmacOverlapSeconds": "x", "id": "x", "name": ""}""", method)
    assert issues(reply) == [
        ("severityThreshold", "enum"), ("colour", "unknown"), ("type", "readonly"), ("isActive", "type"),
        ("credentials.hmacSecret", "length"), ("credentials.foo", "unknown"), ("credentials.authHeader", "format"),
        ("credentials.url", "format"), ("hmacOverlapSeconds", "type"), ("id", "readonly"), ("name", "length")]


def test_messages_quote_no_value(client, kept):
    mark = secret("wrong")
    for method in ("PUT", "PATCH"):
        for body in ({"name": mark + "\n"}, {"severityThreshold": mark}, {"isActive": mark}, {"credentials": mark},
                     {"id": mark}, {"type": mark}, {"destination": mark}, {"disabledReason": {"code": mark}},
                     {"hmacOverlapSeconds": mark}, {"credentials": {"url": "http://x/" + mark}},
                     {"credentials": {"url": "https://%s/" % mark.replace("-", "")}},
                     {"credentials": {"url": [mark]}}, {"credentials": {"authHeader": mark + "\n"}},
                     {"credentials": {"hmacSecret": mark * 20}}, {"credentials": {"recipients": mark}},
                     {"more": mark}):
            reply = change(client, kept["webhook"], body, method)
            assert issues(reply) and stack.CANARY.encode() not in reply.body, body


# Credentials by the channel's own type --------------------------------------------------------------


def with_first(kind, value, **more):
    return {"credentials": {SECRET_FIELDS[kind]: value, **more}}


@both_methods
@pytest.mark.parametrize("kind", ["slack", "webhook"])
@pytest.mark.parametrize("url,codes", BAD_URLS, ids=[repr(r[0]) for r in BAD_URLS])
def test_bad_url(client, kept, method, kind, url, codes):
    host, path = {"slack": ("hooks.slack.com", "services/T/B/x"), "webhook": ("example.com", "hook")}[kind]
    more = {"authHeader": "x", "hmacSecret": "x"} if kind == "webhook" else {}
    (where, code), = issues(change(client, kept[kind], with_first(kind, url.format(host=host, path=path), **more), method))
    assert where == "credentials." + SECRET_FIELDS[kind] and code in codes


@both_methods
def test_foreign_hosts(client, kept, method):
    """The platform's own hosts only, as at create; each of them changes nothing."""
    before = {kind: state(kept[kind]) for kind in KINDS}
    for kind, url in FOREIGN_HOSTS:
        assert change(client, kept[kind], with_first(kind, url), method).status == 400, (kind, url)
    assert before == {kind: state(kept[kind]) for kind in KINDS}


WEBHOOK_FIELDS = [("authHeader",) + r for r in AUTH_HEADERS] + [("hmacSecret",) + r for r in HMAC_SECRETS]


@pytest.mark.parametrize("field,value,code", [(r[0],) + r[2:] for r in WEBHOOK_FIELDS],
                         ids=["%s %s" % r[:2] for r in WEBHOOK_FIELDS])
def test_webhook_field(client, kept, field, value, code):
    """By PATCH alone, by PUT beside the url; with its length as it was given."""
    for method, body in (("PATCH", {field: value}), ("PUT", {"url": "https://example.com/h", field: value})):
        reply = change(client, kept["any"], {"credentials": body}, method)
        if code is None:
            updated(reply)
            assert opened(kept["any"])[field] == value
        else:
            assert issues(reply) == [("credentials." + field, code)]


@both_methods
@pytest.mark.parametrize("value,hint", [r[1:] for r in GOOD_RECIPIENTS], ids=[r[0] for r in GOOD_RECIPIENTS])
def test_good_recipients(client, method, kept, value, hint):
    updated(change(client, kept["email"], with_first("email", value), method))
    assert shown(client, kept["email"])["destination"] == hint


@both_methods
@pytest.mark.parametrize("value,codes", [r[1:] for r in BAD_RECIPIENTS], ids=[r[0] for r in BAD_RECIPIENTS])
def test_bad_recipients(client, method, kept, value, codes):
    before = state(kept["email"])
    found = issues(change(client, kept["email"], with_first("email", value), method))
    assert found and all(re.match(r"credentials\.recipients(\W|$)", p) for p, _ in found), found
    assert {c for _, c in found} & codes and state(kept["email"]) == before


@both_methods
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("foreign", KINDS)
def test_credentials_of_another_type(client, kept, method, kind, foreign):
    """The shape follows the channel's own type, whatever else the body looks like."""
    if SECRET_FIELDS[foreign] == SECRET_FIELDS[kind]:
        return
    before = state(kept[kind])
    sent = stack.credentials_of(foreign)
    found = issues(change(client, kept[kind], {"credentials": sent}, method))
    unknown = {("credentials." + f, "unknown") for f in sent}
    missing = {("credentials." + SECRET_FIELDS[kind], "required")} if method == "PUT" else set()
    assert set(found) == unknown | missing
    found = issues(change(client, kept[kind], {"type": foreign, "credentials": sent}, method))
    assert set(found) == unknown | missing | {("type", "readonly")}
    assert state(kept[kind]) == before


@both_methods
@pytest.mark.parametrize("kind,url,hint", [
    ("webhook", "https://a.example.org/x", "a.example.org"), ("webhook", "https://EXAMPLE.net", "example.net"),
    ("slack", "https://hooks.slack-gov.com/services/T/B/x", "hooks.slack-gov.com"),
    ("discord", "https://ptb.discord.com/api/webhooks/1/x", "ptb.discord.com"),
    ("teams", "https://outlook.office365.com/webhook/x", "outlook.office365.com"),
    ("email", ["a@example.com"], "1 recipient")])
def test_destination_follows(client, method, kind, url, hint):
    body = of_kind(kind)
    new = created(client.post(body))
    more = {f: v for f, v in body["credentials"].items() if f != SECRET_FIELDS[kind]}
    updated(change(client, new, with_first(kind, url, **more), method))
    assert shown(client, new)["destination"] == hint
    row = last_audit(new, 2)
    assert (row["before"]["destination"], row["after"]["destination"]) == (stack.DESTINATIONS[kind], hint)


# The whole set, and a part --------------------------------------------------------------------------

URL = "https://example.com/"


def webhook(client, *fields):
    """A webhook channel that has these fields beside its url, and its sealed values."""
    values = {"authHeader": "Bearer " + secret(), "hmacSecret": secret()}
    new = created(client.post(channel("w", type="webhook", credentials={
        "url": URL + secret(), **{f: values[f] for f in fields}})))
    return new, stack.sealed(new)


def told(channel_id):
    """What the audit row of the one change says of the credentials: those written, those removed; never a value."""
    row = last_audit(channel_id, 2)
    assert stack.CANARY not in str(row)
    return set(row["after"].get("credentials", ())), set(row["after"].get("credentialsRemoved", ()))


AUTH, HMAC = "authHeader", "hmacSecret"
STOCKS = [(), (AUTH,), (HMAC,), (AUTH, HMAC)]


@pytest.mark.parametrize("stock", STOCKS, ids=repr)
@pytest.mark.parametrize("given", STOCKS, ids=repr)
def test_put_is_the_whole_set(client, stock, given):
    """What is not given is removed; what is given is new."""
    new, boxes = webhook(client, *stock)
    sent = {"url": URL + secret(), **{f: secret() for f in given}}
    updated(change(client, new, {"credentials": sent}))
    assert opened(new) == sent
    assert not set(stack.sealed(new).values()) & set(boxes.values())
    assert told(new) == (set(sent), set(stock) - set(given))


@pytest.mark.parametrize("given", [(), (AUTH,), (HMAC,), (AUTH, HMAC)], ids=repr)
def test_put_needs_the_place(client, kept, given):
    """A set without its url is none."""
    before = state(kept["webhook"])
    reply = change(client, kept["webhook"], {"credentials": {f: secret() for f in given}})
    assert issues(reply) == [("credentials.url", "required")]
    assert state(kept["webhook"]) == before


@pytest.mark.parametrize("kind", KINDS)
def test_put_null_is_no_value(client, kept, kind):
    """PUT removes by leaving out."""
    for field in stack.CREDENTIALS[kind]:
        before = state(kept[kind])
        (path, code), = issues(change(client, kept[kind], {"credentials": {**stack.credentials_of(kind), field: None}}))
        assert path == "credentials." + field and code in ("type", "required") and state(kept[kind]) == before


PARTS = [
    # stored, sent, then there; those sent are new, the others are as they were
    ((AUTH, HMAC), {HMAC: 1}, {AUTH, HMAC}),
    ((AUTH, HMAC), {AUTH: 1}, {AUTH, HMAC}),
    ((AUTH, HMAC), {AUTH: 1, HMAC: 1}, {AUTH, HMAC}),
    ((AUTH, HMAC), {HMAC: None}, {AUTH}),
    ((AUTH, HMAC), {AUTH: None}, {HMAC}),
    ((AUTH, HMAC), {AUTH: None, HMAC: None}, set()),
    ((AUTH, HMAC), {AUTH: 1, HMAC: None}, {AUTH}),
    ((AUTH,), {HMAC: 1}, {AUTH, HMAC}),
    ((), {HMAC: 1}, {HMAC}),
    ((), {AUTH: 1, HMAC: 1}, {AUTH, HMAC}),
    ((), {"url": 1}, set()),
    ((), {"url": 1, HMAC: 1}, {HMAC}),
    ((), {"url": 1, HMAC: None}, set()),
    ((AUTH, HMAC), {"url": 1, AUTH: 1, HMAC: 1}, {AUTH, HMAC}),
    ((AUTH, HMAC), {"url": 1, AUTH: None, HMAC: None}, set()),
    ((AUTH, HMAC), {"url": 1, AUTH: None, HMAC: 1}, {HMAC}),
    ((HMAC,), {"url": 1, HMAC: 1}, {HMAC}),
    ((HMAC,), {"url": 1, AUTH: 1, HMAC: None}, {AUTH}),
]


@pytest.mark.parametrize("stock,sent,then", PARTS, ids=repr)
def test_patch_is_a_part(client, stock, sent, then):
    new, boxes = webhook(client, *stock)
    before = opened(new)
    values = {f: v and ("https://p.example.net/" if f == "url" else "") + secret() for f, v in sent.items()}
    updated(change(client, new, {"credentials": values}, "PATCH"))
    after = stack.sealed(new)
    assert set(after) == {"url"} | then
    assert opened(new) == {f: values.get(f, before.get(f)) for f in after}
    assert {f for f in after if after[f] == boxes.get(f)} == set(after) - set(sent), "sealed anew, or not at all"
    assert told(new) == ({f for f in sent if sent[f]}, {f for f in sent if not sent[f] and f in before})
    assert shown(client, new)["destination"] == ("p.example.net" if "url" in sent else "example.com")


@pytest.mark.parametrize("stock,sent", [((), {HMAC: None}), ((AUTH,), {HMAC: None}), ((), {AUTH: None, HMAC: None})],
                         ids=repr)
def test_patch_of_nothing(client, stock, sent):
    """The removal of what is not there is no change."""
    new, _ = webhook(client, *stock)
    before = state(new)
    updated(change(client, new, {"credentials": sent}, "PATCH"))
    assert state(new) == before


KEPT_SECRETS = [
    # stored, sent beside a new url, what is missing
    ((AUTH, HMAC), {}, [AUTH, HMAC]),
    ((AUTH, HMAC), {HMAC: 1}, [AUTH]),
    ((AUTH, HMAC), {AUTH: 1}, [HMAC]),
    ((AUTH, HMAC), {AUTH: None}, [HMAC]),
    ((HMAC,), {}, [HMAC]),
    ((HMAC,), {AUTH: 1}, [HMAC]),
    ((AUTH,), {HMAC: 1}, [AUTH]),
    ((AUTH,), {}, [AUTH]),
]


@pytest.mark.parametrize("stock,sent,missing", KEPT_SECRETS, ids=repr)
def test_no_kept_secret_goes_elsewhere(client, stock, sent, missing):
    """A new url needs each stored field again, even where it is the same url."""
    new, _ = webhook(client, *stock)
    before = state(new)
    for url in ("https://evil.example.org/" + secret(), URL):
        values = {"url": url, **{f: v and secret() for f, v in sent.items()}}
        found = issues(change(client, new, {"credentials": values}, "PATCH"))
        assert sorted(found) == sorted(("credentials." + f, "required") for f in missing)
    assert state(new) == before


@pytest.mark.parametrize("kind", KINDS)
def test_patch_of_the_place_alone(client, kept, kind):
    """Where there is no other secret it is the full set."""
    if kind == "webhook":
        return
    boxes = stack.sealed(kept[kind])
    updated(change(client, kept[kind], {"credentials": stack.credentials_of(kind)}, "PATCH"))
    assert stack.sealed(kept[kind]) != boxes


@pytest.mark.parametrize("kind", KINDS)
def test_patch_cannot_remove_the_place(client, kept, kind):
    field = SECRET_FIELDS[kind]
    before = state(kept[kind])
    found = issues(change(client, kept[kind], {"credentials": {**stack.credentials_of(kind), field: None}}, "PATCH"))
    assert [p for p, _ in found] == ["credentials." + field] and state(kept[kind]) == before
    assert ("credentials." + field) in [p for p, _ in issues(change(
        client, kept[kind], {"credentials": {field: None}}, "PATCH"))]


@both_methods
def test_no_field_at_all(client, kept, method):
    for kind in KINDS:
        (path, code), = issues(change(client, kept[kind], {"credentials": {}}, method))
        assert path.startswith("credentials") and code == "required"


# The overlap of a replaced secret -------------------------------------------------------------------


def rotate(client, channel_id, method="PATCH", overlap=None):
    value = {HMAC: secret()}
    if method == "PUT":
        value["url"] = URL + secret()
    body = {"credentials": value}
    if overlap is not None:
        body["hmacOverlapSeconds"] = overlap
    updated(change(client, channel_id, body, method))


@both_methods
@pytest.mark.parametrize("overlap,seconds", [(None, 86400), (0, None), (1, 1), (86400, 86400), (604800, 604800)])
def test_overlap(client, method, overlap, seconds):
    """The old secret stands beside the new one, for so long."""
    new, boxes = webhook(client, HMAC)
    rotate(client, new, method, overlap)
    found = credential(new, HMAC)
    assert found["sealed"] != boxes[HMAC]
    if seconds is None:
        assert (found["previous_sealed"], found["left_s"]) == (None, None)
    else:
        assert found["previous_sealed"] == boxes[HMAC] and seconds - 10 < found["left_s"] <= seconds
    url = credential(new, "url")
    assert (url["previous_sealed"], url["left_s"]) == (None, None), "only the hmacSecret overlaps"


BAD_OVERLAPS = [(-1, {"length", "format"}), (604801, {"length", "format"}), (1.5, {"length", "format", "type"}),
                (1e300, {"length", "format"}), (2**64, {"length", "format"}), ("1", {"type"}), ("", {"type"}),
                (None, {"type"}), (True, {"type"}), ([], {"type"}), ({}, {"type"})]


@both_methods
@pytest.mark.parametrize("value,codes", BAD_OVERLAPS, ids=repr)
def test_bad_overlap(client, kept, method, value, codes):
    before = state(kept["webhook"])
    body = {"hmacOverlapSeconds": value, "credentials": stack.credentials_of("webhook")}
    (path, code), = issues(change(client, kept["webhook"], body, method))
    assert path == "hmacOverlapSeconds" and code in codes and state(kept["webhook"]) == before


@both_methods
@pytest.mark.parametrize("body", [
    {}, {"name": "x"}, {"credentials": {"url": URL}}, {"credentials": {"url": URL, AUTH: "x"}}], ids=repr)
def test_overlap_without_a_secret(client, method, body):
    """It goes with a new secret: there is none, so it would do nothing."""
    new, _ = webhook(client)
    before = state(new)
    found = issues(change(client, new, dict(body, hmacOverlapSeconds=0), method))
    assert len(found) == 1 and found[0][1] in ("required", "unknown") and state(new) == before


def test_overlap_with_a_removal(client):
    new, _ = webhook(client, HMAC)
    before = state(new)
    body = {"hmacOverlapSeconds": 60, "credentials": {HMAC: None}}
    assert len(issues(change(client, new, body, "PATCH"))) == 1 and state(new) == before


@both_methods
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "webhook"])
def test_overlap_of_other_types(client, kept, method, kind):
    """Those sign nothing."""
    for body in ({}, {"name": "x"}, {"credentials": stack.credentials_of(kind)}):
        (path, code), = issues(change(client, kept[kind], dict(body, hmacOverlapSeconds=0), method))
        assert (path, code) == ("hmacOverlapSeconds", "unknown")


def test_overlap_goes_beside_credentials(client, kept):
    body = {"credentials": dict(stack.credentials_of("webhook"), hmacOverlapSeconds=0)}
    assert issues(change(client, kept["webhook"], body)) == [("credentials.hmacOverlapSeconds", "unknown")]


@both_methods
def test_first_secret_overlaps_with_nothing(client, method):
    new, _ = webhook(client)
    rotate(client, new, method, 60)
    assert credential(new, HMAC)["previous_sealed"] is None


def test_rotated_twice(client):
    """The one before the last goes; 0 ends an overlap that was running."""
    new, _ = webhook(client, AUTH, HMAC)
    rotate(client, new)
    second = credential(new, HMAC)["sealed"]
    rotate(client, new, overlap=600)
    assert credential(new, HMAC)["previous_sealed"] == second
    rotate(client, new, overlap=0)
    assert credential(new, HMAC)["previous_sealed"] is None


def test_overlap_outlives_other_changes(client):
    """It is left alone by a change of something else, and gone with the secret."""
    new, boxes = webhook(client, AUTH, HMAC)
    rotate(client, new)
    until = stack.sql("SELECT previous_until FROM sigsentry.credential WHERE channel_id = %s AND field = %s", new, HMAC)
    for body in ({"name": "x"}, {"credentials": {AUTH: secret()}}, {"isActive": False}):
        updated(change(client, new, body, "PATCH"))
        assert credential(new, HMAC)["previous_sealed"] == boxes[HMAC]
    assert until == stack.sql(
        "SELECT previous_until FROM sigsentry.credential WHERE channel_id = %s AND field = %s", new, HMAC)
    assert credential(new, AUTH)["previous_sealed"] is None
    updated(change(client, new, {"credentials": {HMAC: None}}, "PATCH"))
    assert HMAC not in stack.sealed(new)
    rotate(client, new)
    assert credential(new, HMAC)["previous_sealed"] is None


# On and off -----------------------------------------------------------------------------------------


@both_methods
def test_switched_on_again(client, method):
    """isActive true clears the reason; the audit row has both."""
    new = new_channel(client, "slack")
    switch_off(new)
    updated(change(client, new, {"isActive": True}, method))
    data = shown(client, new)
    assert data["isActive"] is True and "disabledReason" not in data
    row = last_audit(new, 2)
    assert row["before"] == {"isActive": False, "disabledReason": REASON}
    assert row["after"]["isActive"] is True and row["after"].get("disabledReason") is None


@both_methods
@pytest.mark.parametrize("body", [{"isActive": False}, {"name": "x"}, {"severityThreshold": "low"}], ids=repr)
def test_reason_stays(client, method, body):
    """Whatever else is changed, the channel is still off for that reason."""
    new = new_channel(client, "slack")
    switch_off(new)
    updated(change(client, new, body, method))
    data = shown(client, new)
    assert (data["isActive"], data["disabledReason"]) == (False, REASON)


# Sealed ---------------------------------------------------------------------------------------------


@both_methods
@pytest.mark.parametrize("kind", KINDS)
def test_sealed(client, method, kind):
    """Sealed anew each time, to the keyring's active key; opens for this channel, type and field only."""
    key, = [k["id"] for k in stack.ctl("keyring", "list") if k["state"] == "active"]
    sent = stack.credentials_of(kind)
    first, second = new_channel(client, kind), new_channel(client, kind)
    seen = set()
    for new, other in ((first, second), (second, first), (first, second)):
        updated(change(client, new, {"credentials": sent}, method))
        assert opened(new, kind) == {f: v.replace(", ", ",") if f == "recipients" else v for f, v in sent.items()}
        for field, box in stack.sealed(new).items():
            assert box[0] == 1 and box[1:9].hex() == key
            assert box not in seen and box[49:] not in {b[49:] for b in seen}
            seen.add(box)
            for place in ((other, kind, field), (new, "x", field), (new, kind, "x")):
                with pytest.raises(InvalidTag):
                    sealed.opened(box, *place)


# Who may ---------------------------------------------------------------------------------------------


class Scene(stack.Place):
    def __init__(self):
        super().__init__("enterprise", BOTH)
        jobs = [
            lambda: self.org_key(BOTH),
            lambda: stack.new_key(project=self.project, permissions=("config:read",))["key"],
            lambda: stack.new_key(project=self.project, kind="pub", permissions=("analysis:read",))["key"],
            lambda: stack.new_project(self.tenant),
            lambda: stack.Place("enterprise", BOTH),
        ]
        self.org, self.reader, self.pub, self.other_project, self.stranger = stack.parallel(jobs)
        with Client() as c:
            self.own = created(c.post(of_kind("slack", "own"), key=self.key))
            self.other = created(c.post(of_kind("slack", "other"), key=self.org, project=self.other_project))
            self.strange = created(c.post(of_kind("slack", "strange"), key=self.stranger.key))
        self.wide = stack.add_tenant_wide_channel(self.tenant)
        self.unknown = str(uuid.uuid4())


@pytest.fixture(scope="module")
def scene():
    return Scene()


WHO = [
    # key, X-Project-Id, channel, status, code
    ("key", None, "own", 200, None), ("key", "project", "own", 200, None), ("org", None, "own", 200, None),
    ("org", "project", "own", 200, None), ("org", None, "other", 200, None), ("org", "other_project", "other", 200, None),
    ("org", None, "wide", 200, None), ("org", "project", "wide", 200, None),
    ("key", None, "wide", 403, "FORBIDDEN"), ("key", "project", "wide", 403, "FORBIDDEN"),
    ("reader", None, "own", 403, "FORBIDDEN"), ("reader", None, "wide", 403, "FORBIDDEN"),
    ("pub", None, "own", 403, "SECRET_KEY_REQUIRED"),
    ("key", None, "other", 404, "NOT_FOUND"), ("org", "project", "other", 404, "NOT_FOUND"),
    ("org", "other_project", "own", 404, "NOT_FOUND"), ("key", None, "strange", 404, "NOT_FOUND"),
    ("org", None, "strange", 404, "NOT_FOUND"), ("org", None, "unknown", 404, "NOT_FOUND"),
    ("key", "other_project", "own", 403, "WRONG_PROJECT"), ("org", "unknown", "own", 403, "WRONG_PROJECT"),
]


@both_methods
@pytest.mark.parametrize("who,project,what,status,code", WHO)
def test_who(scene, client, method, who, project, what, status, code):
    target, name = getattr(scene, what), "by " + secret()[-8:]
    reply = change(client, target, {"name": name}, method, key=getattr(scene, who),
                   project=project and getattr(scene, project))
    if status == 200:
        updated(reply)
    else:
        error(reply, status, code)
    if what != "unknown":
        assert (stack.channel_row(target)["name"] == name) == (status == 200)


def test_audit_names_the_org_key(scene, client):
    made = stack.new_key(tenant=scene.tenant, kind="org")
    updated(change(client, scene.wide, {"name": "wide " + secret()[-8:]}, key=made["key"]))
    row = max(stack.audit_rows(scene.wide), key=lambda r: r["id"])
    assert (row["tenant"], row["actor"], row["action"]) == (scene.tenant, made["id"], "channel.update")


NO_JSON = b"this is no JSON"
LARGE = b'{"name":"' + b"x" * 65536 + b'"}'

ORDER = [
    # key, id, body, media type, status, code or path of the one issue
    ("no key", None, "x", NO_JSON, "text/plain", 401, "UNAUTHORIZED"),
    ("bad key", "bad", "x", NO_JSON, "text/plain", 401, "UNAUTHORIZED"),
    ("public key", "pub", "x", NO_JSON, "text/plain", 403, "SECRET_KEY_REQUIRED"),
    ("no permission, all else wrong", "reader", "x", NO_JSON, "text/plain", 403, "FORBIDDEN"),
    ("no permission, unknown id", "reader", "unknown", NO_JSON, None, 403, "FORBIDDEN"),
    ("media, id, body", "key", "x", NO_JSON, "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("media, existence", "key", "unknown", {}, "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("media, tenant-wide", "key", "wide", {}, "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("media, body", "key", "own", NO_JSON, "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("no media type", "key", "own", {"name": "x"}, "", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("size, id", "key", "x", LARGE, None, 413, "PAYLOAD_TOO_LARGE"),
    ("size, existence", "key", "unknown", LARGE, None, 413, "PAYLOAD_TOO_LARGE"),
    ("id, body", "key", "x", NO_JSON, None, 400, "path.id"),
    ("id, empty object", "key", "x", {}, None, 400, "path.id"),
    ("id, no body", "key", "x", None, None, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("existence, body", "key", "unknown", NO_JSON, None, 404, "NOT_FOUND"),
    ("existence, empty object", "key", "unknown", {}, None, 404, "NOT_FOUND"),
    ("another tenant's, body", "org", "strange", NO_JSON, None, 404, "NOT_FOUND"),
    ("another project's, body", "key", "other", NO_JSON, None, 404, "NOT_FOUND"),
    ("tenant-wide, body", "key", "wide", NO_JSON, None, 403, "FORBIDDEN"),
]


@both_methods
@pytest.mark.parametrize("who,what,body,media,status,code", [r[1:] for r in ORDER], ids=[r[0] for r in ORDER])
def test_order_of_checks(scene, client, method, who, what, body, media, status, code):
    key = {None: "", "bad": scene.key[:-1] + "_"}.get(who, getattr(scene, str(who), None))
    client.key = None
    reply = change(client, getattr(scene, what, what), body, method, key=key,
                   content_type="application/json" if media is None else media)
    if code == "path.id":
        assert issues(reply) == [("path.id", "format")]
    else:
        error(reply, status, code)


@both_methods
def test_headers_that_are_repeated(scene, client, method):
    """X-Project-Id before all else about the body, Idempotency-Key with it."""
    project = [("X-Project-Id", scene.project)] * 2
    once = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    send = dict(method=method, key=scene.key)
    assert issues(change(client, scene.own, {}, headers=project, **send)) == [("header.X-Project-Id", "duplicate")]
    assert issues(change(client, scene.own, {"name": "x"}, headers=once, **send)) == [
        ("header.Idempotency-Key", "duplicate")]
    error(change(client, scene.unknown, {"name": "x"}, headers=once, **send), 404, "NOT_FOUND")


@both_methods
def test_idempotency_key_means_nothing_here(client, kept, method):
    """A change is repeatable by itself: nothing is remembered."""
    for name in ("one", "two"):
        reply = change(client, kept["any"], {"name": name}, method, headers=[("Idempotency-Key", "same")])
        updated(reply)
        assert reply.header("idempotency-replayed") is None
    assert stack.channel_row(kept["any"])["name"] == "two"


def test_query_is_ignored(client, kept):
    updated(client.send("PUT", at(kept["any"]) + "?name=query&limit=0", {"name": "body"}))
    assert stack.channel_row(kept["any"])["name"] == "body"


def test_a_suspended_tenant(client):
    place = stack.Place(permissions=BOTH)
    new = created(client.post(of_kind("slack"), key=place.key))
    stack.ctl("tenant", "suspend", place.tenant)
    error(change(client, new, {"name": "x"}, key=place.key), 403, "TENANT_SUSPENDED")
    assert stack.channel_row(new)["name"] == "n"


# All at the same moment -------------------------------------------------------------------------------

THREADS = 16


def at_once(key, jobs):
    """One client a job, all beginning together; exceptions are raised here."""
    gate = threading.Barrier(len(jobs))

    def run(job):
        with Client(key) as c:
            c.send("GET", "/v1/nothing")
            gate.wait(20)
            return job(c)
    return stack.parallel([lambda j=j: run(j) for j in jobs], threads=len(jobs))


def whole(i):
    """A change of all fields at once, whose every part says that it is number ${i}."""
    return {
        "name": "number %03d" % i, "severityThreshold": ["critical", "high", "medium", "low"][i % 4],
        "isActive": i % 2 == 0,
        "credentials": {"url": "https://n%03d.example.com/%s" % (i, secret()), AUTH: "%s-%d" % (secret(), i),
                        HMAC: "%s-%d" % (secret(), i)},
    }


@both_methods
def test_changes_as_a_whole(shared, client, method):
    """16 clients change all fields again and again: what stands at the end is one of the changes, whole, and the audit
    rows make one chain to it, each from the state that the one before left."""
    new, _ = webhook(client, AUTH, HMAC)
    rounds = 5

    bodies = [whole(i) for i in range(THREADS * rounds)]

    def job(n):
        return lambda c: [updated(change(c, new, b, method)) for b in bodies[n * rounds:(n + 1) * rounds]]
    at_once(shared.key, [job(n) for n in range(THREADS)])

    data = shown(client, new)
    i = int(data["name"].split()[1])
    sent = bodies[i]
    assert {f: data[f] for f in ("name", "severityThreshold", "isActive")} == {
        f: sent[f] for f in ("name", "severityThreshold", "isActive")}
    assert data["destination"] == "n%03d.example.com" % i
    assert opened(new) == sent["credentials"]
    changes = [r for r in stack.audit_rows(new) if r["action"] == "channel.update"]
    assert len(changes) == THREADS * rounds
    by_before = {r["before"]["name"]: r for r in changes}
    assert len(by_before) == len(changes), "two changes from the same state"
    name, seen = "w", {}
    while name in by_before:
        row = by_before.pop(name)
        for field, value in row["before"].items():
            assert field == "credentials" or seen.get(field, value) == value, "a change between two rows"
        seen.update(row["after"])
        name = row["after"]["name"]
    assert not by_before and name == data["name"], "the chain does not end in what stands there"


def test_parts_do_not_undo_each_other(shared, client):
    """Changes of different fields at the same moment all hold."""
    new, boxes = webhook(client, AUTH, HMAC)
    sent = {AUTH: secret(), HMAC: secret()}
    parts = [{"name": "together"}, {"severityThreshold": "low"}, {"isActive": False},
             {"credentials": {AUTH: sent[AUTH]}}, {"credentials": {HMAC: sent[HMAC]}}]
    at_once(shared.key, [lambda c, p=p: updated(change(c, new, p, "PATCH")) for p in parts])
    data = shown(client, new)
    assert (data["name"], data["severityThreshold"], data["isActive"]) == ("together", "low", False)
    assert stack.sealed(new)["url"] == boxes["url"]
    after = opened(new)
    assert {f: after[f] for f in sent} == sent
    assert len(stack.audit_rows(new)) == 6


def test_a_new_place_and_a_new_secret_at_once(shared, client):
    """PATCHes of the url (judged when there was no secret) and of a first secret: whichever is last, no secret that was
    stored before a new url goes with it."""
    for _ in range(6):
        new, _ = webhook(client)
        move = {"credentials": {"url": "https://moved.example.org/" + secret()}}
        arm = {"credentials": {HMAC: secret()}}
        replies = at_once(shared.key, [lambda c: change(c, new, move, "PATCH"), lambda c: change(c, new, arm, "PATCH")])
        updated(replies[1])
        rows = sorted(stack.audit_rows(new), key=lambda r: r["at"])
        if replies[0].status == 400:
            assert issues(replies[0]) == [("credentials.hmacSecret", "required")]
            assert stack.channel_row(new)["destination"] == "example.com"
        else:
            updated(replies[0])
            assert stack.channel_row(new)["destination"] == "moved.example.org" and len(rows) == 3


def waiting(n):
    """Do ${n} sessions wait for a lock?"""
    return stack.sql("SELECT count(*) AS n FROM pg_locks WHERE NOT granted")[0]["n"] >= n


def test_updated_at_never_goes_back(shared, client):
    """A change that had to wait for another one is the later one."""
    new = new_channel(client, "slack")
    with stack.database() as cursor:
        cursor.execute("SELECT 1 FROM sigsentry.channel WHERE id = %s FOR UPDATE", (new,))
        thread = threading.Thread(target=lambda: updated(change(client, new, {"name": "waited"})))
        thread.start()
        assert stack.wait_for(lambda: waiting(1))
        cursor.execute("UPDATE sigsentry.channel SET updated_at = clock_timestamp() WHERE id = %s RETURNING updated_at",
                       (new,))
        first, = cursor.fetchone()
    thread.join()
    row = stack.channel_row(new)
    assert row["name"] == "waited" and row["updated_at"] > first


@both_methods
def test_deleted_meanwhile(client, method):
    """A channel that goes while a change waits for it is not found, and stays gone."""
    new = new_channel(client)
    replies = []
    with stack.database() as cursor:
        cursor.execute("SELECT 1 FROM sigsentry.channel WHERE id = %s FOR UPDATE", (new,))
        thread = threading.Thread(target=lambda: replies.append(change(client, new, {"name": "late"}, method)))
        thread.start()
        assert stack.wait_for(lambda: waiting(1))
        cursor.execute("DELETE FROM sigsentry.channel WHERE id = %s", (new,))
    thread.join()
    error(replies[0], 404, "NOT_FOUND")
    assert not stack.sealed(new) and len(stack.audit_rows(new)) == 1


def test_sessions_cut_under_load():
    """The workers' database sessions end again and again in the middle of changes and deletions: each that was
    acknowledged was done once, none is told that its own work had been done before."""
    place = stack.Place("enterprise", BOTH)
    with Client(place.key) as c:
        target = new_channel(c)
    ending, changed, removed = threading.Event(), [], []

    def work(n):
        with Client(place.key) as c:
            for k in range(1000):
                if ending.is_set():
                    return
                name = "cut-%d-%d" % (n, k)
                reply = change(c, target, {"name": name, "credentials": stack.credentials_of("webhook")}, "PATCH")
                if reply.status == 200:
                    changed.append(name)
                else:
                    error(reply, 503, "SERVICE_UNAVAILABLE")
                reply = c.post(channel())
                if reply.status != 201:
                    continue
                new = created(reply)
                reply = c.send("DELETE", at(new))
                if reply.status == 200:
                    removed.append(new)
                else:
                    error(reply, 503, "SERVICE_UNAVAILABLE")

    def cut():
        for i in range(10):
            goal = len(changed) + 8
            assert stack.wait_for(lambda: len(changed) >= goal, 10)
            cut_backends()
        ending.set()
    try:
        stack.parallel([lambda n=n: work(n) for n in range(6)] + [cut], threads=7)
    finally:
        ending.set()
    rows = stack.sql("SELECT action, object_id, after->>'name' AS name FROM sigsentry.audit WHERE tenant_id = %s",
                     place.tenant)
    names = [r["name"] for r in rows if r["action"] == "channel.update"]
    assert len(set(names)) == len(names) and set(changed) <= set(names)
    gone = [r["object_id"] for r in rows if r["action"] == "channel.delete"]
    assert len(set(gone)) == len(gone) and set(removed) <= set(gone)
    assert not set(removed) & set(stack.channel_ids(place.project))
    assert opened(target), "all that is sealed opens"
