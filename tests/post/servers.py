"""Receivers for test_post.py, on the loopback: HTTPS that behaves and that does not, a relay that keeps to a script."""

import contextlib
import datetime
import gzip
import ipaddress
import pathlib
import socket
import ssl
import struct
import subprocess
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority in a folder: ca.pem, and NAME.pem with chain and key for each certificate."""

    def __init__(self, folder, name="test CA"):
        self.folder = pathlib.Path(folder)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.cert = self._sign(self.name, self.key, [(x509.BasicConstraints(True, 0), True)], DAY)
        self.path = self.folder / ("%s.pem" % name.replace(" ", "-"))
        self.path.write_bytes(self.cert.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, key, extensions, lifetime, begin=-DAY):
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin)
            .not_valid_after(now + begin + lifetime + DAY)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, file, *names, expired=False):
        """A server's certificate for ${names} and its key, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        cert = self._sign(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]),
            key,
            [(x509.SubjectAlternativeName(alternatives), False)],
            DAY,
            -5 * DAY if expired else -DAY,
        )
        path = self.folder / file
        path.write_bytes(
            cert.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path


def tls_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class Listener:
    """Accepts on a port of the loopback and serves each connection in a thread of its own."""

    def __init__(self, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.bind((host, 0))
        self.socket.listen(256)
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        self.closing = False
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ValueError, EOFError):
            self.serve(connection)
        with contextlib.suppress(OSError):
            connection.close()

    def close(self):
        self.closing = True
        self.socket.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def reset(connection):
    """Close with a RST."""
    raw = connection
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


class Sink(Listener):
    """HTTPS; what it does is in the path.  requests holds (request line, headers, body)."""

    def __init__(self, certificate, host="127.0.0.1"):
        self.context = tls_context(certificate)
        self.certificate = certificate
        self.names = []
        self.context.sni_callback = lambda sock, name, context: self.names.append(name)
        self.requests = []
        super().__init__(host)

    def serve(self, connection):
        tls = self.context.wrap_socket(connection, server_side=True)
        stream = tls.makefile("rb")
        while True:
            line = stream.readline().decode().strip()
            if not line:
                return
            headers = {}
            for field in iter(lambda: stream.readline().decode().strip(), ""):
                name, _, value = field.partition(": ")
                headers.setdefault(name, value)
            body = stream.read(int(headers.get("Content-Length", 0)))
            self.requests.append((line, headers, body))
            action, _, rest = line.split()[1].lstrip("/").partition("/")
            if getattr(self, "do_" + action)(tls, rest, line, headers, body) == "close":
                return

    @staticmethod
    def answer(tls, status, body=b"", fields=""):
        tls.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), fields.encode(), body))

    def do_status(self, tls, rest, *_):
        """/status/503/body"""
        status, _, body = rest.partition("/")
        self.answer(tls, int(status), body.encode())

    def do_wait(self, tls, rest, *_):
        self.answer(tls, 503, b"", "Retry-After: %s\r\nX-RateLimit-Remaining: 0\r\n" % rest.replace("_", " "))

    def do_redirect(self, tls, rest, *_):
        self.answer(tls, 302, b"", "Location: /status/200\r\n")

    def do_interim(self, tls, rest, *_):
        tls.sendall(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 77\r\n\r\n")
        self.answer(tls, 500)

    def do_echo(self, tls, rest, line, headers, body):
        text = line + "\n" + "\n".join("%s: %s" % pair for pair in headers.items()) + "\n\n"
        self.answer(tls, 500, text.encode() + body)

    def do_never(self, tls, *_):
        time.sleep(20)
        return "close"

    def _drip(self, tls, data, rest):
        tls.sendall(data)
        while not self.closing:
            tls.sendall(rest)
            time.sleep(0.2)

    def do_dripbody(self, tls, *_):
        self._drip(tls, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b".")

    def do_driphead(self, tls, *_):
        self._drip(tls, b"HTTP/1.1 200 OK\r\nX-A: ", b".")

    def do_endless(self, tls, rest, *_):
        """/endless/200"""
        tls.sendall(b"HTTP/1.1 %s OK\r\n\r\n" % rest.encode())
        while not self.closing:
            tls.sendall(b"x" * 65536)

    def do_endlesshead(self, tls, *_):
        tls.sendall(b"HTTP/1.1 200 OK\r\n")
        while not self.closing:
            tls.sendall(b"X-A: " + b"x" * 1000 + b"\r\n")

    def do_endlessline(self, tls, *_):
        tls.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
        while not self.closing:
            tls.sendall(b"x" * 1000)

    def do_bomb(self, tls, *_):
        data = gzip.compress(b"\0" * (64 << 20))
        self.answer(tls, 200, data, "Content-Encoding: gzip\r\n")

    def do_chunkbomb(self, tls, *_):
        data = gzip.compress(b"\0" * (64 << 20))
        tls.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))

    def do_cut(self, tls, *_):
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf an ans")
        return "close"

    def do_empty(self, tls, *_):
        return "close"

    def do_reset(self, tls, *_):
        reset(tls)
        return "close"

    def do_old(self, tls, *_):
        tls.sendall(b"hello, this is HTTP/0.9\n")
        return "close"

    def do_once(self, tls, *_):
        """Says that it keeps the connection, and closes it."""
        self.answer(tls, 200)
        return "close"


