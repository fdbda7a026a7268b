"""A proxy before PostgreSQL's Unix socket that loses one answer: the server did it, and the client is not told."""

import contextlib
import socket
import threading

READY = b"Z\0\0\0\x05I"  # ReadyForQuery, no transaction open: whatever was asked is committed


class LossyProxy:
    """Reads frontend messages: ${lose} is the first byte of what the lost answer is to (P: Parse, B: Bind), and behind it, if
    anything, a text that stands in there: a statement's name."""

    def __init__(self, folder, server, lose):
        self.server = server
        self.lose = lose
        self.seen = []  # the first byte of all that clients sent behind their start-up message
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / ".s.PGSQL.5432"))
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                with client, socket.socket(socket.AF_UNIX) as server:
                    server.connect(self.server)
                    with contextlib.suppress(OSError):
                        self.serve_one(client, server)

    def serve_one(self, client, server):
        """One question, one answer, until the client goes or the answer is lost."""
        while True:
            question = client.recv(65536)
            if not question or question[:1] == b"X":
                return
            server.sendall(question)
            answer = b""
            while not answer.endswith(READY):
                part = server.recv(65536)
                if not part:
                    return
                answer += part
            self.seen.append(question[:1])
            if self.lose and question[:1] == self.lose[:1] and self.lose[1:] in question:
                self.lose = None
                return
            client.sendall(answer)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
