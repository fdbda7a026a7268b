"""Both ends of sealed credentials, written anew from RFC 9180 and the layout in src/domain/seal.h.

A box is version (1), key id (8), enc (32), seq (8), ciphertext and tag.  It opens only with the private keyring, and
only for the channel, type and field that it was sealed for.
"""

import hashlib
import hmac
import pathlib
import re
import uuid

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import stack

INFO = b"sigsentry channel credential v1"
KEM = b"KEM" + bytes.fromhex("0020")
HPKE = b"HPKE" + bytes.fromhex("002000010002")


def extract(suite, salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite, prk, label, info, n):
    """One block is enough for all that is derived here."""
    labeled = n.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labeled + b"\x01", "sha256")[:n]


def private_keys():
    """The stack's keys: {id: (public, private)}."""
    conf = pathlib.Path(stack.env("SIGSENTRY_CONF")).read_text()
    path = re.search(r"(?m)^keyring_private *= *(\S+)", conf)[1]
    found = re.findall(r"(?m)^key (\S+) \S+ (?:active|old) (\S+) (\S+)$", pathlib.Path(path).read_text())
    return {bytes.fromhex(i): (bytes.fromhex(public), bytes.fromhex(private)) for i, public, private in found}


def schedule(public, enc, dh):
    """The AES key and the base nonce of the context that ${enc} began (RFC 9180 sections 4.1 and 5.1)."""
    shared = expand(KEM, extract(KEM, b"", b"eae_prk", dh), b"shared_secret", enc + public, 32)
    bound = b"\x00" + extract(HPKE, b"", b"psk_id_hash", b"") + extract(HPKE, b"", b"info_hash", INFO)
    secret = extract(HPKE, shared, b"secret", b"")
    return expand(HPKE, secret, b"key", bound, 32), expand(HPKE, secret, b"base_nonce", bound, 12)


def context(box):
    """The AES key and the base nonce of the context that the box was sealed in."""
    public, private = private_keys()[box[1:9]]
    assert hashlib.sha256(public).digest()[:8] == box[1:9], "a key's id is the start of its digest"
    enc = box[9:41]
    dh = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(enc))
    return schedule(public, enc, dh)


def nonce_of(base, seq):
    return (int.from_bytes(base, "big") ^ int.from_bytes(seq, "big")).to_bytes(12, "big")


def aad_of(channel, kind, field):
    parts = [uuid.UUID(str(channel)).bytes, kind.encode(), field.encode()]
    return b"".join(len(p).to_bytes(2, "big") + p for p in parts)


def opened(box, channel, kind, field):
    """What was sealed; cryptography.exceptions.InvalidTag where it was for another place."""
    assert box[0] == 1 and len(box) >= 65
    key, base = context(box)
    return AESGCM(key).decrypt(nonce_of(base, box[41:49]), box[49:], aad_of(channel, kind, field))


class Sealer:
    """Seals by the thousand what the API would take too long for, all in one context."""

    def __init__(self):
        self.id, (public, _) = next(iter(private_keys().items()))
        begun = X25519PrivateKey.generate()
        self.enc = begun.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key, self.base = schedule(public, self.enc, begun.exchange(X25519PublicKey.from_public_bytes(public)))
        self.n = 0

    def close(self, text, channel, kind, field):
        """A box as a worker would make it."""
        seq = self.n.to_bytes(8, "big")
        self.n += 1
        made = AESGCM(self.key).encrypt(nonce_of(self.base, seq), text.encode(), aad_of(channel, kind, field))
        return b"\x01" + self.id + self.enc + seq + made
