"""Goal: POST /v1/config/notifications does what the founding text and contract §3 "Create" say, line by line.

Every example of the founding text creates a channel; every rule is tried on both sides of its edge; every
problem is told at once, with its place and code; what was created stands in the database as it was
asked for, sealed, and with its audit row.
"""

import re
import uuid

import pytest
from cryptography.exceptions import InvalidTag

import sealed
import stack
from stack import PATH, channel, created, error, issues, ok, secret

# The founding text's own words, pasted --------------------------------------------------------------

FULL_EXAMPLE = b"""{
  "type": "slack",
  "name": "#engineering-alerts",
  "credentials": {
    "webhookUrl": "https://hooks.slack.com/services/T.../B.../..."
  },
  "severityThreshold": "high"
}"""

CURL_EXAMPLE = b"""{
    "type": "slack",
    "name": "#engineering-alerts",
    "credentials": { "webhookUrl": "https://hooks.slack.com/services/T.../B.../..." },
    "severityThreshold": "high"
  }"""

CREDENTIALS_EXAMPLES = {
    "slack": b"""{ "webhookUrl": "https://hooks.slack.com/services/T.../B.../..." }""",
    "teams": b"""{ "webhookUrl": "https://outlook.office.com/webhook/..." }""",
    "discord": b"""{ "webhookUrl": "https://discord.com/api/webhooks/..." }""",
    "google_chat": b"""{ "webhookUrl": "https://chat.googleapis.com/v1/spaces/.../messages?key=..." }""",
    "webhook": b"""{
  "url": "https://example.com/sigsentry",
  "authHeader": "Bearer abc123",
  "hmacSecret": "your-32-byte-secret"
}""",
    "email": b"""{ "recipients": "alice@example.com, bob@example.com" }""",
}

DESTINATIONS = {
    "slack": "hooks.slack.com",
    "teams": "outlook.office.com",
    "discord": "discord.com",
    "google_chat": "chat.googleapis.com",
    "webhook": "example.com",
    "email": "2 recipients",
}


@pytest.mark.parametrize("text", [FULL_EXAMPLE, CURL_EXAMPLE], ids=["full", "curl"])
def test_founding_examples(client, text):
    reply = client.post(text)
    new = created(reply)
    assert reply.json() == {"success": True, "data": {"id": new}}


@pytest.mark.parametrize("kind", CREDENTIALS_EXAMPLES)
def test_founding_credentials(client, kind):
    text = b'{"type":"%s","name":"n","severityThreshold":"low","credentials":%s}' % (
        kind.encode(), CREDENTIALS_EXAMPLES[kind])
    new = created(client.post(text))
    row = stack.channel_row(new)
    assert (row["type"], row["destination"]) == (kind, DESTINATIONS[kind])


# The answer -----------------------------------------------------------------------------------------


def test_answer(client):
    """201, exactly {"success":true,"data":{"id":…}}, Location, and an id that is a version 7 UUID of now."""
    before = stack.sql("SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms")[0]["ms"]
    reply = client.post(channel())
    new = created(reply)
    assert reply.json() == {"success": True, "data": {"id": new}}
    assert reply.header("location") == PATH + "/" + new
    assert new == new.lower() and uuid.UUID(new).version == 7
    assert uuid.UUID(new).variant == uuid.RFC_4122
    assert abs((uuid.UUID(new).int >> 80) - int(before)) < 5000, "its time is not now"


def test_ids_differ(client):
    ids = [created(client.post(channel("same"))) for _ in range(5)]
    assert len(set(ids)) == 5


# The rules of the four fields -----------------------------------------------------------------------

GOOD_NAMES = [
    ("one", "x"),
    ("255", "n" * 255),
    ("255 of two bytes", "é" * 255),
    ("255 beyond the BMP", "\U0001F514" * 255),
    ("combining", "e\u0301" * 127),
    ("space", " "),
    ("hash", "#engineering-alerts"),
    ("quote and backslash", "a\"b\\c'd; DROP TABLE channel;--"),
    ("line separator", "a\u2028b\u2029c"),
    ("right to left", "\u05d0\u202e\u05d1"),
    ("after C1", "\u00a0"),
    ("last code point", "\U0010ffff"),
]


@pytest.mark.parametrize("name", [n for _, n in GOOD_NAMES], ids=[i for i, _ in GOOD_NAMES])
def test_good_name(client, name):
    assert stack.channel_row(created(client.post(channel(name))))["name"] == name


