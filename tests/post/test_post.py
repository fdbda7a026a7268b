"""Goal: what leaves goes only where it may, over TLS that verifies, within its time and memory; and whatever the other
side does, the right one of the five words comes out and no secret.  Real servers, on the loopback."""

import asyncio
import collections
import email
import pathlib
import time

import pytest
import servers
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

# What a receiver does, and what becomes of it.


@pytest.mark.parametrize(
    "path, way, outcome, status",
    [
        ("/status/200", "answered", "ok", 200),
        ("/status/204", "answered", "ok", 204),
        ("/status/404", "answered", "retry", 404),
        ("/status/410", "answered", "gone", 410),
        ("/status/500", "answered", "retry", 500),
        ("/redirect", "answered", "retry", 302),
        ("/endless/200", "answered", "ok", 200),
        ("/endless/500", "answered", "retry", 500),
        ("/bomb", "answered", "ok", 200),
        ("/chunkbomb", "answered", "ok", 200),
        ("/endlesshead", "large", "retry", 200),
        ("/endlessline", "large", "retry", 200),
        ("/never", "timeout", "retry", 0),
        ("/dripbody", "timeout", "retry", 200),
        ("/driphead", "timeout", "retry", 200),
        ("/cut", "cut", "retry", 200),
        ("/empty", "cut", "retry", 0),
        ("/reset", "cut", "retry", 0),
        ("/old", "cut", "retry", 0),
    ],
)
def test_receiver(post, send, sink, path, way, outcome, status):
    began = time.monotonic()
    r = send(path)
    assert (r["way"], r["outcome"], r["status"]) == (way, outcome, status), r
    assert time.monotonic() - began < 4
    assert r["body_len"] <= 16384
    assert (r["reason"] == "") == (outcome == "ok")
    assert len(sink.requests) == 1  # no redirect was followed, nothing sent twice
    assert r["peer"] == "127.0.0.1"
    assert post.end["maxrss_kib"] < 120 * 1024


@pytest.mark.parametrize(
    "type, path, outcome, reason",
    [
        ("slack", "/status/200/ok", "ok", ""),
        ("slack", "/status/200/okay", "refused", "ok"),
        ("slack", "/status/404/no_service", "gone", "no_service"),
        ("slack", "/status/403/invalid_token", "refused", "invalid_token"),
        ("slack", "/redirect", "refused", "302"),
        ("discord", '/status/404/{"code":10015}', "gone", "10015"),
        ("discord", '/status/429/{"retry_after":1.5}', "retry", "429"),
        ("google_chat", "/status/200/{}", "ok", ""),
        ("google_chat", "/status/404", "refused", "404"),
        ("teams", "/status/202", "ok", ""),
    ],
)
def test_platform(send, type, path, outcome, reason):
    r = send(path, type=type)
    assert r["outcome"] == outcome and reason in r["reason"], r
    if "retry_after" in path:
        assert r["wait_ms"] == 1500


def test_teams_legacy_host_is_known(post, sink):
    pin = "egress_connect_to=x.webhook.office.com:443:127.0.0.1:%d" % sink.port
    jobs = [{"type": "teams", "url": "https://X.webhook.office.com/status/200/%d" % n, "body": ""} for n in (1, 2)]
    assert [r["outcome"] for r in post(jobs, pin)] == ["ok", "refused"]


def test_retry_after(send):
    assert send("/wait/120")["wait_ms"] == 120000
    stamp = time.strftime("%a,_%d_%b_%Y_%H:%M:%S_GMT", time.gmtime(time.time() + 100))
    assert 90000 < send("/wait/" + stamp)["wait_ms"] <= 100000
    assert send("/wait/999999")["wait_ms"] == 86400000
    assert send("/interim")["wait_ms"] == 0  # of the final answer, not of one before it


