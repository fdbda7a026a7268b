"""API keys that are none, and a flood of them.

Run as a program it is the flood: so that it takes no time away from the one who measures in the same process.
"""

import json
import secrets
import socket
import ssl
import string
import sys
import threading
import time
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PATH = "/v1/config/notifications"
RANDOM = 32


def checksum(text):
    n, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        n, digit = divmod(n, 62)
        digits = ALPHABET[digit] + digits
    return digits


def made_up(start="ss_secret_", prefix="ss_secret_"):
    """A key that begins so, as nobody has it: its form and its checksum are right, so that only the database can tell."""
    text = start + "".join(secrets.choice(ALPHABET) for _ in range(len(prefix) + RANDOM - len(start)))
    return text + checksum(text)


def mistyped():
    """Right for a pattern; the checksum tells."""
    key = made_up()
    return key[:-1] + ("x" if key[-1] != "x" else "y")


def malformed():
    return "ss_secret_" + secrets.token_hex(8)


KINDS = {"malformed": malformed, "mistyped": mistyped, "made up": made_up}


def request(key):
    return ("GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n" % (PATH, key)).encode()


def connect(port, ca, address):
    """TLS on the port that speaks the PROXY protocol, as somebody at ${address}."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(b"PROXY TCP4 %s 127.0.0.1 40000 443\r\n" % address.encode())
    return ssl.create_default_context(cafile=ca).wrap_socket(sock, server_hostname="localhost")


def answers(link, n):
    """The statuses of the next n answers, fewer where the server closed."""
    found, got = [], b""
    while len(found) < n:
        head, end, body = got.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15:].split(b"\r\n", 1)[0]) if at > 0 else 0
        if end and len(body) >= length:
            found.append(int(head[9:12]))
            got = body[length:]
            continue
        part = link.recv(16384)
        if not part:
            break
        got += part
    return found


def ask(link, data):
    """One request; the status of its answer, None where the server closed."""
    link.sendall(data)
    return next(iter(answers(link, 1)), None)


class Link:
    """A connection that is made anew before nginx ends it, which it does after a thousand requests."""

    def __init__(self, port, ca, address):
        self.place, self.link, self.asked = (port, ca, address), connect(port, ca, address), 0

    def ready(self):
        if self.asked == 900:
            self.close()
            self.__init__(*self.place)
        self.asked += 1

    def ask(self, data):
        self.ready()
        return ask(self.link, data)

    def burst(self, data, n):
        """So many at once, one behind the other on the connection: their statuses."""
        self.link.sendall(data * n)
        self.asked += n
        return answers(self.link, n)

    def timed(self, data):
        """The status and the seconds that it took, without those of connecting."""
        self.ready()
        began = time.perf_counter()
        status = ask(self.link, data)
        return status, time.perf_counter() - began

    def close(self):
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def some_address():
    """A public address that no earlier run used, as far as chance goes."""
    return "11.%d.%d.%d" % (secrets.randbelow(256), secrets.randbelow(256), 1 + secrets.randbelow(254))


def flood(port, ca, kind, connections, addresses, rate, seconds):
    """${rate} guesses a second (0: as many as are answered) on so many connections from so many addresses; {status: how often},
    None where there was no answer."""
    places = [some_address() for _ in range(addresses)]
    counts, lock, end = {}, threading.Lock(), time.monotonic() + seconds

    def work(number):
        mine = {}
        link = None
        next_at = time.monotonic() + number / max(rate, 1)
        while time.monotonic() < end:
            if rate:
                time.sleep(max(0, next_at - time.monotonic()))
                next_at += connections / rate
            try:
                link = link or Link(port, ca, places[number % addresses])
                status = link.ask(request(KINDS[kind]()))
            except OSError:
                status = link = None
            mine[status] = mine.get(status, 0) + 1
        with lock:
            for status, n in mine.items():
                counts[status] = counts.get(status, 0) + n

    pool = [threading.Thread(target=work, args=(i,)) for i in range(connections)]
    for t in pool:
        t.start()
    for t in pool:
        t.join()
    return counts


if __name__ == "__main__":
    print("ready", flush=True)
    print(json.dumps({str(k): n for k, n in flood(
        int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6]), float(sys.argv[7])).items()}))
