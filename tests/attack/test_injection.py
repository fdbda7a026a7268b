"""Goal: whatever bytes somebody sends, no log has a line or field more, no answer a header, and no message to a receiver one.

Of a request: every header that the service reads, the path, the query, names and values of the body.  Of an event: every text of
it, on its way to each kind of receiver.  Of a receiver: what it answers.
"""

import json
import re
import secrets
import time

import pytest

import openapi
import stack
from stack import PATH, RawTls, channel
from world import Site, World, arrivals, dev

MARK = "frgd" + secrets.token_hex(8)

# What is sent, behind something ordinary, as bytes.
EVIL = {
    "LF": b"a\nlevel=error prog=sigsentry-api ev=%s" % MARK.encode(),
    "CRLF and headers": b"a\r\nX-%s: 1\r\nSet-Cookie: %s=1" % (MARK.encode(), MARK.encode()),
    "CR": b"a\rX-%s: 1" % MARK.encode(),
    "CRLF twice": b"a\r\n\r\nHTTP/1.1 200 OK\r\nX-%s: 1\r\n\r\n" % MARK.encode(),
    "NUL": b"a\0%s" % MARK.encode(),
    "ANSI": b"\x1b[31m%s\x1b]0;title\x07\x1b[2J" % MARK.encode(),
    "C1": b"\x9b31m\x9d0;t\x9c",
    "backspaces": b"abc\x08\x08\x08\x7f",
    "line separators": "a\u2028b\u2029c\u0085d".encode(),
    "right to left": "a\u202eb\u2066c\ufeff".encode(),
    "not UTF-8": b"a\xff\xfe\xc0\xaf\xed\xa0\x80",
    "quotes and braces": b'"},"level":"error"} {"%s":"1' % MARK.encode(),
    "fields": b'x level=error ev=%s status=200' % MARK.encode(),
    "backslashes": b"\\x0a\\n\\\"\\",
    "percent": b"%%0d%%0aX-%s:%%201%%00%%1b[31m%%E2%%80%%A8" % MARK.encode(),
    "formats": b"%s%n%x%p ${jndi:ldap://127.0.0.1/a} $request_id {{7*7}} $(id) `id`",
    "long": b"A" * 7000,
    "very long": b"A" * 40000,
    "fields without end": b"a=" * 2000,
}
HEADERS = ["Authorization", "X-Project-Id", "Idempotency-Key", "Content-Type", "Content-Length", "Host", "X-Request-Id", "User-Agent",
           "X-Forwarded-For", "X-Real-IP", "Referer", "Accept", "Expect", "Transfer-Encoding", "Connection", "Cookie"]


def with_header(name):
    def made(key, evil):
        head = b"POST %s HTTP/1.1\r\n" % PATH.encode()
        body = json.dumps(channel("n")).encode()
        fields = {"Host": b"localhost", "Authorization": b"Bearer " + key, "Content-Type": b"application/json",
                  "Content-Length": b"%d" % len(body)}
        fields[name] = (fields.get(name, b"") + b" " + evil) if name not in ("X-Project-Id", "X-Request-Id") else evil
        return head + b"".join(b"%s: %s\r\n" % (k.encode(), v) for k, v in fields.items()) + b"\r\n" + body
    return made


def request(key, method=b"GET", path=PATH.encode(), version=b"HTTP/1.1", body=None):
    head = b"%s %s %s\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n" % (method, path, version, key)
    if body is not None:
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return head + b"\r\n" + (body or b"")


def escaped(evil):
    """As a JSON string's inside; bytes that are no UTF-8 stay."""
    return json.dumps(evil.decode("utf-8", "surrogateescape"), ensure_ascii=False)[1:-1].encode("utf-8", "surrogateescape")


