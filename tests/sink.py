"""Receivers for the delivery tests, on the loopback: one HTTPS server for all platforms, and a mail relay.

Both keep to a script and record all that reaches them.  Their certificate is of the stack's own authority and for the
platforms' real names: couriers are led here by egress_connect_to, so what they verify is what they would verify outside.
"""

import asyncio
import contextlib
import datetime
import email
import email.policy
import pathlib
import socket
import ssl
import threading
import time
import urllib.parse

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import stack

SINK = "sink.example.com"
POWER = "default1234.ab.environment.api.powerplatform.com"
HOSTS = (SINK, "hooks.slack.com", "discord.com", "chat.googleapis.com", "outlook.office.com", POWER)
RELAY_USER, RELAY_PASSWORD = "courier", stack.secret("smtp")


def certificate(folder, *names, own=False, days=1):
    """A file with a certificate for ${names} and its key, by the stack's authority or, where ${own}, by itself; for so many days."""
    authority = pathlib.Path(stack.env("SIGSENTRY_CACERT"))
    issuer = x509.load_pem_x509_certificate(authority.read_bytes())
    signer = serialization.load_pem_private_key(authority.with_name("ca.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink")])
    now = datetime.datetime.utcnow()
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject if own else issuer.subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
            .sign(key if own else signer, hashes.SHA256()))
    path = pathlib.Path(folder) / ("%s.pem" % names[0])
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


class Request:
    """What has reached the sink."""

    def __init__(self, target, fields, body):
        self.at = time.time()
        url = urllib.parse.urlsplit(target)
        self.path, self.query = url.path, urllib.parse.parse_qs(url.query, strict_parsing=bool(url.query))
        self.fields = fields
        self.body = body

    def header(self, name):
        """The value of a field that stands there once; None where it does not."""
        values = [v for k, v in self.fields if k.lower() == name.lower()]
        assert len(values) <= 1, "%s stands there %d times" % (name, len(values))
        return values[0] if values else None

    @property
    def host(self):
        return self.header("Host")


class Sink:
    """HTTPS on a port of the loopback, a thread a connection.

    What it answers is asked of the script of the first mark that the target bears: a list of answers, used up one
    after the other, of which the last stays.  An answer is a status, a tuple (status, body, fields), a number of seconds
    to be silent as a float before a 200, "hang" or "drop", or a function of the request that gives one of these.
    """

    def __init__(self, path, address="127.0.0.1"):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path)
        self.requests, self.scripts = [], {}
        self.address = address
        self.lock = threading.Lock()
        self.port = 0
        self.open()

    def open(self):
        """Listen, on the same port as before."""
        self.closing = threading.Event()
        self.connections = []
        self.socket = socket.create_server((self.address, self.port), backlog=512)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.socket,), daemon=True).start()

    def close(self):
        """Refuse connections, and break those that there are."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ValueError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.context.wrap_socket(connection, server_side=True) as tls:
                stream = tls.makefile("rb")
                while self._one(tls, stream):
                    pass

    def _one(self, tls, stream):
        """One request.  True: there may be another one."""
        line = stream.readline().decode()
        if not line:
            return False
        fields = []
        for field in iter(lambda: stream.readline().decode().strip(), ""):
            name, _, value = field.partition(": ")
            fields.append((name, value))
        length = int(dict((k.lower(), v) for k, v in fields)["content-length"])
        request = Request(line.split()[1], fields, stream.read(length))
        request.method = line.split()[0]
        answer = self._answer(request)
        if isinstance(answer, float):
            self.closing.wait(answer)
            answer = 200
        if answer in ("hang", "drop"):
            self.closing.wait(60 if answer == "hang" else 0)
            return False
        status, body, more = answer if isinstance(answer, tuple) else (answer, None, {})
        if body is None:
            body = b"ok" if request.host == "hooks.slack.com" and status == 200 else b""
        head = ["HTTP/1.1 %d X" % status, "Content-Length: %d" % len(body)] + ["%s: %s" % m for m in more.items()]
        tls.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        return True

    def _answer(self, request):
        with self.lock:
            self.requests.append(request)
            script = next((s for mark, s in self.scripts.items() if mark in request.path), [200])
            answer = script.pop(0) if len(script) > 1 else script[0]
        return answer(request) if callable(answer) else answer

    def script(self, mark, *answers):
        with self.lock:
            self.scripts[mark] = list(answers)

    def got(self, mark):
        """The requests whose path bears the mark."""
        with self.lock:
            return [r for r in self.requests if mark in r.path]


class BlackHole:
    """Accepts connections and says nothing."""

    def __init__(self, address):
        self.socket = socket.create_server((address, 0), backlog=512)
        self.port = self.socket.getsockname()[1]
        self.kept = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                self.kept.append(self.socket.accept()[0])
            except OSError:
                return

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        for connection in [self.socket, *self.kept]:
            connection.close()


class Relay:
    """SMTP with STARTTLS and AUTH, as aiosmtpd does it; replies to RCPT TO by a script, as Sink's: a float is seconds
    of silence before a 250.  Who comes without its password hears 535.
    """

    def __init__(self, path):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path)
        self.accepted = []  # (recipient, envelope sender, message)
        self.asked = []     # recipients
        self.scripts = {}
        self.was_secure = []
        self.password = RELAY_PASSWORD
        self.port = 0
        self.open()

    def open(self):
        if self.port == 0:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.port = probe.getsockname()[1]
        relay = self

        class Control(Controller):
            def factory(self):
                return SMTP(relay, hostname="relay.example.com", tls_context=relay.context, require_starttls=True,
                            authenticator=relay.authenticate, auth_required=True)

        self.controller = Control(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def close(self):
        self.controller.stop()

    def authenticate(self, server, session, envelope, mechanism, data):
        good = (data.login, data.password) == (RELAY_USER.encode(), self.password.encode())
        self.was_secure.append(session.ssl is not None)
        return AuthResult(success=good, handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.asked.append(address)
        script = self.scripts.get(address, ["250 2.1.5 ok"])
        reply = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(reply, float):
            await asyncio.sleep(reply)
            reply = "250 2.1.5 ok"
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        for address in envelope.rcpt_tos:
            self.accepted.append((address, envelope.mail_from, message))
        await asyncio.sleep(0)
        return "250 2.0.0 queued"

    def got(self, address):
        return [message for to, _, message in self.accepted if to == address]
