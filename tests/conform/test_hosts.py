"""Goal: in whatever spelling an address stands in a channel's URL, an inside one is refused and a public one is not.

Every spelling that a resolver, inet_aton(3), a browser or a proxy may take for an address, of every kind of network that
contract §5 closes, at the create of a channel.
"""

import ipaddress
import json

import pytest

import stack
from stack import channel, error

INSIDE = ["127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "169.254.169.254",
          "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.7",
          "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16"]
PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
          "198.17.255.255", "198.20.0.0", "223.255.255.254", "11.0.0.0", "126.255.255.255", "128.0.0.1", "168.63.129.17"]


def parts(quad):
    return [int(p) for p in quad.split(".")]


def whole(quad):
    return int(ipaddress.IPv4Address(quad))


def hex_groups(quad):
    a, b, c, d = parts(quad)
    return "%x:%x" % (a << 8 | b, c << 8 | d)


# What inet_aton(3) reads, and so curl, browsers and resolvers: the same address, in IPv4.
NUMERIC = {
    "quad": lambda q: q,
    "last dot": lambda q: q + ".",
    "decimal": lambda q: "%d" % whole(q),
    "decimal, last dot": lambda q: "%d." % whole(q),
    "hex": lambda q: "0x%x" % whole(q),
    "hex, upper digits": lambda q: "0x%X" % whole(q),
    "hex, padded": lambda q: "0x%016x" % whole(q),
    "octal": lambda q: "0%o" % whole(q),
    "hex parts": lambda q: ".".join("0x%x" % p for p in parts(q)),
    "octal parts": lambda q: ".".join("0%o" % p for p in parts(q)),
    "octal parts, padded": lambda q: ".".join("0%06o" % p for p in parts(q)),
    "two parts": lambda q: "%d.%d" % (parts(q)[0], whole(q) & 0xffffff),
    "three parts": lambda q: "%d.%d.%d" % (*parts(q)[:2], whole(q) & 0xffff),
    "mixed": lambda q: "0x%x.0%o.%d" % (*parts(q)[:2], whole(q) & 0xffff),
    "with a port": lambda q: q + ":8443",
}
# IPv6 forms that are judged by the IPv4 address inside.
CARRIED = {
    "mapped": lambda q: "[::ffff:%s]" % q,
    "mapped, upper": lambda q: "[::FFFF:%s]" % q,
    "mapped, hex": lambda q: "[::ffff:%s]" % hex_groups(q),
    "mapped, long": lambda q: "[0:0:0:0:0:ffff:%s]" % hex_groups(q),
    "mapped, padded": lambda q: "[0000:0000:0000:0000:0000:ffff:%s]" % q,
    "NAT64": lambda q: "[64:ff9b::%s]" % q,
    "NAT64, hex": lambda q: "[64:ff9b::%s]" % hex_groups(q),
}
# Never a host, whatever address they stand for.
NEVER = {
    "compatible": lambda q: "[::%s]" % q,
    "compatible, hex": lambda q: "[::%s]" % hex_groups(q),
    "6to4": lambda q: "[2002:%s::1]" % hex_groups(q),
    "translated": lambda q: "[::ffff:0:%s]" % q,
    "NAT64 local": lambda q: "[64:ff9b:1::%s]" % q,
    "ISATAP": lambda q: "[fe80::5efe:%s]" % q,
    "quad in brackets": lambda q: "[%s]" % q,
    "zone": lambda q: "[::ffff:%s%%25eth0]" % q,
    "zone, bare": lambda q: "[::ffff:%s%%1]" % q,
    "mapped, short quad": lambda q: "[::ffff:%d]" % whole(q),
    "percent": lambda q: "%%%02x%s" % (ord(q[0]), q[1:]),
    "percent dot": lambda q: q.replace(".", "%2e"),
    "full-width digits": lambda q: "".join(chr(0xff10 + int(c)) if c.isdigit() else c for c in q),
    "circled digits": lambda q: "".join(chr(0x2460 + int(c) - 1) if c in "123456789" else c for c in q) + "\u2460",
    "ideographic dots": lambda q: q.replace(".", "\u3002"),
    "half-width dots": lambda q: q.replace(".", "\uff61"),
    "Arabic digits": lambda q: "".join(chr(0x660 + int(c)) if c.isdigit() else c for c in q),
    "soft hyphen": lambda q: q[0] + "\u00ad" + q[1:],
    "zero width": lambda q: q[0] + "\u200b" + q[1:],
    "five parts": lambda q: q + ".1",
    "a part too large": lambda q: "%d.%d.%d.%d" % (*parts(q)[:3], parts(q)[3] + 256),
    "over 32 bits": lambda q: "%d" % (whole(q) + (1 << 32)),
    "over 64 bits": lambda q: "%d" % (whole(q) + (1 << 64)),
    "two last dots": lambda q: q + "..",
    "plus": lambda q: "+" + q,
    "minus": lambda q: "-%d" % whole(q),
    "blank": lambda q: q + " ",
    "tab": lambda q: "\t" + q,
    "line end": lambda q: q + "\n",
    "NUL": lambda q: q + "\0.example.com",
    "user": lambda q: "example.com@" + q,
    "password": lambda q: "example.com:443@" + q,
    "backslash": lambda q: "example.com\\@" + q,
    "fragment": lambda q: q + "#.example.com",
    "not octal": lambda q: "09." + q,
}