def test_request_is_what_was_asked_for(send, sink):
    r = send("/status/200", fields={"Content-Type": "application/json", "X-A": "b c"}, body="{\u00fc}")
    line, headers, body = sink.requests[0]
    assert r["outcome"] == "ok"
    assert line == "POST /status/200 HTTP/1.1"
    assert body == "{\u00fc}".encode()
    assert headers["User-Agent"].startswith("SigSentry/0")
    assert headers["Host"] == "sink.example.com"
    assert headers["Content-Type"] == "application/json" and headers["X-A"] == "b c"
    for name in ("Accept-Encoding", "Cookie", "Authorization", "Expect", "Referer"):
        assert name not in headers
    assert sink.names == ["sink.example.com"]


def test_path_goes_out_as_it_is(send, sink):
    send("/status/../status//200/./%2e%2E/a?q=%zz&&x=1?y")
    assert sink.requests[0][0].split()[1] == "/status/../status//200/./%2e%2E/a?q=%zz&&x=1?y"


def test_environment_and_home_do_not_count(post, send, sink, tmp_path):
    (tmp_path / ".netrc").write_text("machine sink.example.com login x password y\n")
    (tmp_path / ".curlrc").write_text("insecure\n")
    post.environment = {
        "HOME": str(tmp_path),
        "https_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "SSL_CERT_FILE": "/nonexistent",
    }
    assert send("/status/200")["outcome"] == "ok"
    assert "Authorization" not in sink.requests[0][1]


@pytest.mark.parametrize("value", ["a\r\nX-B: c", "a\nb", ""])
def test_header_injection_is_refused(send, sink, value):
    assert send("/status/200", fields={"X-A": value}) == {"job": 0, "error": "invalid"}
    assert sink.requests == []


@pytest.mark.parametrize("url", ["http://sink.example.com/", "https://u@sink.example.com/", "ftp://x.example.com/", ""])
def test_only_https(post, url):
    assert post([{"type": "webhook", "url": url, "body": ""}]) == [{"job": 0, "error": "invalid"}]


# TLS


def tls_result(post, certificate, host="sink.example.com"):
    with servers.Sink(certificate) as sink:
        pin = "egress_connect_to=%s:443:127.0.0.1:%d" % (host, sink.port)
        r = post([{"type": "slack", "url": "https://%s/status/200/ok" % host, "body": "secret"}], pin)[0]
        return r, sink.requests


@pytest.mark.parametrize("what", ["expired", "wrong name", "unknown authority"])
def test_bad_certificate(post, authority, tmp_path, what):
    if what == "expired":
        certificate = authority.issue("expired.pem", "sink.example.com", expired=True)
    elif what == "wrong name":
        certificate = authority.issue("other.pem", "other.example.com")
    else:
        certificate = servers.Authority(tmp_path, "other CA").issue("unknown.pem", "sink.example.com")
    r, requests = tls_result(post, certificate)
    assert (r["way"], r["outcome"]) == ("certificate", "retry"), r
    assert requests == []


def test_no_tls(post):
    for greeting, way in ((b"HTTP/1.1 200 OK\r\n\r\n", "tls"), (b"", "timeout")):
        with servers.Plain(greeting) as server:
            pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % server.port
            r = post([{"type": "webhook", "url": "https://sink.example.com/", "body": ""}], pin)[0]
        assert (r["way"], r["outcome"]) == (way, "retry"), r


def test_nobody_there(post):
    with servers.full_port() as port:
        pins = ["a.example.com:443:127.0.0.1:%d" % port, "b.example.com:443:127.0.0.1:%d" % servers.free_port()]
        jobs = [{"type": "webhook", "url": "https://%s.example.com/" % n, "body": ""} for n in "ab"]
        a, b = post(jobs, "egress_connect_to=" + " ".join(pins))
    assert (a["way"], a["outcome"]) == ("timeout", "retry")
    assert 900 <= a["total_ms"] < 1500  # connect_timeout_s
    assert (b["way"], b["outcome"]) == ("connect", "retry")