class Plain(Listener):
    """TCP without TLS: says ${greeting} and nothing more."""

    def __init__(self, greeting=b"", drop=False):
        self.greeting, self.drop = greeting, drop
        super().__init__()

    def serve(self, connection):
        connection.sendall(self.greeting)
        if self.drop:
            connection.recv(1)
            return
        while connection.recv(4096):
            pass


class Proxy(Listener):
    """CONNECT, answered with ${status}; 200 leads to ${target} on the loopback."""

    def __init__(self, status=200, target=0):
        self.status, self.target = status, target
        self.asked = []
        super().__init__()

    def serve(self, connection):
        stream = connection.makefile("rb")
        self.asked.append(stream.readline().decode().split()[1])
        while stream.readline().strip():
            pass
        connection.sendall(b"HTTP/1.1 %d X\r\nX-Proxy: 1\r\n\r\n" % self.status)
        if self.status != 200:
            return
        with socket.create_connection(("127.0.0.1", self.target)) as upstream:
            threading.Thread(target=self.pump, args=(upstream, connection), daemon=True).start()
            self.pump(connection, upstream)

    @staticmethod
    def pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)


@contextlib.contextmanager
def full_port():
    """A port whose backlog is full: whoever connects now gets no answer at all."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        time.sleep(0.1)
        yield listener.getsockname()[1]


class Relay(Listener):
    """SMTP by a script: ${script} maps a command (or "greeting", "message") to its reply, or to "drop" or "hang"."""

    REPLIES = {
        "greeting": "220 relay.example.com ESMTP",
        "EHLO": "250-relay.example.com\r\n250-SIZE 1000000\r\n250-AUTH PLAIN\r\n250 STARTTLS",
        "STARTTLS": "220 go on",
        "AUTH": "235 2.7.0 welcome",
        "MAIL": "250 2.1.0 ok",
        "RCPT": "250 2.1.5 ok",
        "DATA": "354 go on",
        "message": "250 2.0.0 queued",
        "QUIT": "221 bye",
    }

    def __init__(self, certificate, script=None, implicit=False):
        self.context = tls_context(certificate)
        self.script = {**self.REPLIES, **(script or {})}
        self.implicit = implicit
        self.commands, self.messages = [], []
        super().__init__()

    def say(self, connection, what):
        reply = self.script[what]
        if reply == "hang":
            time.sleep(20)
        if reply == "slow":
            time.sleep(1.5)
            reply = "250 queued at last"
        if reply in ("drop", "hang"):
            raise EOFError
        connection.sendall(reply.encode() + b"\r\n")
        return reply

    @staticmethod
    def line(connection):
        """A byte at a time: what follows STARTTLS is TLS."""
        line = b""
        while not line.endswith(b"\r\n"):
            byte = connection.recv(1)
            if not byte:
                raise EOFError
            line += byte
        return line

    def serve(self, connection):
        if self.implicit:
            connection = self.context.wrap_socket(connection, server_side=True)
        self.say(connection, "greeting")
        said = []
        while True:
            line = self.line(connection)
            verb = line.split()[0].decode().split(":")[0].upper()
            self.commands.append(line.decode().strip())
            if verb == "MAIL" and self.script.get("second") == "drop" and said.count("MAIL"):
                return
            said.append(verb)
            if verb == "AUTH" and len(line.split()) == 2:
                connection.sendall(b"334 \r\n")
                self.line(connection)
            reply = self.say(connection, verb)
            if verb == "STARTTLS" and reply.startswith("220"):
                connection = self.context.wrap_socket(connection, server_side=True)
            if verb == "DATA" and reply.startswith("354"):
                message = b""
                while not message.endswith(b"\r\n.\r\n"):
                    data = connection.recv(65536)
                    if not data:
                        return
                    message += data
                self.messages.append(message)
                self.say(connection, "message")
                if self.script.get("after") == "drop":
                    return
            if verb == "QUIT":
                return


@contextlib.contextmanager
def nginx(folder, certificate, port):
    """HTTP/2 by nginx: 200, and the log says which connection each request came over."""
    folder = pathlib.Path(folder)
    log = folder / "nginx-access.log"
    (folder / "nginx.conf").write_text(
        """
daemon off; master_process off; pid %(f)s/nginx.pid; error_log %(f)s/nginx-error.log warn;
events { worker_connections 512; }
http {
    log_format c '$connection $server_protocol $host $request_uri $status';
    access_log %(f)s/nginx-access.log c;
    client_body_temp_path %(f)s/body; proxy_temp_path %(f)s/p; fastcgi_temp_path %(f)s/f; uwsgi_temp_path %(f)s/u; scgi_temp_path %(f)s/s;
    server {
        listen 127.0.0.1:%(port)d ssl http2;
        ssl_certificate %(c)s; ssl_certificate_key %(c)s;
        location / { return 200 "ok"; }
        location /big { root %(f)s; error_page 405 =200 $uri; }
    }
}
"""
        % {"f": folder, "port": port, "c": certificate}
    )
    (folder / "big").write_bytes(b"y" * (4 << 20))
    process = subprocess.Popen(
        ["/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx-error.log")]
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield log
    finally:
        process.terminate()
        process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