BAD_NAMES = [
    ("empty", "", "length"),
    ("256", "n" * 256, "length"),
    ("256 of two bytes", "é" * 256, "length"),
    ("256 beyond the BMP", "\U0001F514" * 256, "length"),
    ("very long", "n" * 30000, "length"),
    ("C0 first", "a\u0001b", "format"),
    ("tab", "a\tb", "format"),
    ("line feed", "a\nb", "format"),
    ("C0 last", "a\u001f", "format"),
    ("DEL", "a\u007f", "format"),
    ("C1 first", "\u0080", "format"),
    ("NEL", "a\u0085b", "format"),
    ("C1 last", "\u009f", "format"),
    ("number", 7, "type"),
    ("array", ["n"], "type"),
    ("object", {}, "type"),
    ("true", True, "type"),
]


@pytest.mark.parametrize("name,code", [r[1:] for r in BAD_NAMES], ids=[r[0] for r in BAD_NAMES])
def test_bad_name(client, name, code):
    assert issues(client.post(channel(name))) == [("name", code)]


@pytest.mark.parametrize("threshold", ["critical", "high", "medium", "low"])
def test_good_threshold(client, threshold):
    assert stack.channel_row(created(client.post(channel(severityThreshold=threshold))))["threshold"] == threshold


BAD_WORDS = [("info", "enum"), ("High", "enum"), ("", "enum"), ("high ", "enum"), (1, "type"),
             (["high"], "type"), ({}, "type")]


@pytest.mark.parametrize("value,code", BAD_WORDS, ids=repr)
def test_bad_threshold(client, value, code):
    assert issues(client.post(channel(severityThreshold=value))) == [("severityThreshold", code)]


BAD_TYPES = [("sms", "enum"), ("Slack", "enum"), ("", "enum"), ("google-chat", "enum"), (0, "type"),
             (["slack"], "type")]


@pytest.mark.parametrize("value,code", BAD_TYPES, ids=repr)
def test_bad_type(client, value, code):
    assert issues(client.post(channel(type=value))) == [("type", code)]


@pytest.mark.parametrize("value", ["x", 1, [], True, "https://hooks.slack.com/services/x"], ids=repr)
def test_bad_credentials(client, value):
    assert issues(client.post(channel(credentials=value))) == [("credentials", "type")]


@pytest.mark.parametrize("field", ["type", "name", "credentials", "severityThreshold"])
def test_null_is_no_value(client, field):
    body = channel()
    body[field] = None
    (path, code), = issues(client.post(body))
    assert path == field and code in ("type", "required")


@pytest.mark.parametrize("field", ["type", "name", "credentials", "severityThreshold"])
def test_missing(client, field):
    body = channel()
    del body[field]
    assert issues(client.post(body)) == [(field, "required")]


def test_all_missing(client):
    found = issues(client.post({}))
    assert sorted(found) == [(f, "required") for f in ("credentials", "name", "severityThreshold", "type")]


# Credentials by type --------------------------------------------------------------------------------

SECRET_FIELDS = {"slack": "webhookUrl", "teams": "webhookUrl", "discord": "webhookUrl", "google_chat": "webhookUrl",
                 "webhook": "url", "email": "recipients"}
URL_STARTS = {
    "slack": "https://hooks.slack.com/services/",
    "teams": "https://outlook.office.com/webhook/",
    "discord": "https://discord.com/api/webhooks/",
    "google_chat": "https://chat.googleapis.com/v1/spaces/",
    "webhook": "https://example.com/",
}


def of_type(kind, value, **more):
    return channel(type=kind, credentials={SECRET_FIELDS[kind]: value, **more})


@pytest.mark.parametrize("kind", SECRET_FIELDS)
def test_required_credential(client, kind):
    reply = client.post(channel(type=kind, credentials={}))
    assert issues(reply) == [("credentials." + SECRET_FIELDS[kind], "required")]


@pytest.mark.parametrize("kind", URL_STARTS)
def test_url_length(client, kind):
    """2,048 bytes pass, one more does not."""
    start = URL_STARTS[kind]
    created(client.post(of_type(kind, start + "p" * (2048 - len(start)))))
    assert issues(client.post(of_type(kind, start + "p" * (2049 - len(start))))) == [
        ("credentials." + SECRET_FIELDS[kind], "length")]


