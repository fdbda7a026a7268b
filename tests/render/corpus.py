"""Events to render: ordinary ones (their renderings are kept in golden/), hostile ones, and as extreme ones as the
contract lets in.  Always the same ones: what is random has a fixed seed."""

import random

OCCURRED = 1795454400000  # 2026-11-23T17:20:00Z
ACCEPTED = OCCURRED + 1000
HOUR = 3600 * 1000

FULL = {
    "event": "analysis.complete",
    "analysisId": "an_42",
    "createdAt": "2026-11-23T17:20:00Z",
    "severity": "high",
    "summary": "Checkout latency: connection pool exhausted",
    "url": "https://dash.example.com/analyses/42?tab=cause&from=mail#top",
    "confidence": 0.87,
    "rootCause": {
        "description": "The pool of 20 connections is smaller than the demand of 85 & rising.\nIt was lowered in 4.2.1.",
        "service": "checkout-api",
        "errorType": "PoolTimeout",
        "category": "resource_exhaustion",
    },
    "affectedServices": [
        {"serviceName": "checkout-api", "role": "origin", "errorCount": 1204},
        {"serviceName": "cart", "role": "propagator", "errorCount": 1},
        {"serviceName": "web", "role": "affected"},
    ],
    "suggestedActions": [
        {"priority": 1, "action": "Raise the pool to 100", "rationale": "the demand is 85", "type": "fix"},
        {"priority": 2, "action": "Roll back 4.2.1", "type": "mitigate"},
    ],
}


def event(**changes):
    made = dict(FULL, **changes)
    return {name: value for name, value in made.items() if value is not None}


def bare(**changes):
    return dict({"event": "deploy.failed", "severity": "low", "summary": "Deploy of web failed"}, **changes)


# As text: what a JSON library makes of a number is not what was written.
NUMBERS = """{"event": "a.b", "severity": "info", "summary": "Numbers", "amount": 1.50, "exponent": 1E+2, "tiny": 1e-7,
  "big": 123456789012345678901234567890.10, "nested": {"list": [1, 2.0, -0, null, true, "\\u00e9\\n"], "": {}}, "zero": 0.000,
  "confidence": 0.5}"""

# name, event or its JSON text, what is different about the delivery
ORDINARY = [
    ("full", FULL, {}),
    ("bare", bare(), {}),
    ("test", event(severity="medium"), {"isTest": True, "channelName": "Ops on call"}),
    ("late", event(severity="critical"), {"nowMs": ACCEPTED + 26 * HOUR + 5 * 60000}),
    ("strings", event(event="watchdog.fired", severity="medium", rootCause=None, confidence=None, url=None,
                      affectedServices=["api", "cart"], suggestedActions=["Look at the dashboard", "Call the owner"]), {}),
    ("notice", bare(event="channel.failing", severity="high",
                    summary="The channel Ops (slack) does not accept messages any more: HTTP 404, no_service."), {}),
    ("languages", event(severity="low", summary="درجة الحرارة مرتفعة — 温度が高すぎます — Überhitzung 🔥",
                        rootCause={"description": "חום גבוה\n\n温度\n\t- fan 3", "service": "sensor"}), {}),
    ("numbers", NUMBERS, {}),
]

HOSTILE = [
    "<!channel> <!here> <!everyone> <@U024BE7LH> <!subteam^S1> <#C1> @channel @here @everyone",
    "<https://evil.example|Your bank> *bold* _it_ ~no~ `code` ```block``` &lt;!channel&gt; &amp;",
    "**bold** __u__ ||spoiler|| [link](https://evil.example) ![x](https://evil.example/x.png) <t:1:R> <:a:1> :smile:",
    "# heading\n-# small\n> quote\n>>> more\n- item\n* item\n1. item\n```\ncode",
    "<users/all> <users/1> <a href='https://evil.example'>x</a><script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"quoted\" 'single' \\back\\ {\"json\":\"}\"} ]]> --> {{DATE(2026-01-01T00:00:00Z)}} {{TIME(2026-01-01T00:00:00Z)}}",
    "<at>all</at> <at>Everyone</at> ${x} %s %n %00 {0}",
    "a\r\nBcc: evil@example.com\r\nSubject: other\r\n\r\n<html>",
    "\r\n.\r\nMAIL FROM:<evil@example.com>\r\n",
    "=?UTF-8?B?QQ==?= =?UTF-8?Q?=0D=0A?= =0D=0A =_sigsentry_ --=_sigsentry_",
    "\u202etxt.exe\u202c \u2066x\u2069 \u200f\u200e \u061c abc",
    "\x01\x02\x07\x08\x0b\x0c\x1b[31mred\x1b[0m\x7f\x80\x85\x9f end",
    "\u200b\u200b\ufeff\u00ad\u2060x\u2028y\u2029z",
    "e\u0301\u0301\u0301 Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 ❤️ 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "😀" * 40,
    "   spaces   and \t tabs \t ",
    "\n\n\n\nlines\n\n\n\n\nmore\n \n \n",
    "From the start\nFrom here\n.\n..\n-- \nsignature?",
    "中文字" * 20,
    "\ufffe\uffff\U0001fffe\U0010ffff private \ue000",
    "a" * 200 + " " + "b" * 100,
    "mailto:x@example.com javascript:alert(1) file:///etc/passwd https://ok.example/?a=1&b=2#c",
    "\u3164 \u2800 .",
]

