"""Goal: behind a load balancer who asks is who asked the load balancer, and nobody else can say who he is.

nginx/sigsentry-realip.conf as it is shipped, each of its two ways, in an nginx of our own: the stack's with other ports.
The load balancer is 127.0.0.2; whoever comes from another address is none.
"""

import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess

import pytest

import stack
from stack import PATH, wait_for

BALANCER, NONE = "127.0.0.2", "127.0.0.3"
EXAMPLE = (stack.ROOT / "nginx" / "sigsentry-realip.conf").read_text()
PROXY_LINE = re.search(r"^#(real_ip_header +proxy_protocol;)$", EXAMPLE, re.M)


def example(way):
    """The file, for the stack's load balancer; ${way} is the header that it goes by."""
    text = EXAMPLE.replace("10.20.0.0/28;", BALANCER + ";")
    assert text != EXAMPLE and PROXY_LINE
    if way == "proxy_protocol":
        text = re.sub(r"^real_ip_header .*$", "", text, flags=re.M).replace(PROXY_LINE[0], PROXY_LINE[1])
    assert len(re.findall(r"^real_ip_header ", text, re.M)) == 1
    return text


class Behind:
    """The stack's nginx once more, behind a load balancer."""

    def __init__(self, folder, way):
        run = pathlib.Path(stack.env("RUN_DIR"))
        self.log, theirs = folder / "sigsentry.log", run / "nginx"
        ours = folder / "nginx"
        shutil.copytree(theirs, ours)
        ports = (run / "ports").read_text().split()
        moved = {old: self.free_port() for old in ports}
        self.port = int(moved[ports[2 if way == "proxy_protocol" else 1]])
        for path in (*ours.glob("*.conf"), *ours.glob("snippets/*.conf")):
            text = path.read_text().replace(stack.env("SIGSENTRY_LOG") + "/", str(folder) + "/")
            for old, new in moved.items():
                text = text.replace("127.0.0.1:" + old, "127.0.0.1:" + new)
            path.write_text(text.replace(stack.env("SIGSENTRY_NGINX_PID"), str(folder / "nginx.pid"))
                            .replace(str(theirs), str(ours)))
        self.allow_readyz(ours / "snippets" / "sigsentry-location.conf")
        (ours / "realip.conf").write_text(example(way))
        main = ours / "nginx.conf"
        text = re.sub(r"^ *(set_real_ip_from|real_ip_header) .*\n", "", main.read_text(), flags=re.M)
        text = text.replace("include sink.conf;", "include realip.conf;")
        main.write_text("daemon off;\n" + text)
        self.process = subprocess.Popen(["nginx", "-p", str(ours), "-c", str(main), "-e", str(folder / "error.log")],
                                        stdin=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        assert wait_for(self.listens, 10), (folder / "error.log").read_text()

    @staticmethod
    def allow_readyz(path):
        """The load balancer may ask /readyz, as operate.md shows it."""
        text = path.read_text()
        spot = text.index("location = /readyz")
        path.write_text(text[:spot] + text[spot:].replace("    deny ", "    allow %s;\n    deny " % BALANCER, 1))

    @staticmethod
    def free_port():
        with socket.create_server(("127.0.0.1", 0)) as s:
            return str(s.getsockname()[1])

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def ask(self, paths, source, first=b"", headers=(), method="GET"):
        """The statuses of requests on one connection from ${source}; ${first} is sent before TLS."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=15, source_address=(source, 0))
        sock.sendall(first)
        context = ssl.create_default_context(cafile=stack.env("SIGSENTRY_CACERT"))
        try:
            link = context.wrap_socket(sock, server_hostname="localhost")
        except (ssl.SSLError, ConnectionResetError):
            sock.close()
            return []
        with link:
            statuses = []
            for path in paths:
                lines = ["%s %s HTTP/1.1" % (method, path), "Host: localhost", "Content-Length: 0"]
                link.sendall("\r\n".join(lines + ["%s: %s" % h for h in headers]).encode() + b"\r\n\r\n")
                reply = stack.http.client.HTTPResponse(link)
                reply.begin()
                reply.read()
                statuses.append(reply.status)
                self.last = reply.getheader("X-Request-Id")
            return statuses

    def client(self):
        """Who has asked last, as the access log has it, a moment after the answer."""
        found = wait_for(lambda: [line for line in self.log.read_text().splitlines() if self.last in line])
        return json.loads(found[0])["client"]


@pytest.fixture(params=["X-Forwarded-For", "proxy_protocol"], scope="module")
def behind(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("realip")
    folder.chmod(0o755)
    one = Behind(folder, request.param)
    one.way = request.param
    yield one
    stack.end_process(one.process)


def through(behind, address, paths=("/metrics",), sent=(), method="GET"):
    """What a client at ${address} is answered by way of the load balancer; ${sent} are header lines of its own."""
    if behind.way == "proxy_protocol":
        line = b"PROXY TCP4 %s 127.0.0.2 40000 443\r\n" % address.encode()
        return behind.ask(paths, BALANCER, line, sent, method)
    forged = [v for k, v in sent if k == "X-Forwarded-For"]
    rest = [h for h in sent if h[0] != "X-Forwarded-For"]
    return behind.ask(paths, BALANCER, headers=[("X-Forwarded-For", ", ".join([*forged, address])), *rest], method=method)


def test_the_client_is_known(behind):
    assert through(behind, "11.22.33.44", ["/healthz"]) == [200]
    assert behind.client() == "11.22.33.44"


@pytest.mark.parametrize("sent", [[], [("X-Forwarded-For", "127.0.0.1")], [("X-Real-IP", "127.0.0.1")],
                                  [("X-Forwarded-For", "127.0.0.1, 127.0.0.2")], [("Forwarded", "for=127.0.0.1")]])
def test_what_a_client_says_of_himself_counts_for_nothing(behind, sent):
    assert through(behind, "11.22.33.44", ["/metrics", "/readyz"], sent) == [403, 403]
    assert behind.client() == "11.22.33.44"


def test_two_load_balancers_in_a_row(behind):
    if behind.way == "X-Forwarded-For":
        behind.ask(["/healthz"], BALANCER, headers=[("X-Forwarded-For", "127.0.0.1, 11.22.33.44, " + BALANCER)])
        assert behind.client() == "11.22.33.44"


def test_who_is_no_load_balancer_is_not_believed(behind):
    """From the loopback he is let in as what he is; the log does not say that he is another one."""
    if behind.way == "proxy_protocol":
        behind.ask(["/healthz"], NONE, b"PROXY TCP4 11.22.33.99 127.0.0.2 40000 443\r\n")
    else:
        behind.ask(["/healthz"], NONE, headers=[("X-Forwarded-For", "11.22.33.99")])
    assert behind.client() == NONE


def test_the_load_balancer_itself(behind):
    """Its own question for /readyz is answered, where that is allowed; nobody's that it passes on."""
    if behind.way == "proxy_protocol":
        assert through(behind, BALANCER, ["/readyz"])[0] in (200, 503)
    else:
        assert behind.ask(["/readyz"], BALANCER)[0] in (200, 503)
    assert behind.client() == BALANCER


def test_each_client_has_its_own_limit(behind):
    """450 guesses of one: refused after the burst.  Another one's first is not."""
    guesses = through(behind, "11.22.33.44", [PATH] * 450, method="POST")
    assert 429 in guesses and guesses[0] == 401
    assert through(behind, "11.22.33.55", [PATH], method="POST") == [401]


def test_the_proxy_protocol_is_wanted(behind):
    """Who does not speak it on that port gets nothing."""
    if behind.way == "proxy_protocol":
        assert behind.ask(["/metrics"], "127.0.0.1") == []
