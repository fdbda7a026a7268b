"""Goal: who may do what, and which fault answers first (contract §2, and the order of checks in §1).

The order: route (404) → method (405) → key (401) → kind of key / project / permission (400, 403) →
media type (415) → body (400) → quota (403).  A request with two faults is answered by the one that
stands first; a request with a bad key learns nothing about its body.
"""

import threading
import time
import uuid

import pytest

import stack
from stack import PATH, channel, created, error, issues

BAD_BODY = b"this is no JSON"


@pytest.fixture(scope="module")
def cast():
    """Keys of every kind, in one tenant with two projects, beside a second tenant; made once, never changed."""

    class Cast(stack.Place):
        def __init__(self):
            super().__init__("enterprise")
            self.stranger = stack.Place("enterprise")
            jobs = [
                lambda: stack.new_project(self.tenant),
                lambda: stack.new_key(tenant=self.tenant, kind="org")["key"],
                lambda: stack.new_key(tenant=self.tenant, kind="org", permissions=("config:read",))["key"],
                lambda: stack.new_key(project=self.project, kind="pub", permissions=("analysis:create",))["key"],
                lambda: stack.new_key(project=self.project, permissions=("config:read",))["key"],
                lambda: stack.new_key(
                    project=self.project, permissions=("analysis:create", "analysis:read", "config:read"))["key"],
            ]
            made = stack.parallel(jobs)
            self.other_project, self.org, self.org_reader, self.pub, self.reader, self.all_but_write = made

    return Cast()


@pytest.fixture
def plain():
    with stack.Client() as c:
        yield c


# 401: the key -------------------------------------------------------------------------------------


def with_header(client, value, **options):
    return client.post(channel(), headers=[("Authorization", value)] if value is not None else [], **options)


BAD_HEADERS = [
    ("none", None),
    ("empty", ""),
    ("only the scheme", "Bearer"),
    ("no scheme", "{key}"),
    ("no blank", "Bearer{key}"),
    ("basic", "Basic {basic}"),
    ("digest", 'Digest username="{key}"'),
    ("token", "Token {key}"),
    ("apikey", "ApiKey {key}"),
    ("list", "Bearer {key}, Bearer {key}"),
    ("two words", "Bearer {key} x"),
    ("quoted", 'Bearer "{key}"'),
    ("behind it", "Bearer {key}x"),
    ("before it", "Bearer x{key}"),
    ("cut by one", "Bearer {cut}"),
    ("cut in half", "Bearer {half}"),
    ("upper case", "Bearer {upper}"),
    ("only the prefix", "Bearer ss_secret_"),
    ("unknown prefix", "Bearer sk_{tail}"),
    ("other kind's prefix", "Bearer ss_org_{tail}"),
    ("pub's prefix", "Bearer ss_pub_{tail}"),
    ("made up", "Bearer ss_secret_" + "A" * 38),
    ("zeroes", "Bearer ss_secret_" + "0" * 38),
    ("long", "Bearer ss_secret_" + "A" * 4000),
    ("control", "Bearer {half}\t{half}"),
    ("not ASCII", "Bearer ss_secret_\xe9\xff" + "A" * 36),
    ("SQL", "Bearer ss_secret_' OR 1=1--"),
    ("percent", "Bearer ss%5fsecret_{tail}"),
]