@pytest.mark.parametrize("kind", URL_STARTS)
@pytest.mark.parametrize("value", [1, None, True, [], {}, ["https://example.com/"]], ids=repr)
def test_url_no_string(client, kind, value):
    (path, code), = issues(client.post(of_type(kind, value)))
    assert path == "credentials." + SECRET_FIELDS[kind]
    assert code == "type" or (value is None and code == "required")


GOOD_URLS = [
    ("slack", "https://hooks.slack.com/services/T000/B000/XXXX", "hooks.slack.com"),
    ("slack", "https://hooks.slack-gov.com/services/T000/B000/XXXX", "hooks.slack-gov.com"),
    ("slack", "https://HOOKS.Slack.COM/services/T000/B000/XXXX", "hooks.slack.com"),
    ("slack", "https://hooks.slack.com:443/services/T000/B000/XXXX", "hooks.slack.com"),
    ("teams", "https://contoso.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d", "contoso.webhook.office.com"),
    ("teams", "https://outlook.office365.com/webhook/x", "outlook.office365.com"),
    ("teams",
     "https://prod-12.westeurope.logic.azure.com:443/workflows/0123456789abcdef0123456789abcdef/triggers/manual"
              "/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abc",
     "prod-12.westeurope.logic.azure.com"),
    ("teams", "https://default0123.ab.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/"
              "0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke?api-version=1&sig=abc",
     "default0123.ab.environment.api.powerplatform.com"),
    ("discord", "https://discord.com/api/v10/webhooks/123456789012345678/tok", "discord.com"),
    ("discord", "https://discordapp.com/api/webhooks/123456789012345678/tok", "discordapp.com"),
    ("discord", "https://ptb.discord.com/api/webhooks/123456789012345678/tok", "ptb.discord.com"),
    ("discord", "https://canary.discord.com/api/webhooks/123456789012345678/tok", "canary.discord.com"),
    ("google_chat", "https://chat.googleapis.com/v1/spaces/AAA/messages?key=k&token=t%3D", "chat.googleapis.com"),
    ("webhook", "https://example.com", "example.com"),
    ("webhook", "https://example.com?q=1", "example.com"),
    ("webhook", "https://example.com:8443/hook", "example.com"),
    ("webhook", "https://xn--bcher-kva.example.com/", "xn--bcher-kva.example.com"),
    ("webhook", "https://a.b.c.d.example.org/x?y=%00&z={}|^`<>\"'", "a.b.c.d.example.org"),
    ("webhook", "https://1.1.1.1/", "1.1.1.1"),
    ("webhook", "https://[2606:4700:4700::1111]/", None),
    ("webhook", "https://[::ffff:1.1.1.1]/", None),
    ("webhook", "https://[64:ff9b::101:101]/", None),
    ("webhook", "https://0x01010101/", None),
    ("webhook", "https://16843009/", None),
]


@pytest.mark.parametrize("kind,url,hint", GOOD_URLS, ids=[r[1][:60] for r in GOOD_URLS])
def test_good_url(client, kind, url, hint):
    row = stack.channel_row(created(client.post(of_type(kind, url))))
    if hint:
        assert row["destination"].split(":")[0] == hint


FORMAT, HOST, EITHER = {"format"}, {"host"}, {"format", "host"}

BAD_URLS = [
    # no https URL at all, or with parts that are refused
    ("", {"length", "format"}),
    ("https://", EITHER),
    ("http://{host}/{path}", FORMAT),
    ("ftp://{host}/{path}", FORMAT),
    ("//{host}/{path}", FORMAT),
    ("{host}/{path}", FORMAT),
    ("https:{host}/{path}", EITHER),
    ("https:///{path}", EITHER),
    (" https://{host}/{path}", FORMAT),
    ("https://{host}/{path} ", FORMAT),
    ("https://{host}/{path}\n", FORMAT),
    ("https://{host}/a b", FORMAT),
    ("https://{host}/{path}\t", FORMAT),
    ("https://{host}/{path}\u007f", FORMAT),
    ("https://{host}/{path}é", FORMAT),
    ("https://{host}\\@evil.example.com/{path}", FORMAT),
    ("https://{host}/{path}\\x", FORMAT),
    ("https://user@{host}/{path}", FORMAT),
    ("https://user:word@{host}/{path}", FORMAT),
    ("https://@{host}/{path}", FORMAT),
    ("https://:@{host}/{path}", FORMAT),
    ("https://{host}/{path}#f", FORMAT),
    ("https://{host}/{path}#", FORMAT),
    ("https://{host}:0/{path}", EITHER),
    ("https://{host}:65536/{path}", EITHER),
    ("https://{host}:x/{path}", EITHER),
    ("https://{host}:-1/{path}", EITHER),
]