# Egress


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[fd00::1]",
        "localhost",
        "localhost.",
        "metadata.internal",
        "intranet",
    ],
)
def test_refused_before_resolving(post, sink, host):
    names = {"localhost": [["127.0.0.1"]], "metadata.internal.": [["127.0.0.1"]], "intranet.": [["127.0.0.1"]]}
    r = post([{"type": "webhook", "url": "https://%s:%d/status/200" % (host, sink.port), "body": ""}], names=names)[0]
    assert (r["way"], r["outcome"]) == ("egress", "refused"), r
    assert sink.connections == 0


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "10.1.2.3", "2002:7f00:1::", "0.0.0.0"]
)
def test_name_of_a_private_address(post, sink, address):
    r = post(
        [{"type": "slack", "url": "https://rebind.example.com:%d/status/200/ok" % sink.port, "body": ""}],
        names={"rebind.example.com.": [[address]]},
    )[0]
    assert (r["way"], r["outcome"]) == ("egress", "refused"), r
    assert sink.connections == 0


def test_only_the_allowed_addresses_of_a_name_are_used(post, certificate):
    """127.0.0.1 plays the public one; nobody answers for ::1 and 127.0.0.2, and nobody may ask."""
    with servers.Sink(certificate) as good, servers.Sink(certificate, "::1") as bad:
        names = {"both.example.com.": [["::1", "127.0.0.2", "127.0.0.1"]]}
        job = {"type": "webhook", "url": "https://both.example.com:%d/status/200" % good.port, "body": ""}
        r = post([job], "egress_allow=127.0.0.1/32", names=names)[0]
        assert (r["outcome"], r["peer"]) == ("ok", "127.0.0.1")
        job["url"] = "https://both.example.com:%d/status/200" % bad.port
        r = post([job], "egress_allow=127.0.0.1/32", names=names)[0]
        assert (r["way"], r["outcome"]) == ("connect", "retry")  # the allowed one was tried
        assert bad.connections == 0


def test_another_address_the_second_time(post, sink):
    """DNS rebinding: allowed when looked at first, the loopback when it is connected to again."""
    names = {"rebind.example.com.": [["127.0.0.1"], ["127.0.0.2"]]}
    url = "https://rebind.example.com:%d/" % sink.port
    jobs = [{"type": "webhook", "url": url + "once", "body": ""}] + [
        {"type": "webhook", "url": url + "status/200", "body": ""}
    ]
    first, second = post(jobs, "egress_allow=127.0.0.1/32", names=names)
    assert first["outcome"] == "ok"
    # libcurl keeps the name for a minute; whichever address it takes, only an allowed one is connected to
    assert second["outcome"] == "ok" or second["way"] == "egress"
    with servers.Sink(sink_certificate(sink), "127.0.0.2") as other:
        names = {"rebind.example.com.": [["127.0.0.2"]]}
        job = {"type": "webhook", "url": "https://rebind.example.com:%d/status/200" % other.port, "body": ""}
        assert post([job], "egress_allow=127.0.0.1/32", names=names)[0]["way"] == "egress"
        assert other.connections == 0


def sink_certificate(sink):
    return sink.certificate


def test_pinned_name_goes_there_and_nowhere_else(post, sink, certificate):
    pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % sink.port
    names = {"sink.example.com.": [["127.0.0.1"]]}
    with servers.Sink(certificate) as other:
        job = {"type": "webhook", "url": "https://sink.example.com:%d/status/200" % other.port, "body": ""}
        assert post([job], pin, names=names)[0]["way"] == "egress"
        assert other.connections == 0
    # a redirect to the loopback is not followed, and the pin does not open it
    job["url"] = "https://127.0.0.1:%d/status/200" % sink.port
    assert post([job], pin)[0]["way"] == "egress"


def test_trailing_dot(post, sink):
    pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % sink.port
    assert post([{"type": "slack", "url": "https://Sink.Example.com./status/200/ok", "body": ""}], pin)[0]["outcome"] == "ok"
    assert sink.requests[0][1]["Host"] == "sink.example.com"
    assert sink.names == ["sink.example.com"]


def test_names_are_asked_for_in_full(post, sink):
    """Without the dot a resolver would try its search list; ours knows only the full form."""
    job = {"type": "webhook", "url": "https://fqdn.example.com:%d/status/200" % sink.port, "body": ""}
    r = post([job], "egress_allow=127.0.0.0/8", names={"fqdn.example.com.": [["127.0.0.1"]]})[0]
    assert r["outcome"] == "ok"
    assert sink.requests[0][1]["Host"] == "fqdn.example.com:%d" % sink.port
    assert sink.names == ["fqdn.example.com"]


