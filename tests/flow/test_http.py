"""Goal: whatever HTTP a client speaks, well or badly, the service answers in JSON, with its headers, and lives on.

Routes and methods, media types and sizes, all that JSON forbids, kept and cut connections, HTTP/2, TLS,
the errors that nginx makes itself, and the limit per address in front (contract §1, §3, §6).
"""

import asyncio
import gzip
import json
import pathlib
import re
import secrets
import socket
import ssl
import time

import httpx
import pytest

import openapi
import stack
from stack import PATH, RawTls, channel, created, error, issues, ok, raw_request, secret

# Routes and methods ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [
    "/", "/v1", "/v1/", "/v2/config/notifications", "/config/notifications", "/v1/config", "/v1/config/",
    "/v1/config/notification",
    "/v1/config/notificationss", PATH + "/", PATH + "//", "//v1/config/notifications", "/v1//config/notifications",
    "/V1/config/notifications", "/v1/Config/Notifications", PATH + ";x=1", PATH + "%20", PATH + ".", PATH + "/a/b/c/d",
    "/v1/config/%2e/notifications", "/v1/x/%2e%2e/config/notifications", "/v1/config%2fnotifications",
    "/.err", "/v1/../.err", "/index.html", "/.git/config", "/nginx_status", PATH + "%e9", PATH + "%C3%A9",
])
def test_unknown_route(client, path):
    error(client.post(channel(), path=path), 404, "NOT_FOUND")
    error(client.send("GET", path=path), 404, "NOT_FOUND")


@pytest.mark.parametrize("query", ["?", "?x=1", "?dryRun=true&name=y", "?x=%00", "?" + "a" * 4000, "?/../"])
def test_query_is_ignored(client, query):
    created(client.post(channel(), path=PATH + query))


@pytest.mark.parametrize("method", ["DELETE", "PROPFIND", "OPTIONS", "SEARCH", "X"])
def test_method_not_allowed(client, method):
    reply = client.send(method)
    error(reply, 405, "METHOD_NOT_ALLOWED")
    assert "POST" in re.split(", *", reply.header("allow")), reply


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_nginx_refuses(shared, method):
    """TRACE would show a key to a script; whatever the path, the answer is JSON and shows nothing."""
    with RawTls() as t:
        t.send(raw_request(shared.key, method=method, path=PATH))
        reply = t.reply()
    assert reply.status in (400, 405), reply
    error(reply, reply.status, {400: "BAD_REQUEST", 405: "METHOD_NOT_ALLOWED"}[reply.status])
    assert shared.key.encode() not in reply.body


def test_head(client):
    """As GET, without a body."""
    for path in (PATH, "/v1/nothing"):
        get, head = client.send("GET", path=path), client.send("HEAD", path=path)
        assert head.body == b"" and head.status == get.status
        for name in ("content-type", "cache-control", "allow"):
            assert head.header(name) == get.header(name)


# Media types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("media", [
    "application/json", "application/json;charset=utf-8", "application/json; charset=utf-8",
    "application/json; charset=UTF-8",
    "Application/JSON", 'application/json; charset="utf-8"', "application/json ; charset=utf-8",
    "application/json; Charset=utf-8"])
def test_good_media_type(client, media):
    created(client.post(channel(), content_type=media))


@pytest.mark.parametrize("media", [
    None, "", "text/plain", "text/json", "application/jsonp", "application/jso", "application/problem+json",
    "application/*", "*/*",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "json", "application",
    "application/json; charset=iso-8859-1", "application/json; charset=utf-16", "application/json; charset=utf-8x",
    "application/json, text/plain", "text/plain; application/json"])
def test_bad_media_type(client, media):
    error(client.post(channel(), content_type=media), 415, "UNSUPPORTED_MEDIA_TYPE")


# Sizes ----------------------------------------------------------------------------------------------


def padded(n):
    """A good body of ${n} bytes."""
    text = json.dumps(channel()).encode()
    return text[:-1] + b" " * (n - len(text)) + b"}"