@pytest.mark.parametrize("kind", ["slack", "webhook"])
@pytest.mark.parametrize("url,codes", BAD_URLS, ids=[repr(r[0]) for r in BAD_URLS])
def test_bad_url(client, kind, url, codes):
    host, path = {"slack": ("hooks.slack.com", "services/T/B/x"), "webhook": ("example.com", "hook")}[kind]
    (where, code), = issues(client.post(of_type(kind, url.format(host=host, path=path))))
    assert where == "credentials." + SECRET_FIELDS[kind] and code in codes, code


FOREIGN_HOSTS = [
    ("slack", "https://example.com/services/T/B/x"),
    ("slack", "https://slack.com/services/T/B/x"),
    ("slack", "https://hooks.slack.com.example.com/services/T/B/x"),
    ("slack", "https://evilhooks.slack.com/services/T/B/x"),
    ("slack", "https://evil.hooks.slack.com/services/T/B/x"),
    ("slack", "https://hooks-slack.com/services/T/B/x"),
    ("slack", "https://discord.com/api/webhooks/1/x"),
    ("slack", "https://127.0.0.1/services/T/B/x"),
    ("slack", "https://hooks.slack.com%2eexample.com/services/T/B/x"),
    ("slack", "https://hooks.slack.com:8443/services/T/B/x"),
    ("slack", "https://hooks.slack.com/workflows/T/B/x"),
    ("slack", "https://hooks.slack.com/"),
    ("teams", "https://office.com/webhook/x"),
    ("teams", "https://webhook.office.com.example.com/webhook/x"),
    ("teams", "https://xwebhook.office.com/webhook/x"),
    ("teams", "https://logic.azure.com.example.com/workflows/x"),
    ("teams", "https://evil-logic.azure.com/workflows/x"),
    ("teams", "https://hooks.slack.com/services/T/B/x"),
    ("discord", "https://discord.com.example.com/api/webhooks/1/x"),
    ("discord", "https://xdiscord.com/api/webhooks/1/x"),
    ("discord", "https://discord.gg/api/webhooks/1/x"),
    ("discord", "https://discord.com/channels/1/2"),
    ("google_chat", "https://googleapis.com/v1/spaces/A/messages"),
    ("google_chat", "https://xchat.googleapis.com/v1/spaces/A/messages"),
    ("google_chat", "https://chat.googleapis.com.example.com/v1/spaces/A/messages"),
    ("google_chat", "https://chat.googleapis.com/v2/rooms/A/messages"),
]


@pytest.mark.parametrize("kind,url", FOREIGN_HOSTS, ids=[u for _, u in FOREIGN_HOSTS])
def test_foreign_host(client, kind, url):
    (where, code), = issues(client.post(of_type(kind, url)))
    assert where == "credentials.webhookUrl" and code in EITHER


# In any spelling that a resolver accepts.
INSIDE_HOSTS = [
    "127.0.0.1", "127.1", "127.0.1", "0x7f.0.0.1", "0x7f000001", "0X7F.1", "2130706433", "017700000001",
    "0177.0.0.1", "0177.1", "127.000.000.001", "%31%32%37.0.0.1", "127.0.0.1.",
    "0.0.0.0", "0", "0.1.2.3", "10.0.0.1", "10.1", "0xa.1", "100.64.0.1", "100.127.255.254", "169.254.169.254",
    "0xa9fea9fe", "2852039166", "172.16.0.1", "172.31.255.255", "192.168.1.1", "192.0.0.1", "192.0.2.1", "192.88.99.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.5", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "168.63.129.16",
    "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:808:808::]",
    "[2001::1]", "[2001:db8::1]",
    "[3fff::1]", "[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]", "[fd12::1]", "[ff02::1]", "[100::1]", "[4000::1]",
    "localhost", "LOCALHOST", "localhost.", "x.localhost", "printer.local", "db.internal", "metadata.google.internal",
    "ip6-localhost", "ip6-loopback", "intranet", "intranet.", "db.INTERNAL.",
]


@pytest.mark.parametrize("host", INSIDE_HOSTS)
def test_inside_host(client, host):
    """What the egress policy would refuse is refused at create."""
    (where, code), = issues(client.post(of_type("webhook", "https://%s/hook" % host)))
    assert where == "credentials.url" and code in EITHER


