"""Goal: what doc/receivers.md shows receivers of webhooks is right: each of its programs, as it stands there, takes the requests
that are genuine, and no other.

The signatures are made here, by Python's hmac, from the words of contract §5.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import re
import subprocess
import time

import pytest

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "doc" / "receivers.md").read_text()
ID = "01931f70-2c5e-7b91-8d3f-a1c64e09b752"
BODY = '{"event":"analysis.complete","summary":"Ünïcode \\u0000 % $x `y`"}'.encode() + b"\r\n\n"
WHSEC = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SECRETS = ["s", "a long secret: 'quotes\" $and\\ blanks ", "gehäimnis☃", WHSEC]

# What the page's programs are run with: each reads a case, and prints whether the function it names takes it.
DRIVERS = {
    "python": ("python3", """
import json, sys
case = json.load(open(sys.argv[1]))
print(json.dumps(globals()[case["function"]](case["secret"], case["headers"], base64.b64decode(case["body"]))))
"""),
    "php": ("php", """
$case = json_decode(file_get_contents($argv[1]), true);
echo json_encode($case['function']($case['secret'], $case['headers'], base64_decode($case['body'])));
"""),
    "js": ("node", """
const shown = { verify, verify_simple: verifySimple };
const one = JSON.parse(require('fs').readFileSync(process.argv[2], 'utf8'));
console.log(JSON.stringify(shown[one.function](one.secret, one.headers, Buffer.from(one.body, 'base64'))));
"""),
}


def program(language):
    """The one block of the page in this language."""
    [block] = re.findall(r"^```%s\n(.*?)^```$" % language, PAGE, re.S | re.M)
    return block


def takes(language, folder, function, secret, headers, body=BODY):
    """Does the page's function take the request?"""
    if language == "sh":
        return takes_in_shell(folder, function, secret, headers, body)
    interpreter, driver = DRIVERS[language]
    script, case = folder / ("try." + language), folder / "case.json"
    script.write_text(program(language) + driver)
    case.write_text(json.dumps({"function": function, "secret": secret, "headers": headers,
                                "body": base64.b64encode(body).decode()}))
    done = subprocess.run([interpreter, str(script), str(case)], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


def takes_in_shell(folder, function, secret, headers, body):
    script, file = folder / "try.sh", folder / "body"
    script.write_text("set -u\n" + program("sh") + '"$@"\n')
    file.write_bytes(body)
    names = ["webhook-id", "webhook-timestamp", "webhook-signature"] if function == "verify" else ["x-sigsentry-signature"]
    words = ["sh", str(script), function, str(file)] + [headers.get(n, "") for n in names]
    done = subprocess.run(words, env={"PATH": "/usr/bin:/bin", "SECRET": secret}, capture_output=True, timeout=30, cwd=folder)
    assert done.returncode in (0, 1), done
    return done.returncode == 0


def key_of(secret):
    return base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()


def v1(secret, stamp, body=BODY, name=ID):
    mac = hmac.new(key_of(secret), ("%s.%s." % (name, stamp)).encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def simple(secret, body=BODY):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(secret, ago=0, **changes):
    """The headers of a request; ${changes} replace some, with _ for -, None removes one."""
    stamp = str(int(time.time()) - ago)
    headers = {"webhook-id": ID, "webhook-timestamp": stamp, "webhook-signature": v1(secret, stamp),
               "x-sigsentry-signature": simple(secret)}
    headers.update({k.replace("_", "-"): v for k, v in changes.items()})
    return {k: v for k, v in headers.items() if v is not None}


@pytest.fixture(params=["sh", "python", "php", "js"])
def ask(request, tmp_path):
    return lambda *words, **more: takes(request.param, tmp_path, *words, **more)


@pytest.mark.parametrize("secret", SECRETS, ids=["short", "odd", "unicode", "whsec"])
@pytest.mark.parametrize("body", [BODY, b"", b"\x00\xff\n"], ids=["json", "empty", "bytes"])
def test_genuine(ask, secret, body):
    stamp = str(int(time.time()))
    headers = signed(secret, webhook_timestamp=stamp, webhook_signature=v1(secret, stamp, body),
                     x_sigsentry_signature=simple(secret, body))
    assert ask("verify", secret, headers, body=body)
    assert ask("verify_simple", secret, headers, body=body)


@pytest.mark.parametrize("ago,good", [(290, True), (-290, True), (310, False), (-310, False), (86400, False)])
def test_not_old(ask, ago, good):
    assert ask("verify", WHSEC, signed(WHSEC, ago)) is good


def test_either_secret_while_two_overlap(ask):
    """With the old one still in use as with the new one."""
    stamp = str(int(time.time()))
    both = signed("new", webhook_timestamp=stamp, webhook_signature=v1("new", stamp) + " " + v1("old", stamp),
                  x_sigsentry_signature_previous=simple("old"))
    assert ask("verify", "new", both) and ask("verify", "old", both) and not ask("verify", "older", both)
    assert ask("verify_simple", "new", both)


@pytest.mark.parametrize("language", ["python", "php", "js"])
def test_the_previous_simple_signature(language, tmp_path):
    headers = signed("new", x_sigsentry_signature_previous=simple("old"))
    assert takes(language, tmp_path, "verify_simple", "old", headers)
    assert not takes(language, tmp_path, "verify_simple", "older", headers)


NOW = str(int(time.time()))
FORGED = {
    "another secret": dict(webhook_signature=v1("other", NOW), webhook_timestamp=NOW, x_sigsentry_signature=simple("other")),
    "another id": dict(webhook_id=ID[:-1] + "0", x_sigsentry_signature=simple("other")),
    "another time": dict(webhook_timestamp=str(int(NOW) - 7), x_sigsentry_signature=""),
    "no signature": dict(webhook_signature=None, x_sigsentry_signature=None),
    "empty": dict(webhook_signature="", x_sigsentry_signature=""),
    "nothing behind its name": dict(webhook_signature="v1,", x_sigsentry_signature="sha256="),
    "another scheme": dict(webhook_signature=v1("s", NOW).replace("v1,", "v2,"), webhook_timestamp=NOW,
                           x_sigsentry_signature=simple("s").replace("sha256", "sha1")),
    "a pattern": dict(webhook_signature="* v1,*", x_sigsentry_signature="*"),
    "cut": dict(webhook_signature=v1("s", NOW)[:-1], webhook_timestamp=NOW, x_sigsentry_signature=simple("s")[:-1]),
    "no time": dict(webhook_timestamp=None, x_sigsentry_signature=""),
}
FORGED.update({"time " + repr(t): dict(webhook_timestamp=t, webhook_signature=v1("s", t), x_sigsentry_signature="")
               for t in ("", "x", "-1", NOW + " ", NOW + ".0", "1e9", "0x6", "9" * 30, NOW + "\n")})


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_forged(ask, changes):
    headers = signed("s", **changes)
    assert not ask("verify", "s", headers)
    assert not ask("verify_simple", "s", headers)


def test_another_body(ask):
    for body in (BODY[:-1], BODY + b"\n", BODY.replace(b"complete", b"partial!"), b""):
        assert not ask("verify", "s", signed("s"), body=body)
        assert not ask("verify_simple", "s", signed("s"), body=body)


def test_the_example():
    secret = re.search(r"`(whsec_[^`]+)`, the id", PAGE)[1]
    name, stamp, body = re.search(r"the id `([^`]+)`, the\ntimestamp `([^`]+)` and the body `([^`]+)`", PAGE).groups()
    assert "X-SigSentry-Signature: %s\n" % simple(secret, body.encode()) in PAGE
    assert "webhook-signature: %s\n" % v1(secret, stamp, body.encode(), name) in PAGE