def chunked(data, size=1000):
    parts = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def send_chunked(key, body, size=1000):
    with RawTls() as t:
        t.send(raw_request(key, length="", headers=[("Transfer-Encoding", "chunked"),
                                                    ("Content-Type", "application/json")]))
        try:
            t.send(chunked(body, size))
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # refused before the end
        return t.reply()


def test_largest_body(client):
    created(client.post(padded(65536)))


@pytest.mark.parametrize("n", [65537, 70000, 300000])
def test_too_large(client, n):
    error(client.post(padded(n)), 413, "PAYLOAD_TOO_LARGE")


def test_too_large_comes_before_all(client):
    """nginx refuses it, whoever sends it."""
    with stack.Client() as c:
        error(c.post(padded(65537)), 413, "PAYLOAD_TOO_LARGE")
        error(c.post(padded(65537), key="tb_x", content_type="text/plain"), 413, "PAYLOAD_TOO_LARGE")


def test_chunked_sizes(shared):
    created(send_chunked(shared.key, padded(400)))
    created(send_chunked(shared.key, padded(400), size=1))
    created(send_chunked(shared.key, padded(65536)))
    error(send_chunked(shared.key, padded(65537)), 413, "PAYLOAD_TOO_LARGE")
    assert issues(send_chunked(shared.key, b"")) == [("", "json")]


def test_announced_but_not_sent(shared):
    """A giant Content-Length is refused at once, without waiting for its bytes."""
    with RawTls(timeout=5) as t:
        t.send(raw_request(shared.key, length=10 ** 12))
        error(t.reply(), 413, "PAYLOAD_TOO_LARGE")


def test_compressed_body(client):
    """Content-Encoding is not spoken: refused, whichever way, and never taken as text."""
    reply = client.post(gzip.compress(json.dumps(channel()).encode()), headers=[("Content-Encoding", "gzip")])
    assert reply.status in (400, 415), reply
    error(reply, reply.status, reply.json()["error"]["code"])


# JSON -----------------------------------------------------------------------------------------------

GOOD = json.dumps(channel())


def with_name(text):
    """A good body with this JSON text as its name."""
    return (b'{"type":"slack","credentials":{"webhookUrl":"https://hooks.slack.com/services/T"},'
            b'"severityThreshold":"low","name":' + text + b"}")