MALFORMED_HOSTS = [
    "exa mple.com", "exam_ple..com", ".example.com", "example..com", "[::1", "::1", "[1.2.3.4]", "a%00.com",
    "a%2fb.com", "ex*mple.com/..", "b\u00fccher.example", "1.2.3.4.5", "256.1.1.1", "1.1.1.0x", "\uff11.1.1.1",
    "x" * 64 + ".com", "x." * 130 + "com",
]


@pytest.mark.parametrize("host", MALFORMED_HOSTS, ids=ascii)
def test_malformed_host(client, host):
    (where, code), = issues(client.post(of_type("webhook", "https://%s/hook" % host)))
    assert where == "credentials.url" and code in EITHER


AUTH_HEADERS = [
    ("one", "x", None),
    ("2048", "x" * 2048, None),
    ("inner spaces", "Bearer  a b", None),
    ("first and last byte", "!~", None),
    ("empty", "", "length"),
    ("2049", "x" * 2049, "length"),
    ("space before", " x", "format"),
    ("space behind", "x ", "format"),
    ("only a space", " ", "format"),
    ("tab", "a\tb", "format"),
    ("a second header", "a\r\nX-Evil: 1", "format"),
    ("DEL", "a\u007f", "format"),
    ("not ASCII", "é", "format"),
    ("number", 1, "type"),
    ("array", ["x"], "type"),
]

HMAC_SECRETS = [
    ("one", "x", None),
    ("512", "x" * 512, None),
    ("512 bytes in 256 characters", "é" * 256, None),
    ("512 bytes in 128 characters", "\U0001F511" * 128, None),
    ("white space", " \t\n", None),
    ("whsec", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None),
    ("empty", "", "length"),
    ("513", "x" * 513, "length"),
    ("514 bytes in 257 characters", "é" * 257, "length"),
    ("number", 1, "type"),
    ("object", {}, "type"),
]

WEBHOOK_FIELDS = [("authHeader",) + r for r in AUTH_HEADERS] + [("hmacSecret",) + r for r in HMAC_SECRETS]


@pytest.mark.parametrize("field,value,code", [(r[0],) + r[2:] for r in WEBHOOK_FIELDS],
                         ids=["%s %s" % r[:2] for r in WEBHOOK_FIELDS])
def test_webhook_field(client, field, value, code):
    reply = client.post(of_type("webhook", "https://example.com/h", **{field: value}))
    if code is None:
        assert set(stack.sealed(created(reply))) == {"url", field}
    else:
        assert issues(reply) == [("credentials." + field, code)]


def numbered(n):
    return ["p%d@example.com" % i for i in range(n)]


GOOD_RECIPIENTS = [
    ("one", "a@example.com", "1 recipient"),
    ("text", "alice@example.com, bob@example.com", "2 recipients"),
    ("without a space", "a@example.com,b@example.com", "2 recipients"),
    ("trimmed", "  a@example.com \t,  b@example.com  ", "2 recipients"),
    ("array", ["a@example.com", "b@example.com", "c@example.com"], "3 recipients"),
    ("array trimmed", [" a@example.com "], "1 recipient"),
    ("twice in text", "a@example.com, a@example.com", "1 recipient"),
    ("twice in array", ["a@example.com", "b@example.com", "a@example.com"], "2 recipients"),
    ("50", ",".join(numbered(50)), "50 recipients"),
    ("50 in array", numbered(50), "50 recipients"),
    ("51 with one twice", numbered(50) + ["p7@example.com"], "50 recipients"),
    ("all atom characters", "!#$%&'*+-/=?^_`{|}~.aZ09@example.com", "1 recipient"),
    ("deep domain", "a@b.c-d.example.co.uk", "1 recipient"),
    ("digits", "1@2.example.com", "1 recipient"),
    ("punycode", "a@xn--bcher-kva.example", "1 recipient"),
]


@pytest.mark.parametrize("value,hint", [r[1:] for r in GOOD_RECIPIENTS], ids=[r[0] for r in GOOD_RECIPIENTS])
def test_good_recipients(client, value, hint):
    assert stack.channel_row(created(client.post(of_type("email", value))))["destination"] == hint