GOOD = json.dumps(channel("n")).encode()
PLACES = {
    **{"header " + h: with_header(h) for h in HEADERS},
    "a header's name": lambda key, evil: request(key).replace(b"\r\nHost", b"\r\nX-" + evil + b": 1\r\nHost", 1),
    "method": lambda key, evil: request(key, method=b"GET" + evil),
    "version": lambda key, evil: request(key, version=b"HTTP/1.1" + evil),
    "path": lambda key, evil: request(key, path=b"/v1/" + evil),
    "id": lambda key, evil: request(key, path=PATH.encode() + b"/" + evil),
    "query": lambda key, evil: request(key, path=PATH.encode() + b"?page=" + evil),
    "a query's name": lambda key, evil: request(key, path=PATH.encode() + b"?" + evil + b"=1"),
    "name": lambda key, evil: request(key, b"POST", body=GOOD.replace(b'"n"', b'"%s"' % escaped(evil))),
    "name, raw": lambda key, evil: request(key, b"POST", body=GOOD.replace(b'"n"', b'"%s"' % evil)),
    "a field's name": lambda key, evil: request(key, b"POST", body=GOOD.replace(b'"name"', b'"%s":1,"name"' % escaped(evil))),
    "type": lambda key, evil: request(key, b"POST", body=GOOD.replace(b'"slack"', b'"%s"' % escaped(evil))),
    "URL": lambda key, evil: request(key, b"POST", body=GOOD.replace(b"/services/", b"/services/%s" % escaped(evil))),
    "event": lambda key, evil: request(key, b"POST", b"/v1/events", body=b'{"event":"%s","severity":"high","summary":"s"}' % escaped(evil)),
    "summary": lambda key, evil: request(key, b"POST", b"/v1/events", body=b'{"event":"x","severity":"info","summary":"%s"}' % escaped(evil)),
    "body": lambda key, evil: request(key, b"POST", body=evil),
}

# A line of our programs (src/base/log.h): printable ASCII, fields apart, values in quotes where they need them.
LINE = re.compile(r'(<\d>)?level=(error|warn|info|debug) prog=[a-z-]+ ev=[a-z_.]+'
                  r'( [a-z_]+=("(\\["\\]|\\x[0-9a-f]{2}|[ !#-\[\]-~])*"|[!#-<>-\[\]-~]+))*')


@pytest.fixture(scope="module")
def place():
    return stack.Place("enterprise", ("analysis:create", *stack.BOTH))


def look_through(logs, ids):
    """Of what was logged: every line is whole and of its form, none but ours; a request ended once, and only these did."""
    access = logs.text("sigsentry.log").splitlines()
    for line in access:
        entry = json.loads(line)
        assert set(entry) == {"time", "id", "client", "method", "path", "status", "bytes", "request_bytes", "duration_s", "upstream_s",
                              "upstream_status", "protocol", "tls", "key"}, line
        assert re.fullmatch(r"[!-~]*|\(no ASCII\)|\(a key\)", entry["path"]) and re.fullmatch("[ -~]+", line), line
    ours = [line for line in logs.text("api.log").split("\n") if line]
    for line in ours:
        assert LINE.fullmatch(line), line
        assert "ev=" + MARK not in line
    ended = [m[1] for line in ours if (m := re.search(r" ev=http\.end id=([0-9a-f]{32}) ", line + " "))]
    assert len(ended) == len(set(ended)) and len(access) >= len(ids)
    assert set(ended) <= {json.loads(line)["id"] for line in access}
    assert ids <= {json.loads(line)["id"] for line in access}
    for name in ("sigsentry-error.log", "nginx.log", "postgresql.log", "tls.log", "courier.log"):
        assert MARK not in logs.text(name), name


@pytest.mark.parametrize("place_of", PLACES)
def test_of_a_request(place, place_of):
    logs = stack.Logs()
    ids = set()
    for evil in EVIL.values():
        data = PLACES[place_of](place.key.encode(), evil)
        with RawTls(timeout=3) as t:
            t.sock.sendall(data)
            t.sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while (reply := answer_of(t)) is not None:
                check(reply)
                ids.add(reply.header("x-request-id"))
    assert ids
    assert stack.wait_for(lambda: ids <= {json.loads(line)["id"] for line in logs.text("sigsentry.log").splitlines()
                                          if line.endswith("}")}, 3)
    time.sleep(0.02)  # the service's own line comes behind its answer
    look_through(logs, ids)


@pytest.fixture(autouse=True)
def unlisted(monkeypatch):
    """What nginx takes for the request is not what was meant: it cannot be held against what was asked for."""
    monkeypatch.setattr(openapi, "check", lambda *_: None)