# nothing to be seen at all
BLANK = [" ", "\n", "\u200b", "\u3000\u00a0", "\u202e\u2069", "\x01", "\ufe0f", "\u3164"]

URLS = [
    "https://example.com/", "https://example.com", "https://example.com:8443/a?b=c&d=e#/f/g",
    "https://example.com/<!here>|x", "https://example.com/'\"><script>", "https://example.com/a b", "https://exämple.com/ü",
    "https://intranet/a.b", "https://example.com/" + "&" * 1500, "https://example.com/" + "x" * 2028, "https://example.com/" + "x" * 2029,
    "https://user:pw@example.com/", "http://example.com/", "javascript:alert(1)", "https://", "https:///x", "https://[::1]/x", "https://example.com/%zz",
    "https://example.com/#", "https://example.com/{{DATE(2026-01-01T00:00:00Z)}}", "https://1.2.3.4/x", "https://example.com/\\",
]

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz     ", "&<>\"'", "*_`~|[]()\\#-:@", "😀😁👩‍👩‍👧‍👦🏽", "中文字漢", "éüß ", "\n", "ab\n", "a\r\n", "\t a", "{{}}",
    "\u0301e", "\u200ba", "\u202ea\u2069", "\x07\x1ba", "=?.", "\"", "\\", "\u2028x", "\U0010fffe", "<!channel>\n- ", "عربي ",
]


def filled(n, text):
    """Every field holds ${text}; lists have ${n} elements."""
    return {
        "event": "analysis.complete", "severity": ("critical", "high", "medium", "low", "info")[n % 5],
        "analysisId": text[:255], "summary": text[:10000], "url": "https://example.com/" + "&a=1" * (n % 400), "confidence": 1,
        "rootCause": {"description": text, "service": text[:500], "errorType": text[:500], "category": text[:500]},
        "affectedServices": [{"serviceName": text[:300], "role": "origin", "errorCount": 10 ** (i % 15)} for i in range(n)],
        "suggestedActions": [{"priority": i, "action": text[:2000], "rationale": text[:300], "type": "investigate"} for i in range(n)],
    }


def hostile():
    for i, text in enumerate(HOSTILE):
        yield "hostile-%d" % i, event(summary=text, url=None), {}
        yield "hostile-all-%d" % i, filled(2, text), {"channelName": text[:255], "projectSlug": text[:60], "isTest": True}
        yield "hostile-strings-%d" % i, event(affectedServices=[text, text], suggestedActions=[text], analysisId=text[:255]), {}
    for i, text in enumerate(BLANK):
        yield "blank-%d" % i, filled(2, text), {"channelName": text, "isTest": True}
    for i, url in enumerate(URLS):
        yield "url-%d" % i, event(url=url), {}


def extreme(seed=20261124):
    rand = random.Random(seed)
    for i, alphabet in enumerate(ALPHABETS):
        for size, n in ((10000, 7), (10000, 0), (3000, 20), (256, 60)):
            text = (alphabet * (size // len(alphabet) + 1))[:size]
            yield "extreme-%d-%d-%d" % (i, size, n), filled(n, text), {"nowMs": ACCEPTED + 400 * 24 * HOUR, "isTest": True}
    for i in range(160):
        letters = "".join(rand.sample(ALPHABETS, 3))
        text = "".join(rand.choice(letters) for _ in range(rand.choice((1, 5, 90, 149, 150, 151, 200, 255, 256, 257, 1023, 1024, 1025, 3000, 5000))))
        yield "random-%d" % i, filled(rand.choice((0, 1, 5, 6, 10, 11, 30)), text), {"nowMs": ACCEPTED + rand.choice((0, 299999, 300000, 300001, HOUR))}