BAD_RECIPIENTS = [
    ("empty", "", {"length", "format"}),
    ("blank", "  ", {"length", "format"}),
    ("commas", ", ,", {"length", "format"}),
    ("no address", [], {"length"}),
    ("empty address", [""], {"length", "format"}),
    ("51", ",".join(numbered(51)), {"length"}),
    ("51 in array", numbered(51), {"length"}),
    ("1000", numbered(1000), {"length"}),
    ("number", 5, {"type"}),
    ("object", {"a@example.com": 1}, {"type"}),
    ("number in array", ["a@example.com", 5], {"type"}),
    ("null in array", [None], {"type"}),
    ("array in array", [["a@example.com"]], {"type"}),
    ("no at", "example.com", FORMAT),
    ("no local part", "@example.com", FORMAT),
    ("no domain", "a@", FORMAT),
    ("two ats", "a@b@example.com", FORMAT),
    ("no dot", "a@example", FORMAT),
    ("dot first", ".a@example.com", FORMAT),
    ("dot last", "a.@example.com", FORMAT),
    ("two dots", "a..b@example.com", FORMAT),
    ("domain dot first", "a@.example.com", FORMAT),
    ("domain dot last", "a@example.com.", FORMAT),
    ("domain two dots", "a@example..com", FORMAT),
    ("hyphen first", "a@-example.com", FORMAT),
    ("hyphen last", "a@example-.com", FORMAT),
    ("hyphen last of all", "a@example.com-", FORMAT),
    ("underscore", "a@exa_mple.com", FORMAT),
    ("label of 64", "a@" + "x" * 64 + ".com", FORMAT),
    ("quoted", '"a b"@example.com', FORMAT),
    ("literal", "a@[127.0.0.1]", FORMAT),
    ("display name", "Alice <a@example.com>", FORMAT),
    ("comment", "a(x)@example.com", FORMAT),
    ("inner space", "a b@example.com", FORMAT),
    ("not ASCII", "ü@example.com", FORMAT),
    ("not ASCII domain", "a@b\u00fccher.example", FORMAT),
    ("a second header", "a@example.com\r\nBcc: b@example.com", FORMAT),
    ("semicolon", "a@example.com; b@example.com", FORMAT),
    ("comma in array", ["a@example.com,b@example.com"], FORMAT),
    ("DEL", "a\u007f@example.com", FORMAT),
]


@pytest.mark.parametrize("value,codes", [r[1:] for r in BAD_RECIPIENTS], ids=[r[0] for r in BAD_RECIPIENTS])
def test_bad_recipients(client, value, codes):
    found = issues(client.post(of_type("email", value)))
    assert found and all(re.match(r"credentials\.recipients(\W|$)", p) for p, _ in found), found
    assert {c for _, c in found} & codes, found


# Unknown fields -------------------------------------------------------------------------------------


def message_of(reply, path, code="unknown"):
    found = [i for i in error(reply, 400, "VALIDATION_ERROR")["issues"] if (i["path"], i["code"]) == (path, code)]
    assert len(found) == 1, reply
    return found[0]["message"]


NEAREST = [
    ("typ", "type"),
    ("Name", "name"),
    ("nmae", "name"),
    ("credential", "credentials"),
    ("severityTreshold", "severityThreshold"),
    ("severity_threshold", "severityThreshold"),
]


@pytest.mark.parametrize("sent,known", NEAREST)
def test_nearest_name(client, sent, known):
    body = channel()
    body[sent] = 1
    assert known in message_of(client.post(body), sent)


NEAREST_CREDENTIALS = [
    ("slack", "webhookURL", "webhookUrl"),
    ("slack", "webhook_url", "webhookUrl"),
    ("teams", "webhooUrl", "webhookUrl"),
    ("webhook", "URL", "url"),
    ("webhook", "hmacsecret", "hmacSecret"),
    ("webhook", "authheader", "authHeader"),
    ("email", "recipient", "recipients"),
]


@pytest.mark.parametrize("kind,sent,known", NEAREST_CREDENTIALS)
def test_nearest_credential(client, kind, sent, known):
    value = {"email": "a@example.com"}.get(kind, URL_STARTS.get(kind, "") + "x")
    assert known in message_of(client.post(of_type(kind, value, **{sent: secret()})), "credentials." + sent)


@pytest.mark.parametrize("kind,foreign", [
    ("slack", "url"), ("slack", "hmacSecret"), ("slack", "recipients"),
    ("webhook", "webhookUrl"), ("webhook", "recipients"), ("email", "webhookUrl"), ("email", "authHeader")])
def test_credential_of_another_type(client, kind, foreign):
    value = {"email": "a@example.com"}.get(kind, URL_STARTS.get(kind, "") + "x")
    assert issues(client.post(of_type(kind, value, **{foreign: "x"}))) == [("credentials." + foreign, "unknown")]