def answer_of(link):
    """The next answer, whichever request nginx saw; None where it has closed.  HTTP/0.9, a line feed in a path makes it one,
    has only the body."""
    try:
        if not (first := link.file.peek(5)).startswith(b"HTTP/") and first:
            json.loads(link.file.read())
            return None
        return link.reply()
    except (TimeoutError, OSError):
        return None


LISTED = {"x-request-id", "cache-control", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "location", "allow",
          "retry-after", "www-authenticate", "idempotency-replayed"} | openapi.ORDINARY


def check(reply):
    """No header that is not ours, none twice, and nothing of what was sent in one; the body is JSON, on one line."""
    names = [k for k, _ in reply.headers]
    assert set(names) <= LISTED and len(names) == len(set(names)), reply
    for k, v in reply.headers:
        assert MARK not in v and re.fullmatch("[ -~]*", v), reply
    assert re.fullmatch("[0-9a-f]{32}", reply.header("x-request-id")), reply
    assert not re.search(rb"[\x00-\x1f]", reply.body), reply
    if reply.body:
        json.loads(reply.body.decode("utf-8", "strict"))


def test_the_form_of_a_line_is_looked_at():
    """A line that was forged is seen, whichever way."""
    good = 'level=info prog=sigsentry-api ev=http.end id=ab code="a b\\x0a\\"" ms=1'
    assert LINE.fullmatch(good)
    for bad in (good + "\r", good + ' x="', good + ' x="a"b"', good.replace("a b", "a\x1bb"), good + " x=é", "x " + good, good + " x==y"):
        assert not LINE.fullmatch(bad), bad


# What reaches receivers ---------------------------------------------------------------------------------


MENTIONS = "<!channel> <!here> <@U1> <@&1> @everyone @here <users/all> <at>all</at> [x](http://e.example) </b><script>"
TEXT = ("s \r\nBcc: %s@example.com\r\nX-%s: 1\r\n\r\n<b>body</b> \x1b[31m \u2028\u2029\u202e \x7f " % (MARK, MARK)) + MENTIONS
EVENT = {
    "event": "analysis.complete", "analysisId": TEXT[:250], "severity": "critical", "summary": TEXT, "url": "https://app.example.com/a",
    "rootCause": {"description": TEXT, "service": TEXT[:200], "errorType": TEXT[:200], "category": TEXT[:200]},
    "affectedServices": [{"serviceName": TEXT[:200], "role": "origin", "errorCount": 3}, TEXT[:200]],
    "suggestedActions": [{"priority": 1, "action": TEXT, "rationale": TEXT, "type": "fix"}, TEXT], TEXT[:60]: TEXT}
PLAIN = {"event": "analysis.complete", "analysisId": "a", "severity": "critical", "summary": "s", "url": "https://app.example.com/a"}
VARIES = {"content-length", "webhook-id", "webhook-timestamp", "webhook-signature", "x-sigsentry-delivery", "x-sigsentry-signature",
          "message-id", "date", "content-type"}


@pytest.fixture(scope="module")
def world():
    dev("courier_stop")
    try:
        made = World()
        stack.sql("DELETE FROM sigsentry.queue")
        yield made
        made.end_couriers()
        made.close()
    finally:
        stack.sql("UPDATE sigsentry.tally_attempt SET last_at = now() - interval '1 hour' WHERE outcome = 'local'")
        dev("courier_start")