def test_literal_that_is_allowed(post, certificate):
    for host, text in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
        with servers.Sink(certificate, host) as sink:
            job = {"type": "webhook", "url": "https://%s:%d/status/200" % (text, sink.port), "body": ""}
            r = post([job], "egress_allow=127.0.0.0/8 [::1]")[0]
            assert (r["outcome"], r["peer"]) == ("ok", host)


# Names


def test_name_failures_are_told_apart(post):
    names = {"slow.example.com.": [["hang"]]}
    jobs = [{"type": "webhook", "url": "https://%s.example.com/" % n, "body": ""} for n in ("none", "slow")]
    none, slow = post(jobs, names=names)
    assert (none["way"], none["outcome"]) == ("name", "retry")
    assert (slow["way"], slow["outcome"]) == ("name", "retry")
    assert 900 <= slow["total_ms"] < 1500


def test_a_hanging_resolver_delays_nobody(post, sink):
    """libcurl would wait for the resolver's thread; stall_ms in the fixture sees that it does not."""
    names = {"slow%d.example.com." % n: [["hang"]] for n in range(20)}
    pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % sink.port
    jobs = [{"type": "webhook", "url": "https://slow%d.example.com/" % n, "body": ""} for n in range(20)]
    jobs.append({"type": "webhook", "url": "https://sink.example.com/status/200", "body": ""})
    results = post(jobs, pin, names=names, parallel=True)
    assert {r["way"] for r in results[:20]} == {"name"}
    assert results[20]["outcome"] == "ok" and results[20]["total_ms"] < 500


# Connections


def test_connections_are_reused(post, sink):
    pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % sink.port
    jobs = [{"type": "webhook", "url": "https://sink.example.com/status/%d" % s, "body": "x"} for s in (200, 500, 200)]
    results = post(jobs, pin)
    assert [r["reused"] for r in results] == [False, True, True]
    assert sink.connections == 1


def test_kept_connection_that_has_died(post, sink):
    pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % sink.port
    jobs = [{"type": "webhook", "url": "https://sink.example.com/" + p, "body": "x"} for p in ("once", "status/200")]
    assert [r["outcome"] for r in post(jobs, pin)] == ["ok", "ok"]
    assert sink.connections == 2


def test_http2_is_multiplexed(post, certificate, tmp_path):
    port = servers.free_port()
    with servers.nginx(tmp_path, certificate, port) as log:
        pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % port
        # without bodies: of those that nginx does not read it resets the stream behind its answer
        jobs = [{"type": "webhook", "url": "https://sink.example.com/%d" % n, "body": ""} for n in range(50)]
        jobs.append({"type": "webhook", "url": "https://sink.example.com/big", "body": ""})
        results = post(jobs, pin, parallel=True)
        assert {r["outcome"] for r in results} == {"ok"}
        assert results[-1]["cut"] and results[-1]["body_len"] == 16384
        time.sleep(0.2)
        lines = [line.split() for line in log.read_text().splitlines()]
    assert len(lines) == 51
    assert {line[1] for line in lines} == {"HTTP/2.0"} and {line[2] for line in lines} == {"sink.example.com"}
    assert len({line[0] for line in lines}) == 1, "one connection for all"


def test_answers_before_the_body_was_read(post, certificate, tmp_path):
    """nginx answers from its config and takes no more than 64 KiB of the body: what it has said counts (RFC 9113 §8.1)."""
    port = servers.free_port()
    with servers.nginx(tmp_path, certificate, port):
        pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % port
        jobs = [{"type": "webhook", "url": "https://sink.example.com/%d" % n, "body": "x" * n} for n in (10, 60000, 140000)]
        results = post(jobs, pin)
    assert [(r["outcome"], r["way"]) for r in results] == [("ok", "answered")] * 3