STRANGE_NAMES = ["id", "isActive", "scope", "destination", "createdAt", "hmacOverlapSeconds", "__proto__", "", "x" * 3000,
                 "na\u00efve", "a.b", "\u202e", '"', "\\", "</script>"]


@pytest.mark.parametrize("field", STRANGE_NAMES, ids=lambda f: ascii(f[:20]))
def test_unknown_field(client, field):
    """Whatever it is called, a field that create does not have is refused, and the answer stays JSON."""
    body = channel()
    body[field] = True
    (_, code), = issues(client.post(body))
    assert code in ("unknown", "readonly")


# All problems at once, in body order ----------------------------------------------------------------


def test_all_at_once(client):
    reply = client.post(b"""{
        "severityThreshold": "urgent",
        "colour": "red",
        "credentials": {"hmacSecret": "", "foo": 1, "authHeader": " x", "url": "http://example.com/"},
        "name": "",
        "type": "webhook"
    }""")
    assert issues(reply) == [
        ("severityThreshold", "enum"),
        ("colour", "unknown"),
        ("credentials.hmacSecret", "length"),
        ("credentials.foo", "unknown"),
        ("credentials.authHeader", "format"),
        ("credentials.url", "format"),
        ("name", "length"),
    ]


def test_order_follows_the_body(client):
    fields = {"type": "sms", "name": 1, "credentials": "x", "severityThreshold": None, "zzz": 0, "aaa": 0}
    orders = [list(fields), list(reversed(fields)), ["zzz", "name", "severityThreshold", "aaa", "type", "credentials"]]
    for order in orders:
        assert [p for p, _ in issues(client.post({f: fields[f] for f in order}))] == order


def test_missing_credential_with_an_unknown_one(client):
    found = issues(client.post(channel(type="webhook", credentials={"foo": 1, "hmacSecret": "s"}, name="")))
    assert sorted(found) == [("credentials.foo", "unknown"), ("credentials.url", "required"), ("name", "length")]
    assert found.index(("credentials.foo", "unknown")) < found.index(("credentials.url", "required"))


def test_hundreds_of_problems(client):
    """Many unknown fields: all are told, and the answer is still JSON."""
    body = channel(**{"f%d" % i: i for i in range(500)})
    found = issues(client.post(body))
    assert found == [("f%d" % i, "unknown") for i in range(500)]


def test_nothing_is_written_on_refusal(place):
    with stack.Client(place.key) as c:
        issues(c.post(channel(name="")))
        issues(c.post(channel(type="sms")))
        issues(c.post({}))
    assert stack.channel_count(place.project) == 0


def test_messages_quote_no_value(client):
    """A value, right or wrong, is never echoed: it may be a secret in the wrong place."""
    mark = secret("wrong")
    bodies = [
        channel(type=mark), channel(name=mark + "\n"), channel(severityThreshold=mark), channel(credentials=mark),
        channel(extra=mark), of_type("webhook", "http://example.com/" + mark),
        of_type("webhook", "https://localhost/" + mark),
        of_type("slack", "https://%s.example.com/" % mark), of_type("webhook", "https://%s/" % mark.replace("-", "")),
        of_type("webhook", "https://example.com/", authHeader=mark + "\n"),
        of_type("webhook", "https://example.com/", hmacSecret=mark * 20), of_type("email", mark),
        of_type("email", [mark + "@"]),
        of_type("slack", "https://hooks.slack.com/services/" + mark + "#f"),
    ]
    for body in bodies:
        reply = client.post(body)
        assert issues(reply)
        assert stack.CANARY.encode() not in reply.body, body


# What is in the database ----------------------------------------------------------------------------

ALL_TYPES = [
    ("slack", {"webhookUrl": "https://hooks.slack.com/services/T/B/%s"}, "hooks.slack.com"),
    ("teams", {"webhookUrl": "https://contoso.webhook.office.com/webhookb2/%s"}, "contoso.webhook.office.com"),
    ("discord", {"webhookUrl": "https://discord.com/api/webhooks/1/%s"}, "discord.com"),
    ("google_chat", {"webhookUrl": "https://chat.googleapis.com/v1/spaces/A/messages?key=%s"}, "chat.googleapis.com"),
    ("webhook", {"url": "https://example.com/%s?q=%s", "authHeader": "Bearer %s", "hmacSecret": "%s"}, "example.com"),
    ("email", {"recipients": "%s@example.com, b%s@example.com, c%s@example.com"}, "3 recipients"),
]