def texts(value, under=""):
    """Every string of a JSON value, with the name that it stands under."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from texts(v, k)
    elif isinstance(value, list):
        for v in value:
            yield from texts(v, under)
    elif isinstance(value, str):
        yield under, value


def mrkdwn(value):
    """The texts that Slack reads mentions and links out of."""
    if isinstance(value, dict):
        for k, v in value.items():
            if k == "text" and isinstance(v, str) and value.get("type") != "plain_text":
                yield v
            else:
                yield from mrkdwn(v)
    elif isinstance(value, list):
        for v in value:
            yield from mrkdwn(v)


@pytest.fixture(scope="module")
def sent(world):
    """What has reached each receiver: {kind: (of the plain event, of the evil one)}."""
    site = Site()
    kinds = ["slack", "teams", "discord", "google_chat", "webhook"]
    marks = {k: site.channel(k, **({"authHeader": "Bearer x", "hmacSecret": "s"} if k == "webhook" else {}))[1] for k in kinds}
    box = "%s@example.com" % stack.secret("box")
    site.mail(box)
    world.courier()
    found = {k: [] for k in (*kinds, "email")}
    for n, event in enumerate((PLAIN, EVENT), 1):
        site.publish(**event)
        for k, m in marks.items():
            found[k].append(arrivals(world, m, n)[n - 1])
        assert stack.wait_for(lambda n=n: len(world.relay.got(box)) >= n, 8)
        found["email"].append(world.relay.got(box)[n - 1])
    site.client.close()
    return found


@pytest.mark.parametrize("kind", ["slack", "teams", "discord", "google_chat", "webhook"])
def test_headers_to_receivers(sent, kind):
    """The same names in the same order, and the same values, as with an event of plain words; one JSON value for a body."""
    plain, evil = sent[kind]
    heads = [[(k.lower(), None if k.lower() in VARIES else v) for k, v in r.fields] for r in (plain, evil)]
    assert heads[0] == heads[1]
    assert (plain.path, plain.query.keys()) == (evil.path, evil.query.keys())
    assert MARK not in str(evil.fields)
    json.loads(evil.body)
    assert not re.search(rb"[\x00-\x1f]", evil.body), "controls are escaped"


def test_the_mail_has_no_header_more(world, sent):
    plain, evil = sent["email"]
    assert [k for k in plain.keys()] == [k for k in evil.keys()]
    for name in evil.keys():
        assert "\n" not in str(evil[name]) and "\r" not in str(evil[name]) and "\x1b" not in str(evil[name])
    assert evil["To"] == plain["To"] and not any(MARK in a for a in world.relay.asked)
    parts = [p.get_content_type() for p in evil.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]
    html = list(evil.walk())[2].get_content()
    assert "<script" not in html and "<b>body" not in html and "&lt;script&gt;" in html


def test_nobody_is_mentioned(sent):
    """Slack, Discord, Teams and Google Chat notify no one whom an event's text names."""
    slack = json.loads(sent["slack"][1].body)
    found = [t for t in mrkdwn(slack) if "channel" in t]
    assert found, "so that this test can fail"
    for text in found:
        assert not re.search(r"<[!@#]", text), text
    discord = json.loads(sent["discord"][1].body)
    assert discord["allowed_mentions"] == {"parse": []}
    teams = json.loads(sent["teams"][1].body)
    assert not [1 for name, _ in texts(teams) if name == "mentioned"] and "entities" not in json.dumps(teams)
    google = json.loads(sent["google_chat"][1].body)
    assert "<users/" not in google.get("text", "") and "<users/" not in google.get("fallbackText", "")


def test_of_a_receivers_answer(world):
    """What a receiver or a relay says of it stands in the courier's log and in the history as a value, and not as a line."""
    site = Site()
    hook, mark = site.channel("webhook")
    box = "%s@example.com" % stack.secret("evil")
    mail = site.mail(box)
    evil = b"".join(v for k, v in EVIL.items() if "long" not in k)
    world.sink.script(mark, (410, evil, {"Content-Type": "x/y; \x1b[31m" + MARK, "X-" + MARK: "1"}))
    world.relay.scripts[box] = ["550 5.1.1 \x1b[31m level=error ev=%s \"quoted\"" % MARK]
    world.end_couriers()  # so that the one whose log is looked at is the only one
    made = world.courier()
    site.publish()
    ended = [site.one(hook), site.one(mail)]
    assert [e["status"] for e in ended] == ["failed", "failed"]
    assert MARK in ended[0]["attemptList"][0]["responseExcerpt"], "so that this test can fail"
    lines = [line for line in made.log.read_bytes().decode("latin-1").split("\n") if line]
    assert len([line for line in lines if "status" in line or "outcome" in line]) >= 2, lines
    for line in lines:
        assert LINE.fullmatch(line), line
        assert not re.search(r"(^| )ev=%s" % MARK, line.split('"')[0]), line