def test_slow_ones_delay_nobody(post, sink):
    pin = "egress_connect_to=" + " ".join(
        "%s.example.com:443:127.0.0.1:%d" % (n, sink.port) for n in ["sink"] + ["s%d" % i for i in range(100)]
    )
    jobs = [{"type": "webhook", "url": "https://s%d.example.com/never" % n, "body": ""} for n in range(100)]
    jobs += [{"type": "webhook", "url": "https://sink.example.com/status/200", "body": ""}]
    results = post(jobs, pin, "total_timeout_s=4", "connect_timeout_s=4", parallel=True)
    assert {r["way"] for r in results[:100]} == {"timeout"}
    assert results[100]["outcome"] == "ok" and results[100]["total_ms"] < 3000


def test_a_dead_one_at_the_same_address_delays_nobody(post, sink):
    """Names that are pinned to one address, as behind one load balancer, do not wait for each other's connections."""
    with servers.Plain(b"") as silent:
        pins = " ".join("dead%d.example.com:443:127.0.0.1:%d" % (n, silent.port) for n in range(5))
        jobs = [{"type": "webhook", "url": "https://dead%d.example.com/" % n, "body": ""} for n in range(5)]
        jobs += [{"type": "webhook", "url": "https://sink.example.com/status/200", "body": ""}]
        results = post(jobs, "egress_connect_to=%s sink.example.com:443:127.0.0.1:%d" % (pins, sink.port), parallel=True)
    assert {r["outcome"] for r in results[:5]} == {"retry"}
    assert results[5]["outcome"] == "ok" and results[5]["total_ms"] < 1000, results[5]


def test_many_to_one_dead_host_end_in_time(post):
    """They wait for each other's connection, to multiplex; their time goes on."""
    for greeting in (b"", b"x"):
        with servers.Plain(greeting) as server:
            pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % server.port
            jobs = [{"type": "webhook", "url": "https://sink.example.com/", "body": ""} for _ in range(30)]
            results = post(jobs, pin, parallel=True)
        assert {r["outcome"] for r in results} == {"retry"}, results
        assert max(r["total_ms"] for r in results) < 2600


def test_cancel(post, sink):
    pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % sink.port
    jobs = [
        {"type": "webhook", "url": "https://sink.example.com/never", "body": "", "cancel_ms": 200},
        {"type": "webhook", "url": "https://sink.example.com/status/200", "body": ""},
    ]
    cancelled, other = post(jobs, pin, parallel=True)
    assert cancelled["cancelled"] and other["outcome"] == "ok"


# Secrets


def test_echo_holds_no_secret(post, send):
    secrets = ["https://sink.example.com/echo/canary-url?k=canary%2Dquery", "Bearer canary-token", "canary-hmac"]
    r = send(
        "/echo/canary-url?k=canary%2Dquery", fields={"Authorization": secrets[1]}, body="canary-hmac", secrets=secrets
    )
    assert "canary" not in r["excerpt"] and "***" in r["excerpt"], r["excerpt"]
    assert "canary" not in r["reason"] and "canary" not in post.stderr


# Proxy


@pytest.mark.parametrize(
    "status, way, outcome",
    [
        (200, "answered", "ok"),
        (403, "egress", "refused"),
        (407, "proxy", "local"),
        (502, "connect", "retry"),
        (503, "connect", "retry"),
        (504, "connect", "retry"),
    ],
)
def test_proxy(post, sink, status, way, outcome):
    with servers.Proxy(status, sink.port) as proxy:
        job = {"type": "webhook", "url": "https://far.example.com/status/200", "body": ""}
        r = post([job], "egress_proxy=http://127.0.0.1:%d" % proxy.port)[0]
        assert (r["way"], r["outcome"]) == (way, outcome), r
        assert proxy.asked == ["far.example.com:443"]


def test_broken_proxy_is_our_own_fault(post, sink):
    job = {"type": "webhook", "url": "https://far.example.com/status/200", "body": ""}
    for proxy in ("127.0.0.1:%d" % servers.free_port(), "none.example.com:3128"):
        r = post([job], "egress_proxy=http://" + proxy)[0]
        assert (r["way"], r["outcome"]) == ("proxy", "local"), r
    with servers.Plain(b"", drop=True) as silent:
        r = post([job], "egress_proxy=http://127.0.0.1:%d" % silent.port)[0]
        assert (r["way"], r["outcome"]) == ("proxy", "local"), r