NOT_JSON = [
    ("empty", b""),
    ("white space", b" \r\n\t"),
    ("word", b"hello"),
    ("cut", GOOD.encode()[:-1]),
    ("cut in a string", GOOD.encode()[:20]),
    ("two values", GOOD.encode() * 2),
    ("behind it", GOOD.encode() + b"x"),
    ("a comma behind it", GOOD.encode() + b","),
    ("form feed", b"\x0c" + GOOD.encode()),
    ("NUL behind it", GOOD.encode() + b"\0"),
    ("NUL before it", b"\0" + GOOD.encode()),
    ("BOM", b"\xef\xbb\xbf" + GOOD.encode()),
    ("UTF-16", GOOD.encode("utf-16")),
    ("UTF-16LE", GOOD.encode("utf-16-le")),
    ("UTF-32", GOOD.encode("utf-32")),
    ("gzip", gzip.compress(GOOD.encode())),
    ("form", b"type=slack&name=x"),
    ("comment", b"/* x */" + GOOD.encode()),
    ("line comment", b"// x\n" + GOOD.encode()),
    ("single quotes", GOOD.replace('"', "'").encode()),
    ("bare name", b"{type:1}"),
    ("trailing comma", GOOD.encode()[:-1] + b",}"),
    ("trailing comma in array", b'{"x":[1,]}'),
    ("leading comma", b'{,"x":1}'),
    ("missing comma", b'{"x":1 "y":2}'),
    ("missing colon", b'{"x" 1}'),
    ("NaN", with_name(b"NaN")),
    ("Infinity", with_name(b"-Infinity")),
    ("True", with_name(b"True")),
    ("TRUE", with_name(b"TRUE")),
    ("leading zero", with_name(b"01")),
    ("minus zero one", with_name(b"-01")),
    ("plus", with_name(b"+1")),
    ("dot first", with_name(b".5")),
    ("dot last", with_name(b"5.")),
    ("exponent cut", with_name(b"1e")),
    ("hex", with_name(b"0x10")),
    ("minus alone", with_name(b"-")),
    ("raw line feed", with_name(b'"a\nb"')),
    ("raw tab", with_name(b'"a\tb"')),
    ("raw NUL", with_name(b'"a\0b"')),
    ("raw control", with_name(b'"a\x1fb"')),
    ("escaped NUL", with_name(b'"a\\u0000b"')),
    ("escaped NUL in a name", GOOD.encode()[:-1] + b',"a\\u0000":1}'),
    ("unknown escape", with_name(b'"\\x41"')),
    ("escaped quote", with_name(b"\"\\'\"")),
    ("short escape", with_name(b'"\\u12"')),
    ("escape without hex", with_name(b'"\\u12g4"')),
    ("escape at the end", with_name(b'"\\')),
    ("high surrogate", with_name(b'"\\ud800"')),
    ("low surrogate", with_name(b'"\\udc00"')),
    ("high high", with_name(b'"\\ud800\\ud800"')),
    ("swapped", with_name(b'"\\udc00\\ud800"')),
    ("high then letter", with_name(b'"\\ud83dx"')),
    ("high then other escape", with_name(b'"\\ud83d\\n"')),
    ("lone continuation", with_name(b'"\x80"')),
    ("cut sequence", with_name(b'"\xc3"')),
    ("latin-1", with_name("\"é\"".encode("latin-1"))),
    ("overlong slash", with_name(b'"\xc0\xaf"')),
    ("overlong NUL", with_name(b'"\xc0\x80"')),
    ("overlong of three", with_name(b'"\xe0\x80\xaf"')),
    ("overlong of four", with_name(b'"\xf0\x80\x80\xaf"')),
    ("surrogate in UTF-8", with_name(b'"\xed\xa0\x80"')),
    ("CESU-8", with_name(b'"\xed\xa0\xbd\xed\xb4\x94"')),
    ("beyond U+10FFFF", with_name(b'"\xf4\x90\x80\x80"')),
    ("five bytes", with_name(b'"\xf8\x88\x80\x80\x80"')),
    ("FE", with_name(b'"\xfe"')),
    ("FF", with_name(b'"\xff"')),
    ("not UTF-8 in a name", b'{"\xff":1}'),
    ("not UTF-8 outside", GOOD.encode() + b"\xff"),
]


@pytest.mark.parametrize("body", [r[1] for r in NOT_JSON], ids=[r[0] for r in NOT_JSON])
def test_not_json(client, body):
    found = error(client.post(body), 400, "VALIDATION_ERROR")["issues"]
    assert [i["code"] for i in found] == ["json"], found


@pytest.mark.parametrize("body", [b"[]", b"[{}]", b'"x"', b"1", b"true", b"false", b"null", b"-0.5e+10", b'"{}"'])
def test_no_object(client, body):
    (path, code), = issues(client.post(body))
    assert path == "" and code in ("type", "json")


def test_no_body_at_all(client):
    """Neither Content-Length nor body, but a media type: an empty body is no JSON."""
    reply = client.send("POST", headers=[("Content-Type", "application/json")])
    assert issues(reply) == [("", "json")]


def test_a_fault_says_where(client):
    """Line and column, or the like, of the first fault: a number that moves with it."""
    message = error(client.post(b'{\n  "type": "slack",\n  "name": x }'), 400,
                    "VALIDATION_ERROR")["issues"][0]["message"]
    assert "3" in message, message