@pytest.mark.parametrize("kind,fields,hint", ALL_TYPES, ids=[r[0] for r in ALL_TYPES])
def test_row(shared, client, kind, fields, hint):
    """The row is what was asked for; each credential field is sealed on its own; nothing is in plain text."""
    mark = secret("row")
    credentials = {f: v.replace("%s", mark) for f, v in fields.items()}
    name = "row of " + kind
    new = created(client.post(channel(name, type=kind, credentials=credentials, severityThreshold="medium")))
    row = stack.channel_row(new)
    expected = {"tenant_id": shared.tenant, "project_id": shared.project, "type": kind, "name": name,
                "threshold": "medium",
                "is_active": True, "disabled_reason": None, "destination": hint}
    assert {k: str(row[k]) if k.endswith("_id") else row[k] for k in expected} == expected
    boxes = stack.sealed(new)
    assert set(boxes) == set(credentials)
    for field, box in boxes.items():
        plain = credentials[field].encode()
        assert mark.encode() not in box and plain[:12] not in box
        assert len(box) > 16 and box[0] == 1, "version 1 of the sealed form"
    whole = stack.sql("SELECT c::text AS t FROM sigsentry.channel c WHERE id = %s", new)[0]["t"]
    assert mark not in whole


@pytest.mark.parametrize("kind,fields", [r[:2] for r in ALL_TYPES], ids=[r[0] for r in ALL_TYPES])
def test_the_private_key_opens(client, kind, fields):
    """What was sent comes out again with the private keyring, and only under this channel, type and field."""
    mark = secret("open")
    credentials = {f: v.replace("%s", mark) for f, v in fields.items()}
    new, other = (created(client.post(channel(type=kind, credentials=credentials))) for _ in range(2))
    boxes = stack.sealed(new)
    assert set(boxes) == set(credentials)
    for field, box in boxes.items():
        # addresses are kept without the blanks between them
        expected = credentials[field].replace(", ", ",") if field == "recipients" else credentials[field]
        assert sealed.opened(box, new, kind, field).decode() == expected
        for place in ((other, kind, field), (new, "slack" if kind != "slack" else "teams", field), (new, kind, "elsewhere")):
            with pytest.raises(InvalidTag):
                sealed.opened(box, *place)


def test_sealed_values_differ(client):
    """The same secret twice leaves nothing that shows it is the same."""
    body = of_type("webhook", "https://example.com/", authHeader="Bearer " + secret(), hmacSecret=secret())
    first, second = (stack.sealed(created(client.post(body))) for _ in range(2))
    for field in first:
        assert first[field] != second[field]
        assert first[field][-24:] != second[field][-24:]


def test_audit_row(shared, client):
    """Who, what, and the new state, without secrets."""
    mark = secret("audit")
    new = created(client.post(of_type("webhook", "https://example.com/" + mark, authHeader=mark, hmacSecret=mark)))
    row, = stack.audit_rows(new)
    assert (row["tenant"], row["actor_kind"], row["actor"]) == (shared.tenant, "key", shared.key_id)
    assert (row["action"], row["object_kind"], row["before"]) == ("channel.create", "channel", None)
    after = row["after"]
    assert (after["type"], after["severityThreshold"], after["destination"]) == ("webhook", "high", "example.com")
    assert mark not in str(row)
    shown = stack.ctl("audit")
    assert isinstance(shown, list) and mark not in str(shown)


def test_org_key(place):
    """An org key creates in the project that X-Project-Id names, and the audit row names the org key."""
    other = stack.new_project(place.tenant)
    with stack.Client(place.org_key()) as c:
        new = created(c.post(channel(), project=other))
    assert stack.channel_ids(other) == [new] and stack.channel_count(place.project) == 0


def test_same_name_twice(client):
    """Names are labels; two channels may share one."""
    assert created(client.post(channel("twin"))) != created(client.post(channel("twin")))


def test_member_order_and_escapes(client):
    """JSON says the same in many ways."""
    text = (b'\r\n\t {"severityThreshold":"\\u0068igh","name":"\\u0023\\u00e9\\ud83d\\udd14\\/","credentials":'
            b'{"webhook\\u0055rl":"https:\\/\\/hooks.slack.com\\/services\\/T"},"\\u0074ype":"slack"} \n')
    assert stack.channel_row(created(client.post(text)))["name"] == "#é\U0001F514/"


def test_success_has_no_error_parts(client):
    data = ok(client.post(channel()), 201)
    assert list(data) == ["id"]
