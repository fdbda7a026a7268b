"""Goal: every body that RFC 8259 or the contract refuses is a 400 that says so, every other is judged by what it says.

The documents of documents.py, through nginx, as the body of a create and inside one; and creates that were changed at
random, held against Python's reader.  (Contract §3, "Validation errors".)
"""

import json
import random

import pytest

import documents
import stack
from stack import channel, error

DOCUMENTS = list(documents.every())
SEED = 8259
MUTATIONS = 1200
# What is said of good JSON that is no object.
NO_OBJECT = "must be a JSON object"


def codes(reply):
    """The (path, code) pairs of a 400."""
    return [(i["path"], i["code"]) for i in error(reply, 400, "VALIDATION_ERROR")["issues"]]


def send_all(shared, bodies):
    """The answers to the bodies, in their order: over four kept connections."""
    replies = [None] * len(bodies)

    def lane(first):
        with stack.Client(shared.key) as c:
            for i in range(first, len(bodies), 4):
                replies[i] = c.post(bodies[i])
    stack.parallel([lambda n=n: lane(n) for n in range(4)])
    return replies


def strict(text):
    """Does Python's reader, without its extensions, take ${text}?"""
    def refuse(word):
        raise ValueError(word)

    try:
        json.loads(text.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


def test_the_corpus_itself():
    """Names are unique, and Python's reader agrees with every y_ and n_."""
    names = [name for name, _, _ in DOCUMENTS]
    assert len(names) == len(set(names)) and len(names) > 500
    for name, text, verdict in DOCUMENTS:
        assert name[0] in "yni" and (name[0] != "y" or verdict is None) and (name[0] != "n" or verdict is not None), name
        if name[0] in "yn":
            assert strict(text) == (name[0] == "y"), name


def test_as_the_body(shared):
    """What is refused has one issue, at the body; of good JSON it is told that it is no object, or what a channel lacks."""
    replies = send_all(shared, [text for _, text, _ in DOCUMENTS])
    for (name, text, verdict), reply in zip(DOCUMENTS, replies):
        found = codes(reply)
        said = reply.json()["error"]["details"]["issues"][0]["message"]
        if verdict is not None:
            assert [code for _, code in found] == [verdict] and NO_OBJECT not in said, (name, reply)
        elif text.startswith(b"{"):
            assert ("type", "required") in found and "json" not in [code for _, code in found], (name, reply)
        else:
            assert found == [("", "json")] and NO_OBJECT in said, (name, reply)


def test_inside_a_create(shared):
    """The same documents as the value of a field: refused as a whole, or the field alone is wrong."""
    whole = json.dumps(channel("n")).encode()[:-1]
    # too deep inside, and two values are two fields
    cases = [d for d in DOCUMENTS if not d[0].startswith(("y_depth_1", "i_mark"))]
    replies = send_all(shared, [whole + b', "extra": ' + text + b"}" for _, text, _ in cases])
    for (name, text, verdict), reply in zip(cases, replies):
        assert codes(reply) == [("extra", "unknown")] if verdict is None else codes(reply)[0][1] == verdict, (name, reply)


def test_as_a_name(shared):
    """Good strings are names; controls, which JSON lets be escaped, are not."""
    cases = [(name, json.loads(text)) for name, text, verdict in DOCUMENTS if name.startswith("y_string")]
    replies = send_all(shared, [channel(value) for _, value in cases])
    for (name, value), reply in zip(cases, replies):
        if any(ord(c) < 0x20 or 0x7f <= ord(c) <= 0x9f for c in value):
            assert codes(reply) == [("name", "format")], name
        else:
            assert stack.channel_row(stack.created(reply))["name"] == value, name


def mutations():
    """Good creates with a byte or two changed, put in, taken out or doubled; the same ones each time."""
    rng = random.Random(SEED)
    bits = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"0", b"-", b".", b"e", b" ", b"\0", b"\x1f", b"\x80", b"\xc3\xa9",
            b"null", b"\\u0000", b"\\ud800", b"/*", b"'", b"\xef\xbb\xbf", b"\n"]
    good = json.dumps(channel("m")).encode()
    for _ in range(MUTATIONS):
        text = bytearray(good)
        for _ in range(rng.choice((1, 1, 2))):
            at = rng.randrange(len(text))
            what = rng.randrange(4)
            if what == 0:
                text[at:at + 1] = rng.choice(bits)
            elif what == 1:
                text[at:at] = rng.choice(bits)
            elif what == 2:
                del text[at:at + rng.randrange(1, 4)]
            else:
                text[at:at] = text[at:at + rng.randrange(1, 20)]
        yield bytes(text)
    for n in range(len(good)):
        yield good[:n]


def test_changed_at_random(shared):
    """What Python refuses is refused; what it takes is refused only for what the contract forbids beside it."""
    print("seed", SEED)
    bodies = list(mutations())
    for body, reply in zip(bodies, send_all(shared, bodies)):
        assert reply.status in (201, 400), (body, reply)
        if reply.status == 400:
            found = codes(reply)
        if not strict(body):
            assert reply.status == 400 and [c for _, c in found] == ["json"], (body, reply)
        elif reply.status == 400 and "json" in [c for _, c in found] and body.lstrip().startswith(b"{"):
            assert b"\\ud8" in body or b"\\u0000" in body, (body, reply)


@pytest.mark.parametrize("size", [64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1])
def test_as_large_as_may_be(client, size):
    """White space, keys and strings up to the last byte of the limit; over it nothing is read."""
    filler = size - len(b'{"x":""}')
    for body in (b'{"x":"' + b"a" * filler + b'"}', b" " * (size - 2) + b"{}", b'{"' + b"k" * filler + b'x":""}'):
        assert len(body) == size
        reply = client.post(body)
        if size > 64 * 1024:
            error(reply, 413, "PAYLOAD_TOO_LARGE")
        else:
            assert "json" not in [c for _, c in codes(reply)]