def test_pinned_names_need_no_proxy(send, sink):
    with servers.Proxy(200, sink.port) as proxy:
        assert send("/status/200", "egress_proxy=http://127.0.0.1:%d" % proxy.port)["outcome"] == "ok"
        assert proxy.asked == []


def test_hosts_are_checked_behind_a_proxy_too(post, sink):
    with servers.Proxy(200, sink.port) as proxy:
        for host in ("127.0.0.1", "localhost", "[::ffff:10.0.0.1]", "x.internal"):
            job = {"type": "webhook", "url": "https://%s/status/200" % host, "body": ""}
            r = post([job], "egress_proxy=http://127.0.0.1:%d" % proxy.port)[0]
            assert (r["way"], r["outcome"]) == ("egress", "refused"), r
        assert proxy.asked == []


# Mail

MESSAGE = "From: a@example.com\r\nTo: b@example.com\r\nSubject: x\r\n\r\nline\r\n.dot\r\n..\r\nend\r\n"


@pytest.fixture
def mail(post, tmp_path):
    password = tmp_path / "password"
    password.write_text("canary-password\n")

    def run(port, *options, recipient="b@example.com", times=1, scheme="smtp", message=MESSAGE):
        return post(
            [{"type": "email", "recipient": recipient, "message": message}] * times,
            "smtp_url=%s://localhost:%d/courier.example.com" % (scheme, port),
            "mail_from=alerts@example.com",
            "mail_envelope_from=bounces@example.com",
            "smtp_user=courier",
            "smtp_password_file=%s" % password,
            *options,
            names={"localhost": [["127.0.0.1"]]},
        )

    return run


class Handler:
    """aiosmtpd's side: what each command is answered."""

    def __init__(self):
        self.seen = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("no"):
            return "550 5.1.1 no such user"
        if address.startswith("later"):
            return "451 4.7.1 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("slow"):
            await asyncio.sleep(10)
        if envelope.rcpt_tos[0].startswith("spam"):
            return "554 5.7.1 looks like spam"
        self.seen.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, session.host_name))
        return "250 queued"


@pytest.fixture
def smtpd(certificate):
    handler = Handler()

    def authenticate(server, session, envelope, mechanism, data):
        good = data.login == b"courier" and data.password == b"canary-password"
        return AuthResult(success=good, handled=good)

    controller = Controller(
        handler,
        hostname="127.0.0.1",
        port=servers.free_port(),
        tls_context=servers.tls_context(certificate),
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )
    controller.start()
    controller.handler = handler
    yield controller
    controller.stop()


def test_real_relay(mail, smtpd):
    r = mail(smtpd.port)[0]
    assert (r["way"], r["outcome"], r["status"], r["step"]) == ("answered", "ok", 250, "the message"), r
    assert r["peer"] == "127.0.0.1" and r["connect_ms"] > 0
    sender, recipients, content, name = smtpd.handler.seen[0]
    assert (sender, recipients, name) == ("bounces@example.com", ["b@example.com"], "courier.example.com")
    assert content == MESSAGE.encode()
    assert email.message_from_bytes(content)["Subject"] == "x"


@pytest.mark.parametrize(
    "recipient, outcome, status, step",
    [
        ("no@example.com", "refused", 550, "RCPT TO"),
        ("later@example.com", "retry", 451, "RCPT TO"),
        ("spam@example.com", "refused", 554, "the message"),
        ("slow@example.com", "retry", 0, "the message"),
    ],
)
def test_real_relay_refuses_a_recipient(mail, smtpd, recipient, outcome, status, step):
    r = mail(smtpd.port, recipient=recipient)[0]
    assert (r["outcome"], r["status"], r["step"]) == (outcome, status, step), r
    if status == 550:
        assert "no such user" in r["excerpt"]
    assert r["way"] == ("timeout" if status == 0 else "answered")