@pytest.mark.parametrize("value", [r[1] for r in BAD_HEADERS], ids=[r[0] for r in BAD_HEADERS])
def test_unauthorized(cast, plain, value):
    key = cast.key
    if value is not None:
        value = value.format(key=key, basic=stack.basic_auth(key + ":")[6:], cut=key[:-1], half=key[:24],
                             upper=key.upper(), tail=key.removeprefix("ss_secret_"))
    error(with_header(plain, value), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_scheme_in_any_case(cast, plain, scheme):
    created(with_header(plain, scheme + " " + cast.key))


@pytest.mark.parametrize("kind", ["key", "org", "pub"])
def test_mistyped_anywhere(cast, plain, kind):
    """Any one character of a key changed makes it no key: at each place behind the prefix."""
    key = getattr(cast, kind)
    start = key.index("_", 3) + 1
    for at in range(start, len(key)):
        typo = key[:at] + ("a" if key[at] != "a" else "b") + key[at + 1:]
        error(with_header(plain, "Bearer " + typo), 401, "UNAUTHORIZED")


def test_swapped_letters(cast, plain):
    key = cast.key
    for at in range(len("ss_secret_"), len(key) - 1):
        if key[at] != key[at + 1]:
            typo = key[:at] + key[at + 1] + key[at] + key[at + 2:]
            error(with_header(plain, "Bearer " + typo), 401, "UNAUTHORIZED")


LEGACY = ["tb_abc", "tb_live_0123456789abcdef", "ss_live_abc", "ss_live_" + "A" * 38]


@pytest.mark.parametrize("key", LEGACY)
def test_legacy_forms(plain, key):
    error(with_header(plain, "Bearer " + key), 401, "KEY_FORMAT_DEPRECATED")


def test_key_of_a_deleted_tenant(plain):
    """Well-formed, once good, now unknown."""
    place = stack.Place()
    created(plain.post(channel(), key=place.key))
    stack.ctl("tenant", "delete", place.tenant, "--yes")
    error(plain.post(channel(), key=place.key), 401, "UNAUTHORIZED")


def test_two_authorization_headers(cast, plain):
    """Which of the two would hold?  Neither is taken."""
    reply = plain.post(channel(), headers=[("Authorization", "Bearer " + cast.key),
                                           ("Authorization", "Bearer " + cast.pub)])
    assert reply.status in (400, 401), reply
    error(reply, reply.status, {400: "BAD_REQUEST", 401: "UNAUTHORIZED"}[reply.status])


def test_key_elsewhere_is_no_key(cast, plain):
    """Only the header counts: not a query, a cookie, another header, or the body."""
    body = channel(apiKey=cast.key)
    headers = [("X-Api-Key", cast.key), ("Cookie", "Authorization=Bearer " + cast.key),
               ("Proxy-Authorization", "Bearer " + cast.key)]
    error(plain.post(body, path=PATH + "?access_token=" + cast.key, headers=headers), 401, "UNAUTHORIZED")


# Revoked, expired, suspended ------------------------------------------------------------------------


def test_revoked_from_the_next_request_on(place):
    """Whichever worker answers, on kept connections and new ones, with a good body and a bad one."""
    kept = [stack.Client(place.key) for _ in range(8)]
    for c in kept:
        created(c.post(channel()))
        issues(c.post(BAD_BODY))
    stack.ctl("apikey", "revoke", place.key_id)
    for c in kept + [stack.Client(place.key) for _ in range(8)]:
        with c:
            error(c.post(channel()), 401, "API_KEY_REVOKED")
            error(c.post(BAD_BODY), 401, "API_KEY_REVOKED")
    assert stack.channel_count(place.project) == 8


def test_revoking_one_leaves_the_others(place, plain):
    second = stack.new_key(project=place.project)
    stack.ctl("apikey", "revoke", second["id"])
    error(plain.post(channel(), key=second["key"]), 401, "API_KEY_REVOKED")
    created(plain.post(channel(), key=place.key))


def test_expired(place, plain):
    made = stack.new_key(project=place.project, expires=stack.rfc3339(1.5))
    created(plain.post(channel(), key=made["key"]))
    time.sleep(1.6)
    error(plain.post(channel(), key=made["key"]), 401, "API_KEY_EXPIRED")
    error(plain.post(BAD_BODY, key=made["key"]), 401, "API_KEY_EXPIRED")


def test_far_expiry(place, plain):
    created(plain.post(channel(), key=stack.new_key(project=place.project, expires="90d")["key"]))


def test_suspended(place, plain):
    org = place.org_key()
    stack.ctl("tenant", "suspend", place.tenant)
    error(plain.post(channel(), key=place.key), 403, "TENANT_SUSPENDED")
    error(plain.post(BAD_BODY, key=place.key), 403, "TENANT_SUSPENDED")
    error(plain.post(channel(), key=org, project=place.project), 403, "TENANT_SUSPENDED")
    stack.ctl("tenant", "resume", place.tenant)
    created(plain.post(channel(), key=place.key))


# 403: kind and permission ---------------------------------------------------------------------------


def test_public_key(cast, plain):
    error(plain.post(channel(), key=cast.pub), 403, "SECRET_KEY_REQUIRED")


@pytest.mark.parametrize("kind", ["reader", "all_but_write"])
def test_forbidden(cast, plain, kind):
    assert error(plain.post(channel(), key=getattr(cast, kind)), 403, "FORBIDDEN") == {"required": "config:write"}


def test_forbidden_org(cast, plain):
    reply = plain.post(channel(), key=cast.org_reader, project=cast.project)
    assert error(reply, 403, "FORBIDDEN") == {"required": "config:write"}


# X-Project-Id ---------------------------------------------------------------------------------------


def test_org_needs_a_project(cast, plain):
    error(plain.post(channel(), key=cast.org), 400, "MISSING_PROJECT_ID")


def test_org_reaches_each_of_its_projects(cast, plain):
    for project in (cast.project, cast.other_project):
        new = created(plain.post(channel(), key=cast.org, project=project))
        assert str(stack.channel_row(new)["project_id"]) == project


def test_project_of_nobody_and_of_others_look_alike(cast, plain):
    texts = []
    for project in (cast.stranger.project, str(uuid.uuid4()), str(uuid.UUID(int=0))):
        reply = plain.post(channel(), key=cast.org, project=project)
        error(reply, 403, "WRONG_PROJECT")
        texts.append(reply.body)
    assert len(set(texts)) == 1, "another tenant's project can be told from none"
    assert stack.channel_count(cast.stranger.project) == 0


def test_secret_key_with_its_own_project(cast, plain):
    new = created(plain.post(channel(), key=cast.key, project=cast.project))
    assert str(stack.channel_row(new)["project_id"]) == cast.project


@pytest.mark.parametrize("whose", ["other_project", "stranger"])
def test_secret_key_with_a_foreign_project(cast, plain, whose):
    project = {"other_project": cast.other_project, "stranger": cast.stranger.project}[whose]
    error(plain.post(channel(), key=cast.key, project=project), 403, "WRONG_PROJECT")


@pytest.mark.parametrize("kind", ["key", "org"])
def test_project_in_upper_case(cast, plain, kind):
    created(plain.post(channel(), key=getattr(cast, kind), project=cast.project.upper()))


MALFORMED = ["x", "1", "{p}x", "{cut}", "{{{p}}}", "urn:uuid:{p}", "{bare}", "{p} {p}", "'{p}'", "{p}\xe9", "*", "null"]


@pytest.mark.parametrize("kind", ["key", "org"])
@pytest.mark.parametrize("value", MALFORMED)
def test_malformed_project(cast, plain, kind, value):
    p = cast.project
    value = value.format(p=p, cut=p[:-1], bare=p.replace("-", ""))
    assert issues(plain.post(channel(), key=getattr(cast, kind), project=value)) == [("header.X-Project-Id", "format")]


def test_empty_project(cast, plain):
    """An empty header is no project: missing or malformed, 400 in each case."""
    reply = plain.post(channel(), key=cast.org, project="")
    assert reply.json()["error"]["code"] in ("MISSING_PROJECT_ID", "VALIDATION_ERROR"), reply
    error(reply, 400, reply.json()["error"]["code"])


@pytest.mark.parametrize("kind", ["key", "org"])
@pytest.mark.parametrize("which", ["same", "different", "malformed", "in one line"])
def test_repeated_project(cast, plain, kind, which):
    second = {"same": cast.project, "different": cast.other_project, "malformed": "x"}.get(which)
    headers = [("X-Project-Id", cast.project), ("X-Project-Id", second)]
    if which == "in one line":  # which is the same (RFC 9110 §5.3)
        headers = [("X-Project-Id", cast.project + ", " + cast.project)]
    reply = plain.post(channel(), key=getattr(cast, kind), headers=headers)
    assert issues(reply) == [("header.X-Project-Id", "duplicate")]


def test_header_names_in_any_case(cast, plain):
    created(plain.post(channel(), headers=[("AUTHORIZATION", "Bearer " + cast.org), ("x-project-ID", cast.project)]))


# Two faults at once: the first in the order answers ---------------------------------------------------

# Each row: two faults, then the answer.  Faults by name, put together by faulty().
ORDER = [
    ("unknown route, no key", dict(path="/v1/nothing", key=None), 404, "NOT_FOUND"),
    ("unknown route, wrong method", dict(path="/v1/nothing", method="DELETE"), 404, "NOT_FOUND"),
    ("unknown route, pub key, bad body", dict(path="/v1/nothing", key="pub", body=BAD_BODY), 404, "NOT_FOUND"),
    ("wrong method, no key", dict(method="DELETE", key=None), 405, "METHOD_NOT_ALLOWED"),
    ("wrong method, bad key", dict(method="DELETE", key="bad"), 405, "METHOD_NOT_ALLOWED"),
    ("wrong method, bad body", dict(method="DELETE", body=BAD_BODY), 405, "METHOD_NOT_ALLOWED"),
    ("no key, bad body", dict(key=None, body=BAD_BODY), 401, "UNAUTHORIZED"),
    ("no key, no body", dict(key=None, body=None), 401, "UNAUTHORIZED"),
    ("bad key, bad body", dict(key="bad", body=BAD_BODY), 401, "UNAUTHORIZED"),
    ("bad key, invalid body", dict(key="bad", body=b"{}"), 401, "UNAUTHORIZED"),
    ("bad key, bad media type", dict(key="bad", media="text/plain"), 401, "UNAUTHORIZED"),
    ("bad key, bad project", dict(key="bad", project="x"), 401, "UNAUTHORIZED"),
    ("legacy key, bad body", dict(key="legacy", body=BAD_BODY), 401, "KEY_FORMAT_DEPRECATED"),
    ("legacy key, bad project", dict(key="legacy", project="x"), 401, "KEY_FORMAT_DEPRECATED"),
    ("pub key, bad body", dict(key="pub", body=BAD_BODY), 403, "SECRET_KEY_REQUIRED"),
    ("pub key, bad media type", dict(key="pub", media="text/plain"), 403, "SECRET_KEY_REQUIRED"),
    ("pub key, malformed project", dict(key="pub", project="x"), 403, "SECRET_KEY_REQUIRED"),
    ("pub key, foreign project", dict(key="pub", project="foreign"), 403, "SECRET_KEY_REQUIRED"),
    ("pub key, repeated project", dict(key="pub", project="twice"), 403, "SECRET_KEY_REQUIRED"),
    ("org key without project, bad body", dict(key="org", body=BAD_BODY), 400, "MISSING_PROJECT_ID"),
    ("org key without project, bad media type", dict(key="org", media="text/plain"), 400, "MISSING_PROJECT_ID"),
    ("org key without project and permission", dict(key="org_reader"), 400, "MISSING_PROJECT_ID"),
    ("foreign project, bad body", dict(project="foreign", body=BAD_BODY), 403, "WRONG_PROJECT"),
    ("foreign project, bad media type", dict(project="foreign", media="text/plain"), 403, "WRONG_PROJECT"),
    ("foreign project, no permission", dict(key="reader", project="foreign"), 403, "WRONG_PROJECT"),
    ("org, foreign project, no permission", dict(key="org_reader", project="foreign"), 403, "WRONG_PROJECT"),
    ("no permission, bad body", dict(key="reader", body=BAD_BODY), 403, "FORBIDDEN"),
    ("no permission, invalid body", dict(key="reader", body=b"{}"), 403, "FORBIDDEN"),
    ("no permission, no body", dict(key="reader", body=None), 403, "FORBIDDEN"),
    ("no permission, bad media type", dict(key="reader", media="text/plain"), 403, "FORBIDDEN"),
    ("bad media type, bad body", dict(media="text/plain", body=BAD_BODY), 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("bad media type, good body", dict(media="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE"),
]


@pytest.mark.parametrize("faults,status,code", [r[1:] for r in ORDER], ids=[r[0] for r in ORDER])
def test_order(cast, plain, faults, status, code):
    name = faults.get("key", "key")
    key = {None: None, "bad": cast.key[:-1] + ("x" if cast.key[-1] != "x" else "y"), "legacy": "ss_live_abc"}.get(
        name, getattr(cast, str(name), None))
    project = faults.get("project")
    project, headers = {"foreign": (cast.stranger.project, []),
                        "twice": (cast.project, [("X-Project-Id", cast.project)])}.get(project, (project, []))
    reply = plain.send(faults.get("method", "POST"), faults.get("path", PATH), faults.get("body", channel()), key=key,
                       project=project, headers=headers, content_type=faults.get("media", "application/json"))
    error(reply, status, code)


@pytest.mark.parametrize("kind", ["key", "org"])
@pytest.mark.parametrize("value", ["x", "twice"])
def test_project_header_before_body(cast, plain, kind, value):
    """A fault of X-Project-Id answers before one of the media type or body, and alone."""
    headers = [("X-Project-Id", cast.project)] * 2 if value == "twice" else [("X-Project-Id", "x")]
    expected = [("header.X-Project-Id", "duplicate" if value == "twice" else "format")]
    key = getattr(cast, kind)
    assert issues(plain.post(BAD_BODY, key=key, headers=headers)) == expected
    assert issues(plain.post(b"{}", key=key, headers=headers)) == expected
    assert issues(plain.post(b"{}", key=key, headers=headers, content_type="text/plain")) == expected


@pytest.mark.parametrize("ill", ["revoked", "expired", "suspended"])
def test_ill_keys_before_all_else(ill, plain):
    """A key that no longer holds answers before project, permission, media type and body."""
    place = stack.Place(permissions=("config:read",))
    code, status = {"revoked": ("API_KEY_REVOKED", 401), "expired": ("API_KEY_EXPIRED", 401),
                    "suspended": ("TENANT_SUSPENDED", 403)}[ill]
    if ill == "revoked":
        stack.ctl("apikey", "revoke", place.key_id)
    elif ill == "expired":
        stack.sql("UPDATE sigsentry.api_key SET expires_at = now() - interval '1 second' WHERE id = %s", place.key_id)
    else:
        stack.ctl("tenant", "suspend", place.tenant)
    for options in (dict(), dict(content_type="text/plain")):
        error(plain.post(channel(), key=place.key, **options), status, code)
        error(plain.post(BAD_BODY, key=place.key, **options), status, code)
    if ill != "suspended":
        error(plain.post(channel(), key=place.key, project=str(uuid.uuid4())), status, code)
        error(plain.post(channel(), key=place.key, project="x"), status, code)


def test_quota_last(plain):
    """A full project's bad requests are told what is wrong with them, not that it is full."""
    place = stack.Place("starter")
    reader = stack.new_key(project=place.project, permissions=("config:read",))["key"]
    for _ in range(2):
        created(plain.post(channel(), key=place.key))
    error(plain.post(channel(), key=place.key), 403, "QUOTA_EXCEEDED")
    assert issues(plain.post(channel(name=""), key=place.key)) == [("name", "length")]
    error(plain.post(channel(), key=place.key, content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")
    error(plain.post(channel(), key=reader), 403, "FORBIDDEN")


def test_keys_do_not_mix(cast):
    """Many keys at once through the same workers: each creates in its own project and nowhere else."""
    places = stack.parallel([stack.Place] * 4)
    faults = []

    def work(place):
        with stack.Client(place.key) as c:
            for _ in range(15):
                new = created(c.post(channel()))
                row = stack.channel_row(new)
                if (str(row["tenant_id"]), str(row["project_id"])) != (place.tenant, place.project):
                    faults.append(new)

    threads = [threading.Thread(target=work, args=(p,)) for p in places]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not faults
    assert [stack.channel_count(p.project) for p in places] == [15] * 4