def judge(client, host, kind="webhook"):
    """None where a channel was made, else the code of the one issue."""
    field = "url" if kind == "webhook" else "webhookUrl"
    body = channel(type=kind, credentials={field: "https://%s/" % host})
    reply = client.post(json.dumps(body).encode())
    if reply.status == 201:
        stack.created(reply)
        return None
    found = error(reply, 400, "VALIDATION_ERROR")["issues"]
    if "\0" in host:
        assert [(i["path"], i["code"]) for i in found] == [("", "json")], found
    else:
        assert [i["path"] for i in found] == ["credentials." + field], found
    return found[0]["code"]


@pytest.mark.parametrize("name", NUMERIC)
def test_numeric(client, name):
    for quad in INSIDE:
        assert judge(client, NUMERIC[name](quad)) == "host", NUMERIC[name](quad)
    for quad in PUBLIC:
        assert judge(client, NUMERIC[name](quad)) is None, NUMERIC[name](quad)


@pytest.mark.parametrize("name", CARRIED)
def test_carried_in_ipv6(client, name):
    for quad in INSIDE:
        assert judge(client, CARRIED[name](quad)) == "host", CARRIED[name](quad)
    for quad in PUBLIC:
        assert judge(client, CARRIED[name](quad)) is None, CARRIED[name](quad)


@pytest.mark.parametrize("name", NEVER)
def test_never(client, name):
    for quad in INSIDE[:1] + INSIDE[4:8] + PUBLIC[:2]:
        assert judge(client, NEVER[name](quad)) in ("host", "format", "json"), NEVER[name](quad)


@pytest.mark.parametrize("host", [
    "::", "::1", "0:0:0:0:0:0:0:1", "::2", "fc00::1", "fd12:3456::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "100::1", "2001::1",
    "2001:1ff::1", "2001:db8::1", "2001:0DB8:0:0::1", "2002::1", "2002:808:808::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1",
    "1fff::1", "64:ff9a::808:808", "e000::1"])
def test_closed_ipv6(client, host):
    assert judge(client, "[%s]" % host) == "host"
    assert judge(client, "[%s]:8443" % host.upper()) == "host"


@pytest.mark.parametrize("host", ["2606:4700:4700::1111", "2001:4860:4860::8888", "2000::1", "2001:200::1", "2003::1", "3ffe:ffff::1",
                                  "3fff:1000::1", "2606:4700:4700:0:0:0:0:1111", "2A00:1450::1"])
def test_public_ipv6(client, host):
    assert judge(client, "[%s]" % host) is None


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "localhost.", "a.localhost", "x.y.LOCALHOST", "printer.local", "a.b.local.",
                                  "db.internal", "metadata.google.internal", "ip6-localhost", "ip6-loopback", "intranet", "com", "a",
                                  "localhost:8443", "xn--a"])
def test_inside_names(client, host):
    assert judge(client, host) == "host"


@pytest.mark.parametrize("host", ["b\u00fccher.example", "\u0435xample.com", "example\u3002com", "ex\uff41mple.com", "stra\u00dfe.example",
                                  "\u212aelvin.example", "exam\u00adple.com", "a..example", ".example.com", "example.com..",
                                  "exa mple.com", "example.com%00.x", "*.example.com", "example.0x7f", "example.1", "exa^mple.com", "[::1",
                                  "::1", "[example.com]", "[v1.a:b]", "example.com:0", "example.com:", "example.com:65536",
                                  "example.com:443x", "a" * 64 + ".example", ".".join(["a" * 62] * 5)])
def test_malformed_names(client, host):
    assert judge(client, host) == "format"


@pytest.mark.parametrize("host", ["xn--bcher-kva.example", "example.com.", "EXAMPLE.com", "a-b.example", "_dmarc.example.com", "1.example",
                                  "127.0.0.1.example", "0x7f.example", "localhost.example", "local.example", "a" * 63 + ".example"])
def test_public_names(client, host):
    assert judge(client, host) is None


@pytest.mark.parametrize("kind", ["slack", "teams", "discord", "google_chat"])
def test_on_no_platform(client, kind):
    """A platform's URL is none but the platform's own, so that no literal is, however it is spelled."""
    for quad in ("127.0.0.1", "169.254.169.254", "8.8.8.8"):
        for spell in list(NUMERIC.values()) + list(CARRIED.values()):
            assert judge(client, spell(quad), kind) == "host"
    for form in ("%s.evil.example", "evil.example/%s", "evil-%s", "%s..", "a@%s", "%s@evil.example", "%s\\@evil.example", "%s%%2eevil.example"):
        own = stack.DESTINATIONS[kind].removeprefix("contoso.")
        assert judge(client, form % own, kind) in ("host", "format"), form