def test_real_relay_refuses_the_password(mail, smtpd, tmp_path, post):
    wrong = tmp_path / "wrong"
    wrong.write_text("canary-wrong\n")
    r = mail(smtpd.port, "smtp_password_file=%s" % wrong)[0]
    assert (r["outcome"], r["status"], r["step"]) == ("local", 535, "AUTH"), r
    assert "canary" not in str(r) + post.stderr


@pytest.mark.parametrize(
    "script, way, outcome, step",
    [
        ({"greeting": "554 go away"}, "answered", "local", "connect"),
        ({"greeting": "421 busy"}, "answered", "local", "connect"),
        ({"greeting": "drop"}, "cut", "local", "connect"),
        ({"greeting": "hang"}, "timeout", "local", "connect"),
        ({"EHLO": "250 relay.example.com"}, "tls", "local", "EHLO"),
        ({"STARTTLS": "454 not now"}, "tls", "local", "STARTTLS"),
        ({"STARTTLS": "drop"}, "cut", "local", "STARTTLS"),
        ({"AUTH": "535 5.7.8 no"}, "answered", "local", "AUTH"),
        ({"AUTH": "454 4.7.0 later"}, "answered", "local", "AUTH"),
        ({"MAIL": "550 5.7.1 not from you"}, "answered", "local", "MAIL FROM"),
        ({"MAIL": "451 later"}, "answered", "local", "MAIL FROM"),
        ({"MAIL": "552 too large"}, "answered", "refused", "MAIL FROM"),
        ({"MAIL": "drop"}, "cut", "local", "MAIL FROM"),
        ({"RCPT": "550-5.1.1 no such\r\n550 5.1.1 user"}, "answered", "refused", "RCPT TO"),
        ({"RCPT": "452 full"}, "answered", "retry", "RCPT TO"),
        ({"RCPT": "drop"}, "cut", "retry", "RCPT TO"),
        ({"DATA": "451 later"}, "answered", "retry", "DATA"),
        ({"message": "554 spam"}, "answered", "refused", "the message"),
        ({"message": "452 full"}, "answered", "retry", "the message"),
        ({"message": "drop"}, "cut", "retry", "the message"),
        ({"message": "hang"}, "timeout", "retry", "the message"),
        ({"QUIT": "hang"}, "answered", "ok", "the message"),
        ({"RCPT": "550 no", "QUIT": "hang"}, "answered", "refused", "RCPT TO"),
        ({"message": "451 no", "QUIT": "hang"}, "answered", "retry", "the message"),
        ({"greeting": "554 no", "QUIT": "hang"}, "answered", "local", "connect"),
        ({"EHLO": "550 no", "QUIT": "hang"}, "answered", "local", "EHLO"),
        ({"AUTH": "535 no", "QUIT": "hang"}, "answered", "local", "AUTH"),
        ({"AUTH": "hang"}, "timeout", "local", "AUTH"),
        ({"RCPT": "hang"}, "timeout", "retry", "RCPT TO"),
        ({"DATA": "250 what"}, "answered", "retry", "DATA"),
        ({"MAIL": "x" * 700000}, "cut", "local", "MAIL FROM"),
    ],
)
def test_relay_by_script(mail, certificate, script, way, outcome, step):
    """The fixture's stall_ms sees that no QUIT blocks the loop."""
    with servers.Relay(certificate, script) as relay:
        r = mail(relay.port)[0]
        assert (r["way"], r["outcome"], r["step"]) == (way, outcome, step), r
        if "EHLO" in script:
            assert not any(c.startswith(("AUTH", "MAIL")) for c in relay.commands), "in the clear"


def test_relay_away(mail, certificate, authority):
    assert mail(servers.free_port())[0]["outcome"] == "local"
    other = authority.issue("relay-other.pem", "other.example.com")
    with servers.Relay(other) as relay:
        r = mail(relay.port)[0]
        assert (r["way"], r["outcome"], r["step"]) == ("certificate", "local", "STARTTLS"), r
        assert not any(c.startswith("AUTH") for c in relay.commands)


def test_smtps(mail, certificate):
    with servers.Relay(certificate, implicit=True) as relay:
        r = mail(relay.port, scheme="smtps")[0]
        assert r["outcome"] == "ok", r
        assert "STARTTLS" not in relay.commands