@pytest.mark.parametrize("containers,codes", [(16, {"unknown"}), (17, {"json"}), (18, {"json"}), (8000, {"json"})])
@pytest.mark.parametrize("kind", ["array", "object", "mixed"])
def test_depth(client, containers, codes, kind):
    """The body's own object counts as one."""
    n = containers - 1
    nested = {
        "array": b"[" * n + b"]" * n,
        "object": b'{"a":' * n + b"1" + b"}" * n,
        "mixed": b'[{"a":' * (n // 2) + (b"[" if n % 2 else b"") + b"1" + (b"]" if n % 2 else b"") + b"}]" * (n // 2),
    }[kind]
    body = b'{"x":' + nested + b"," + GOOD.encode()[1:]
    assert {c for _, c in issues(client.post(body))} == codes


def test_depth_unclosed(client):
    assert {c for _, c in issues(client.post(b"[" * 60000))} == {"json"}


REPEATED = [
    ("at the top", b'{"type":"slack","type":"slack"}', "type"),
    ("in credentials", b'{"credentials":{"webhookUrl":"a","webhookUrl":"b"}}', "credentials.webhookUrl"),
    ("escaped", b'{"name":"a","n\\u0061me":"b"}', "name"),
    ("unknown name", b'{"zzz":1,"zzz":2}', "zzz"),
    ("empty name", b'{"":1,"":2}', None),
    ("with another between", b'{"name":"a","type":"slack","name":"a"}', "name"),
    ("deep", b'{"x":{"y":[{"z":1,"z":1}]}}', None),
]


@pytest.mark.parametrize("body,path", [r[1:] for r in REPEATED], ids=[r[0] for r in REPEATED])
def test_repeated_name(client, body, path):
    (where, code), = issues(client.post(body))
    assert code == "duplicate"
    assert path is None or where == path


def test_same_name_in_other_objects(client):
    reply = client.post(channel(credentials={"webhookUrl": "https://hooks.slack.com/services/x", "name": "x"}))
    assert issues(reply) == [("credentials.name", "unknown")]


def test_names_that_begin_alike(client):
    body = channel(nam=1, names=2)
    assert issues(client.post(body)) == [("nam", "unknown"), ("names", "unknown")]


def test_large_numbers(client):
    for text in (b"1e999999", b"-1E-999999", b"9" * 5000, b"0." + b"1" * 5000):
        assert issues(client.post(with_name(text))) == [("name", "type")]


# Connections ----------------------------------------------------------------------------------------


def test_kept_connection(shared):
    with RawTls() as t:
        for _ in range(3):
            t.send(raw_request(shared.key, channel()))
            created(t.reply())
        t.send(raw_request(shared.key, b"{}"))
        issues(t.reply())
        t.send(raw_request(shared.key, channel(), headers=[("Connection", "close")]))
        created(t.reply())
        assert t.at_end()


def test_pipelining(shared):
    """Several requests in one piece, good and bad: as many answers, in their order."""
    bodies = [channel("first"), b"{}", channel("second"), b"", channel("third")]
    with RawTls() as t:
        t.send(b"".join(raw_request(shared.key, b, length=None if b else 0) for b in bodies))
        replies = [t.reply() for _ in bodies]
    assert [r.status for r in replies] == [201, 400, 201, 400, 201]
    names = [stack.channel_row(created(replies[i]))["name"] for i in (0, 2, 4)]
    assert names == ["first", "second", "third"]
    assert len({r.header("x-request-id") for r in replies}) == 5


def test_http10(shared):
    with RawTls() as t:
        t.send(raw_request(shared.key, channel(), version="HTTP/1.0"))
        created(t.reply())
        assert t.at_end()


def test_http2_streams(shared):
    """Twenty requests at once on one HTTP/2 connection."""
    bodies = [channel("h2 %d" % i) if i % 4 else {} for i in range(20)]

    async def run():
        headers = {"Authorization": "Bearer " + shared.key, "X-Request-Id": stack.OWN_REQUEST_ID}
        async with httpx.AsyncClient(http2=True, verify=stack.env("SIGSENTRY_CACERT"), headers=headers,
                                     timeout=20) as c:
            url = "https://localhost:%d%s" % (stack.port(), PATH)
            return await asyncio.gather(*(c.post(url, json=b) for b in bodies))

    answers = asyncio.run(run())
    assert {a.http_version for a in answers} == {"HTTP/2"}
    replies = [stack.Reply(a.status_code, a.headers.multi_items(), a.content) for a in answers]
    for i, reply in enumerate(replies):
        openapi.check("POST", PATH, reply, json.dumps(bodies[i]))
        if i % 4:
            assert stack.channel_row(created(reply))["name"] == "h2 %d" % i
        else:
            assert len(issues(reply)) == 4


def test_http2_errors_of_nginx(shared):
    with httpx.Client(http2=True, verify=stack.env("SIGSENTRY_CACERT"), timeout=20) as c:
        base = "https://localhost:%d" % stack.port()
        for path, length, status, code in [("/nothing", "1", 404, "NOT_FOUND"),
                                           ("/" + "x" * 9000, "1", 414, "URI_TOO_LONG"),
                                           (PATH, "65537", 413, "PAYLOAD_TOO_LARGE")]:
            a = c.post(base + path, content=b"x", headers={"X-Request-Id": stack.OWN_REQUEST_ID,
                                                           "Content-Length": length})
            assert a.http_version == "HTTP/2"
            reply = stack.Reply(a.status_code, a.headers.multi_items(), a.content)
            openapi.check("POST", path, reply)
            error(reply, status, code)


def test_slow_client(shared):
    """A request that comes byte by byte is answered like any other; meanwhile others are served at once."""
    data = raw_request(shared.key, channel("slow"))
    with RawTls() as t, stack.Client(shared.key) as quick:
        slowest = 0
        for i in range(len(data)):
            t.send(data[i:i + 1])
            time.sleep(0.001)
            if i % 50 == 0:
                began = time.monotonic()
                created(quick.post(channel()))
                slowest = max(slowest, time.monotonic() - began)
        assert stack.channel_row(created(t.reply()))["name"] == "slow"
        assert slowest < 1


def test_many_silent_clients(shared):
    """Connections that send half a request and wait hold no worker."""
    half = raw_request(shared.key, channel())[:-20]
    open_ones = [RawTls() for _ in range(20)]
    try:
        for t in open_ones:
            t.send(half)
        with stack.Client(shared.key) as c:
            for _ in range(8):
                began = time.monotonic()
                created(c.post(channel()))
                assert time.monotonic() - began < 1
    finally:
        for t in open_ones:
            t.close()


def rows_named(place, name):
    return stack.sql("SELECT id FROM sigsentry.channel WHERE project_id = %s AND name = %s", place.project, name)


@pytest.mark.parametrize("how,until,status", [("in the header", 60, "400"), ("in the body", -30, "400"),
                                              ("before the answer", None, "(499|201)")])
def test_cut_client(shared, logs, how, until, status):
    """A client that goes away leaves a log line, no row of half a request, and the next request works.

    Its line is told from those of others by the bytes that nginx took: of a head, whole lines alone.
    """
    name = "cut " + secrets.token_hex(8)
    sent = raw_request(shared.key, channel(name), headers=[("X-Padding", "x" * (100 + secrets.randbelow(900)))])[:until]
    taken = len(sent) if b"\r\n\r\n" in sent else sent.rindex(b"\r\n") + 2
    pids = stack.workers()
    with RawTls() as t:
        t.send(sent)
    line = logs.wait(r'"path":"%s","status":%s,.*"request_bytes":%d,' % (PATH, status, taken), only="sigsentry.log")
    assert len(line) == 1, "no line tells of it: %s" % logs.text("sigsentry.log")
    with stack.Client(shared.key) as c:
        for _ in range(8):  # by now each worker has done what it was given before
            created(c.post(channel()))
    assert len(rows_named(shared, name)) <= (1 if how == "before the answer" else 0)
    assert stack.workers() == pids


def test_cut_in_the_handshake(client):
    pids = stack.workers()
    with socket.create_connection(("127.0.0.1", stack.port())) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
    created(client.post(channel()))
    assert stack.workers() == pids


def test_content_length_too_long(shared):
    """More is announced than comes before the client closes its side: nothing is written."""
    body = json.dumps(channel("lied longer")).encode()
    with RawTls(timeout=5) as t:
        t.send(raw_request(shared.key, body, length=len(body) + 10))
        socket.socket.shutdown(t.sock, socket.SHUT_WR)  # SSLSocket's own would forget the TLS session
        reply = t.reply()
        assert reply is None or reply.status == 400, reply
    assert stack.sql("SELECT 1 FROM sigsentry.channel WHERE project_id = %s AND name = 'lied longer'",
                     shared.project) == []


def test_content_length_too_short(shared):
    """The body ends where Content-Length says; what follows is no request."""
    body = json.dumps(channel()).encode()
    with RawTls(timeout=5) as t:
        t.send(raw_request(shared.key, body, length=len(body) - 5))
        assert issues(t.reply()) == [("", "json")]
        second = t.reply()
        if second is not None:
            error(second, 400, "BAD_REQUEST")


def test_expect_continue(shared):
    body = json.dumps(channel()).encode()
    with RawTls() as t:
        head = raw_request(shared.key, b"", length=len(body), headers=[("Expect", "100-continue")])
        t.send(head)
        assert t.reply().status == 100
        t.send(body)
        created(t.reply())


# Errors that nginx makes itself ----------------------------------------------------------------------


def one_raw(data, **options):
    with RawTls(timeout=5, **options) as t:
        t.send(data)
        return t.reply()


BAD_REQUESTS = [
    ("request line", b"POST\r\nHost: localhost\r\n\r\n"),
    ("garbage", b"\x01\x02\x03\r\n\r\n"),
    ("lower-case method", b"post /v1/config/notifications HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("version", b"POST /v1/config/notifications HTTX/1.1\r\nHost: localhost\r\n\r\n"),
    ("NUL in the path", b"GET /v1/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("NUL behind the path", b"POST /v1/config/notifications%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("percent", b"GET /v1/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("above the root", b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n"),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"),
    ("bad Host", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("two lengths",
     b"POST /v1/config/notifications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    ("negative length", b"POST /v1/config/notifications HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"),
    ("length is no number",
     b"POST /v1/config/notifications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x2\r\n\r\n{}"),
    ("length and chunked", b"POST /v1/config/notifications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("bad chunk",
     b"POST /v1/config/notifications HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ("control in a header", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n"),
]


@pytest.mark.parametrize("data", [r[1] for r in BAD_REQUESTS], ids=[r[0] for r in BAD_REQUESTS])
def test_bad_request(data):
    error(one_raw(data), 400, "BAD_REQUEST")


def test_uri_too_long(shared):
    error(one_raw(raw_request(shared.key, path="/v1/" + "x" * 70000)), 414, "URI_TOO_LONG")


def test_headers_too_large(shared):
    error(one_raw(raw_request(shared.key, headers=[("X-Long", "x" * 70000)])), 431, "HEADERS_TOO_LARGE")
    error(one_raw(raw_request(shared.key, headers=[("X-%d" % i, "x" * 4000) for i in range(30)])), 431,
          "HEADERS_TOO_LARGE")


def test_plain_http_on_the_tls_port():
    with RawTls(plain=True) as t:
        t.send(raw_request(None))
        error(t.reply(), 400, "HTTPS_REQUIRED")


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "evil.localhost"])
def test_unknown_host(shared, host):
    error(one_raw(raw_request(shared.key, channel(), host=host)), 404, "NOT_FOUND")


def test_no_host_in_http10(shared):
    error(one_raw(raw_request(shared.key, channel(), host=None, version="HTTP/1.0")), 404, "NOT_FOUND")


def test_unknown_transfer_encoding(shared):
    error(one_raw(raw_request(shared.key, length="", headers=[("Transfer-Encoding", "gzip")])), 501, "NOT_SUPPORTED")


def test_http_version(shared):
    error(one_raw(raw_request(shared.key, version="HTTP/9.9")), 505, "NOT_SUPPORTED")


def test_plain_port_redirects():
    """Plain HTTP is only the way to HTTPS."""
    with RawTls(plain=True, to=int(stack.env("SIGSENTRY_HTTP_PORT"))) as t:
        t.send(raw_request(None, method="GET"))
        reply = t.reply()
    assert reply.status in (301, 308), reply
    assert re.match(r"https://localhost(:\d+)?" + PATH + "$", reply.header("location")), reply
    assert reply.header("strict-transport-security") is None, "RFC 6797 §7.2: not over plain HTTP"
    assert re.fullmatch("[0-9a-f]{32}", reply.header("x-request-id"))
    assert reply.header("cache-control") == "no-store"


# TLS and headers ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_tls_is_refused(version):
    context = stack.tls_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion[version]
    with pytest.raises((ssl.SSLError, ConnectionResetError)) as refused:
        RawTls(context)
    assert "NO_PROTOCOLS_AVAILABLE" not in str(refused.value), "our own side did not try"


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_new_tls(version):
    context = stack.tls_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with RawTls(context) as t:
        assert t.sock.version().replace(".", "_") == version
        t.send(raw_request(None))
        error(t.reply(), 401, "UNAUTHORIZED")


def test_security_headers(shared, client):
    """On answers of the service and of nginx alike."""
    replies = [client.post(channel()), client.post(b"{}"), client.send("DELETE"), client.send("GET", path="/nothing"),
               client.post(padded(65537)), one_raw(raw_request(None, host="example.com")), one_raw(b"\x01\r\n\r\n")]
    for reply in replies:
        assert int(re.match(r"max-age=(\d+)", reply.header("strict-transport-security"))[1]) >= 31536000, reply
        assert reply.header("x-content-type-options") == "nosniff", reply
        assert "default-src 'none'" in reply.header("content-security-policy"), reply
        assert not re.search(r"\d", reply.header("server") or ""), "the web server's version is shown"
        assert reply.header("x-powered-by") is None


def test_request_ids(client):
    """Each request has its own; what the client sends is not taken over, whatever it is called."""
    ids = {client.post(b"{}").header("x-request-id") for _ in range(20)}
    assert len(ids) == 20
    for value in ("x", stack.OWN_REQUEST_ID, "0" * 32, secret()):
        reply = client.send("GET", path="/v1/nothing", headers=[("Request-Id", value), ("X-Request-Id", value)])
        stack.check_common(reply, 404, sent_id=value)


def test_request_id_is_in_the_logs(client, logs):
    """The id leads from an answer to nginx's line and to the service's."""
    request_id = client.post(channel()).header("x-request-id")
    assert stack.wait_for(lambda: len(logs.lines(request_id)) >= 2, 3), "in fewer than two log lines"


def access_log():
    """The lines of nginx's access log, as bytes."""
    return pathlib.Path(stack.env("SIGSENTRY_LOG"), "sigsentry.log").read_bytes().splitlines()


ODD_LINES = [b"GET /v1/\xff\xfe", b"GET /v1/\xc3\xa9?x", b'GET /v1/"\\', b"GET /v1/\xed\xa0\x80", b"GET /v1/\x7f",
             b"GET /v1/\x01", b"GET /v1/\xf0\x9f", b'X"Y /v1/', b"\xff\xfe /v1/"]


@pytest.mark.parametrize("line", ODD_LINES)
def test_access_log_is_json(line):
    """Whatever bytes a path is made of, its line is JSON in UTF-8."""
    before = len(access_log())
    one_raw(line + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert stack.wait_for(lambda: len(access_log()) > before, 3)
    for text in access_log()[before:]:
        assert {"id", "path", "status"} <= set(json.loads(text.decode("utf-8", "strict")))


def test_log_line_of_a_refusal(client, logs):
    """Codes and known paths are logged; messages and values are not."""
    mark = secret("refused")
    reply = client.post(channel(name="", **{stack.NAMED: mark}))
    assert issues(reply) == [("name", "length"), (stack.NAMED, "unknown")]
    lines = stack.wait_for(lambda: logs.lines(reply.header("x-request-id") + ".*name:length"), 3)
    assert lines, logs.text()[-2000:]


# The limit per address in front ---------------------------------------------------------------------


def flood(address, key=None, n=450, extra=(), path=PATH):
    """${n} requests from a public address on one connection; all answers and the seconds that it took.

    A thread that sends while another reads would be faster, but OpenSSL's connections are for one thread at a time.
    """
    family = "TCP6 %s ::1" if ":" in str(address) else "TCP4 %s 127.0.0.1"
    line = b"PROXY %s 40000 443\r\n" % (family % address).encode() if address else None
    replies, batch = [], 25
    began = time.monotonic()
    with RawTls(proxy=line, timeout=20) as t:
        request = raw_request(key, b"{}", headers=extra, path=path)
        while len(replies) < n:
            t.send(request * min(batch, n - len(replies)))
            got = [t.reply() for _ in range(min(batch, n - len(replies)))]
            assert None not in got, "closed after %d answers" % len(replies)
            replies += got
    return replies, time.monotonic() - began


def other_address():
    """A public address that no earlier run used, as far as chance goes."""
    n = int.from_bytes(bytes.fromhex(secret()[-8:]), "big")
    return "11.%d.%d.%d" % (n >> 16 & 255, n >> 8 & 255, n & 255 or 1)


@pytest.mark.parametrize("name,key", [("no key", None), ("malformed key", "ss_secret_short"), ("legacy key", "tb_abc")])
def test_guessing_is_limited(name, key):
    """100 a second and a burst of 200; then 429 in JSON with Retry-After."""
    replies, seconds = flood(other_address(), key)
    assert len(replies) == 450
    refused = [r for r in replies if r.status == 429]
    served = [r for r in replies if r.status == 401]
    assert len(refused) + len(served) == 450
    for r in refused[:20]:
        error(r, 429, "RATE_LIMITED")
    assert {r.status for r in replies[:200]} == {401}, "the burst is 200"
    assert 200 <= len(served) <= 202 + 100 * seconds, (len(served), seconds)
    assert refused


def test_a_well_formed_key_is_not_limited_here(shared):
    replies, _ = flood(other_address(), shared.key)
    assert {r.status for r in replies} == {400} and len(replies) == 450


def test_loopback_is_exempt():
    assert {r.status for r in flood(None)[0]} == {401}
    assert {r.status for r in flood("127.0.0.1")[0]} == {401}


def test_one_address_does_not_limit_another():
    guilty, innocent = other_address(), other_address()
    replies, _ = flood(guilty)
    assert 429 in {r.status for r in replies}
    assert {r.status for r in flood(innocent, n=20)[0]} == {401}


def test_one_limit_for_a_whole_64():
    """An IPv6 client has 2^64 addresses to itself; they share one limit, and the next network has its own."""
    network = "2a00:%x:%x:" % (int(secret()[-4:], 16), int(secret()[-4:], 16))
    replies, _ = flood(network + "1::1")
    assert 429 in {r.status for r in replies}
    replies, _ = flood(network + "1:2:3:4:5", n=100)
    assert 429 in {r.status for r in replies}
    assert {r.status for r in flood(network + "2::1", n=20)[0]} == {401}


def test_a_refused_query_is_not_logged(logs):
    """nginx's own words about a refusal would hold the whole request line."""
    mark = secret("query")
    replies, _ = flood(other_address(), path="%s?key=%s" % (PATH, mark))
    assert 429 in {r.status for r in replies}
    assert logs.wait('"status":429')
    assert not logs.lines(mark)


def test_forwarded_for_is_not_believed():
    """A header cannot change who is asking."""
    replies, _ = flood(other_address(), extra=[("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1"),
                                               ("Forwarded", "for=127.0.0.1")])
    assert 429 in {r.status for r in replies}


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_the_inside_is_told_on_the_machine_alone(client, path):
    """From elsewhere nginx refuses, before the service is asked."""
    with RawTls(proxy=b"PROXY TCP4 11.22.33.44 127.0.0.1 40000 443\r\n") as t:
        t.send(raw_request(client.key, method="GET", path=path))
        error(t.reply(), 403, "FORBIDDEN")
    assert client.send("GET", path=path).status == 200


def test_works_through_the_proxy_port(shared):
    with RawTls(proxy=b"PROXY TCP4 11.22.33.44 127.0.0.1 40000 443\r\n") as t:
        t.send(raw_request(shared.key, channel()))
        created(t.reply())


def test_nothing_else_failed(client):
    """After all of the above, the service still does what it is for."""
    assert ok(client.post(channel()), 201)