def test_relay_without_a_login(mail, certificate):
    with servers.Relay(certificate, {"EHLO": "250-relay.example.com\r\n250-AUTH FOO\r\n250 STARTTLS"}) as relay:
        r = mail(relay.port)[0]
        assert (r["way"], r["outcome"]) == ("self", "local"), r
        assert not any(c.startswith("MAIL") for c in relay.commands)
        r = mail(relay.port, "smtp_user=", "smtp_password_file=")[0]
        assert r["outcome"] == "ok", r


def test_one_connection_carries_many_messages(mail, certificate):
    with servers.Relay(certificate) as relay:
        results = mail(relay.port, times=5)
        assert [r["outcome"] for r in results] == ["ok"] * 5
        assert [r["reused"] for r in results] == [False] + [True] * 4
        assert {r["peer"] for r in results} == {"127.0.0.1"}
        assert relay.connections == 1
        counts = collections.Counter(c.split()[0].split(":")[0] for c in relay.commands)
        assert (counts["AUTH"], counts["MAIL"], counts["RCPT"]) == (1, 5, 5)


def test_kept_connection_to_the_relay_that_has_died(mail, certificate):
    with servers.Relay(certificate, {"after": "drop"}) as relay:
        assert [r["outcome"] for r in mail(relay.port, times=3)] == ["ok"] * 3
        assert relay.connections == 3 and len(relay.messages) == 3


def test_relay_that_drops_a_second_message(mail, certificate):
    """The relay ends a kept connection just as it is used: nothing was said, so it is not the message's fault."""
    with servers.Relay(certificate, {"second": "drop"}) as relay:
        assert [r["outcome"] for r in mail(relay.port, times=3)] == ["ok"] * 3
        assert relay.connections == 3 and len(relay.messages) == 3


def test_large_message(post, mail, certificate):
    with servers.Relay(certificate) as relay:
        text = ".x" * 30 + "\r\n"
        r = mail(relay.port, message="Subject: x\r\n\r\n" + text * 16384)[0]
        assert r["outcome"] == "ok"
        assert relay.messages[0] == ("Subject: x\r\n\r\n" + ("." + text) * 16384 + ".\r\n").encode()


def test_slow_relay_delays_nobody(post, sink, certificate, tmp_path):
    """Nor do more connections than libcurl keeps (max_flights) cost the relay's."""
    pins = " ".join("s%d.example.com:443:127.0.0.1:%d" % (n, sink.port) for n in range(30))
    jobs = [{"type": "email", "recipient": "b@example.com", "message": MESSAGE} for _ in range(5)]
    jobs += [{"type": "webhook", "url": "https://s%d.example.com/status/200" % n, "body": ""} for n in range(30)]
    with servers.Relay(certificate, {"message": "slow"}) as relay:
        results = post(
            jobs,
            "egress_connect_to=" + pins,
            "smtp_url=smtp://localhost:%d" % relay.port,
            "mail_from=alerts@example.com",
            "max_flights=1",
            "total_timeout_s=10",
            names={"localhost": [["127.0.0.1"]]},
            parallel=True,
        )
    assert {r["outcome"] for r in results} == {"ok"}
    assert max(r["total_ms"] for r in results[5:]) < 1500 <= min(r["total_ms"] for r in results[:5])


def test_no_relay(post):
    job = {"type": "email", "recipient": "b@example.com", "message": MESSAGE}
    r = post([job, job], parallel=True)[0]
    assert (r["way"], r["outcome"]) == ("self", "local")
    assert post([{**job, "recipient": "b@example.com>\r\nRSET"}]) == [{"job": 0, "error": "invalid"}]


def test_password_file_must_be_there(post, tmp_path):
    with pytest.raises(AssertionError, match="smtp_password_file"):
        post([], "smtp_user=x", "smtp_password_file=%s/none" % tmp_path)
    with pytest.raises(AssertionError, match="egress_ca_file"):
        post([], "egress_ca_file=%s/none" % tmp_path)
    assert pathlib.Path(tmp_path).exists()
