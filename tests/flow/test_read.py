"""Goal: list and get show what contract §3 "Read" says, to whom it says, and nothing that is secret.

The shape of every type, the order of the list, each edge of paging; who reaches which channel by its id, and that
another tenant's channel cannot be told from none.
"""

import base64
import datetime
import json
import re
import uuid

import pytest

import stack
from stack import BOTH, DESTINATIONS, PATH, Client, at, created, error, issues, of_kind, ok, secret, shown

KINDS = list(stack.CREDENTIALS)


class Scene(stack.Place):
    """A tenant with two projects, channels in both and one for all, beside a stranger; made once, never changed."""

    def __init__(self):
        super().__init__("enterprise", BOTH)
        self.stranger = stack.Place("enterprise", BOTH)
        jobs = [
            lambda: self.org_key(BOTH),
            lambda: stack.new_key(project=self.project)["key"],
            lambda: stack.new_key(project=self.project, kind="pub", permissions=("analysis:read",))["key"],
            lambda: stack.new_project(self.tenant),
            lambda: stack.new_project(self.tenant),
            lambda: self.stranger.org_key(BOTH),
        ]
        made = stack.parallel(jobs)
        self.org, self.writer, self.pub, self.other_project, self.empty_project, self.stranger_org = made
        with Client() as c:
            self.own = created(c.post(of_kind("webhook", "own"), key=self.key))
            self.other = created(c.post(of_kind("slack", "other"), key=self.org, project=self.other_project))
            self.strange = created(c.post(of_kind("webhook", "strange"), key=self.stranger.key))
        self.wide = stack.add_tenant_wide_channel(self.tenant)
        self.strange_wide = stack.add_tenant_wide_channel(self.stranger.tenant)


@pytest.fixture(scope="module")
def scene():
    return Scene()


@pytest.fixture(scope="module")
def shared():
    return stack.Place("enterprise", BOTH)


@pytest.fixture
def plain():
    with Client() as c:
        yield c


def get(client, path, **options):
    return client.send("GET", path, **options)


def listed(client, query="", **options):
    """The whole list, as an array."""
    data = ok(get(client, PATH + query, **options), 200)
    assert isinstance(data, list), data
    return data


def page_of(client, query, **options):
    """(items, pagination) of a paged list."""
    data = ok(get(client, PATH + query, **options), 200)
    assert set(data) == {"items", "pagination"} and isinstance(data["items"], list), data
    assert set(data["pagination"]) == {"page", "limit", "total", "totalPages"}, data
    return data["items"], data["pagination"]


def ids(channels):
    return [c["id"] for c in channels]


# The shape ------------------------------------------------------------------------------------------


def instant(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), text
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.parametrize("kind", KINDS)
def test_shape(client, kind):
    """Exactly these fields, with these values, from get and in the list."""
    new = created(client.post(of_kind(kind, "shape of " + kind, severityThreshold="medium")))
    data = shown(client, new)
    row = stack.channel_row(new)
    for name, column in (("createdAt", "created_at"), ("updatedAt", "updated_at")):
        assert abs(instant(data[name]) - row[column]) <= datetime.timedelta(milliseconds=1)
    assert data == {
        "id": new, "type": kind, "name": "shape of " + kind, "severityThreshold": "medium", "isActive": True,
        "scope": "project", "destination": DESTINATIONS[kind], "createdAt": data["createdAt"],
        "updatedAt": data["createdAt"]}
    assert [c for c in listed(client) if c["id"] == new] == [data]


@pytest.mark.parametrize("threshold", ["critical", "high", "medium", "low"])
def test_threshold(client, threshold):
    assert shown(client, created(client.post(of_kind("slack", severityThreshold=threshold))))[
        "severityThreshold"] == threshold


NAMES = ["#engineering-alerts", "é" * 255, "\U0001F514", " ", 'a"b\\c/d', "</script>", "a\u2028b\u2029c", "\u202e",
         "\U0010ffff", "\ufffe", "%00", "null", "x" * 255]


@pytest.mark.parametrize("name", NAMES, ids=lambda n: ascii(n[:20]))
def test_name(client, name):
    """As it was given, whatever JSON makes of it on the way."""
    new = created(client.post(of_kind("slack", name)))
    assert shown(client, new)["name"] == name
    assert [c["name"] for c in listed(client) if c["id"] == new] == [name]


def test_changed_later(client):
    """createdAt stays, updatedAt follows."""
    new = created(client.post(of_kind("slack")))
    stack.sql("UPDATE sigsentry.channel SET updated_at = created_at + interval '90.0625 seconds' WHERE id = %s", new)
    data = shown(client, new)
    later = instant(data["updatedAt"]) - instant(data["createdAt"])
    assert datetime.timedelta(seconds=90.061) <= later <= datetime.timedelta(seconds=90.064)


TIMES = [("2026-01-02 03:04:05+00", "2026-01-02T03:04:05.000Z"), ("2026-01-02 03:04:05.7+00", "2026-01-02T03:04:05.700Z"),
         ("2026-07-01 00:00:00+02", "2026-06-30T22:00:00.000Z")]


@pytest.mark.parametrize("stored,text", TIMES)
def test_times(client, stored, text):
    """UTC, milliseconds even where they are zero."""
    new = created(client.post(of_kind("slack")))
    stack.sql("UPDATE sigsentry.channel SET created_at = %s, updated_at = %s WHERE id = %s", stored, stored, new)
    data = shown(client, new)
    assert (data["createdAt"], data["updatedAt"]) == (text, text)


REASON = {"code": "gone", "message": "it said \"gone\" \u2014 410", "at": "2026-01-02T03:04:05.678Z"}


def test_disabled_reason(client):
    """Shown where the service switched a channel off; elsewhere the field is not there."""
    new = created(client.post(of_kind("slack")))
    stack.sql("UPDATE sigsentry.channel SET is_active = false, disabled_reason = %s WHERE id = %s",
              json.dumps(REASON), new)
    data = shown(client, new)
    assert (data["isActive"], data["disabledReason"]) == (False, REASON)
    assert [c for c in listed(client, "?includeInactive=true") if c["id"] == new] == [data]
    assert new not in ids(listed(client))


def test_switched_off_by_hand(client):
    new = created(client.post(of_kind("slack")))
    stack.sql("UPDATE sigsentry.channel SET is_active = false WHERE id = %s", new)
    data = shown(client, new)
    assert data["isActive"] is False and "disabledReason" not in data


@pytest.mark.parametrize("kind", KINDS)
def test_no_credentials(client, kind):
    """No answer has a credential, in plain text or sealed, not even its field's name."""
    body = of_kind(kind)
    new = created(client.post(body))
    boxes = list(stack.sealed(new).values())
    for path in (at(new), PATH, PATH + "?includeInactive=true&page=1&limit=100"):
        text = get(client, path).body.decode()
        assert new in text and stack.CANARY not in text
        for field, value in body["credentials"].items():
            assert '"%s"' % field not in text and value not in text
        for box in boxes:
            for form in (box.hex(), base64.b64encode(box).decode(), box[-16:].hex(),
                         base64.b64encode(box[-15:]).decode()):
                assert form not in text


# Order and what is in the list ----------------------------------------------------------------------


def add_rows(place, ages, active=True, project=None):
    """Channels by SQL, so many seconds old; their ids in that order."""
    made = [str(uuid.uuid4()) for _ in ages]
    with stack.database() as cursor:
        for new, age in zip(made, ages):
            cursor.execute(
                "INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, is_active,"
                " destination, created_at) VALUES (%s, %s, %s, 'slack', 'row', 1, %s, 'hooks.slack.com',"
                " now() - make_interval(secs => %s))", (place.tenant, new, project or place.project, active, age))
    return made


def test_order():
    """Active first, newest first, tenant-wide ones among the others."""
    place = stack.Place(permissions=BOTH)
    a, b, c = add_rows(place, [30, 10, 20])
    off_a, off_b = add_rows(place, [5, 1], active=False)
    wide = stack.add_tenant_wide_channel(place.tenant)
    stack.sql("UPDATE sigsentry.channel SET created_at = now() - interval '15 seconds' WHERE id = %s", wide)
    with Client(place.key) as client:
        assert ids(listed(client)) == [b, wide, c, a]
        assert ids(listed(client, "?includeInactive=true")) == [b, wide, c, a, off_b, off_a]
        stack.sql("UPDATE sigsentry.channel SET is_active = false WHERE id = %s", b)
        assert ids(listed(client)) == [wide, c, a]
        assert ids(listed(client, "?includeInactive=true")) == [wide, c, a, off_b, off_a, b]
        items, pagination = page_of(client, "?includeInactive=true&page=2&limit=4")
        assert ids(items) == [off_a, b] and pagination["total"] == 6


def test_new_ones_come_first():
    place = stack.Place(permissions=BOTH)
    with Client(place.key) as client:
        made = [created(client.post(of_kind("slack"))) for _ in range(4)]
        assert ids(listed(client)) == made[::-1]


INACTIVE = [
    ("", False), ("?includeInactive=true", True), ("?includeInactive=false", False),
    ("?includeInactive=%74rue", True), ("?include%49nactive=true", True), ("?x=1&includeInactive=true", True),
    ("?includeinactive=true", False), ("?includeInactive%20=true", False), ("?IncludeInactive=true", False),
    ("?isActive=false", False),
]
NO_INACTIVE = ["", "=", "=1", "=0", "=TRUE", "=yes", "=true%20", "=%20true", "=true%00", "=tru", "=null"]


@pytest.fixture(scope="module")
def mixed():
    """A project with one active channel and one that is switched off; never changed."""
    place = stack.Place("enterprise", BOTH)
    place.on, = add_rows(place, [1])
    place.off, = add_rows(place, [2], active=False)
    return place


@pytest.mark.parametrize("query,inactive", INACTIVE)
def test_include_inactive(mixed, plain, query, inactive):
    assert ids(listed(plain, query, key=mixed.key)) == [mixed.on] + [mixed.off] * inactive


@pytest.mark.parametrize("value", NO_INACTIVE)
def test_bad_include_inactive(mixed, plain, value):
    (path, code), = issues(get(plain, PATH + "?includeInactive" + value, key=mixed.key))
    assert path == "query.includeInactive" and code in ("enum", "format")


# Paging ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many():
    """A project with 101 active channels, newest first in `on`, and 3 that are switched off; never changed."""
    place = stack.Place("enterprise", BOTH)
    place.on = add_rows(place, range(101))
    place.off = add_rows(place, range(3), active=False)
    return place


PAGES = [
    # query, the part of the list, page, limit
    ("?page=1&limit=100", slice(0, 100), 1, 100),
    ("?page=2&limit=100", slice(100, 101), 2, 100),
    ("?page=3&limit=100", slice(0, 0), 3, 100),
    ("?page=1&limit=1", slice(0, 1), 1, 1),
    ("?page=101&limit=1", slice(100, 101), 101, 1),
    ("?page=102&limit=1", slice(0, 0), 102, 1),
    ("?page=1000000&limit=100", slice(0, 0), 1000000, 100),
    ("?page=1000000000&limit=100", slice(0, 0), 1000000000, 100),
    ("?page=2&limit=50", slice(50, 100), 2, 50),
    ("?limit=100", slice(0, 100), 1, 100),
    ("?limit=1", slice(0, 1), 1, 1),
    ("?limit=7", slice(0, 7), 1, 7),
    ("?limit=7&page=2", slice(7, 14), 2, 7),
    ("?page=%31&limit=%32", slice(0, 2), 1, 2),
    ("?p%61ge=2&%6cimit=3", slice(3, 6), 2, 3),
    ("?x=1&page=2&y&limit=3&z=%", slice(3, 6), 2, 3),
    ("?&&page=2&&limit=3&", slice(3, 6), 2, 3),
    ("?Page=9&LIMIT=0&limit=3", slice(0, 3), 1, 3),
]


@pytest.mark.parametrize("query,part,page,limit", PAGES, ids=[r[0] for r in PAGES])
def test_page(many, plain, query, part, page, limit):
    items, pagination = page_of(plain, query, key=many.key)
    assert ids(items) == many.on[part]
    assert pagination == {"page": page, "limit": limit, "total": 101, "totalPages": -(-101 // limit)}
    items, pagination = page_of(plain, query + "&includeInactive=true", key=many.key)
    assert pagination == {"page": page, "limit": limit, "total": 104, "totalPages": -(-104 // limit)}
    assert ids(items) == (many.on + many.off)[(page - 1) * limit:page * limit]


@pytest.mark.parametrize("query", ["", "?", "?x=1", "?pages=1&limits=2", "?Page=1", "?page%20=1", "?" + "x" * 3000, "?=1", "?=",
                                   "?&", "?%", "?%zz=1", "?cursor=x", "?project=x", "?tenant=x"])
def test_without_paging(many, plain, query):
    """The whole array, whatever else is asked."""
    assert ids(listed(plain, query, key=many.key)) == many.on


def test_page_alone(many, plain):
    """A limit of the service's own, the same on every page."""
    items, pagination = page_of(plain, "?page=1", key=many.key)
    limit = pagination["limit"]
    assert 1 <= limit <= 100 and ids(items) == many.on[:limit]
    assert pagination == {"page": 1, "limit": limit, "total": 101, "totalPages": -(-101 // limit)}
    assert ids(page_of(plain, "?page=2", key=many.key)[0]) == many.on[limit:2 * limit]


@pytest.mark.parametrize("limit", [3, 33, 100])
def test_pages_make_the_list(many, plain, limit):
    found, page = [], 0
    while True:
        page += 1
        items, pagination = page_of(plain, "?page=%d&limit=%d&includeInactive=true" % (page, limit), key=many.key)
        found += items
        if page == pagination["totalPages"]:
            break
    assert found == listed(plain, "?includeInactive=true", key=many.key)


def test_pages_of_equal_times(plain):
    """Channels of the same moment keep their order from page to page: none is skipped, none shown twice."""
    place = stack.Place(permissions=BOTH)
    made = add_rows(place, [1] * 9)
    found = [ids(page_of(plain, "?page=%d&limit=2" % p, key=place.key)[0]) for p in range(1, 6)]
    assert sorted(sum(found, [])) == sorted(made)


BAD_NUMBERS = ["", "=", "=0", "=-1", "=1.5", "=1.0", "=1e1", "=x", "=+1", "=%2B1", "=%201", "=1%20", "=0x1", "=1,2", "=null",
               "=true", "=%00", "=1%00", "=%D9%A1", "=18446744073709551617", "=" + "9" * 3000, "=%", "=%zz", "=-0", "=1;",
               "=1=1", "=00"]


@pytest.mark.parametrize("name", ["page", "limit"])
@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda v: v[:24] or "bare")
def test_bad_number(many, plain, name, value):
    assert issues(get(plain, PATH + "?" + name + value, key=many.key)) == [("query." + name, "format")]


@pytest.mark.parametrize("value", ["101", "1000", "4294967297"])
def test_limit_too_high(many, plain, value):
    assert issues(get(plain, PATH + "?limit=" + value, key=many.key)) == [("query.limit", "format")]


@pytest.mark.parametrize("name,value", [("page", "1"), ("limit", "1"), ("includeInactive", "true")])
@pytest.mark.parametrize("again", ["{n}={v}", "{n}=x", "{n}", "{e}={v}"])
def test_repeated_parameter(many, plain, name, value, again):
    encoded = "%%%02x%s" % (ord(name[0]), name[1:])
    query = "?%s=%s&" % (name, value) + again.format(n=name, v=value, e=encoded)
    assert issues(get(plain, PATH + query, key=many.key)) == [("query." + name, "duplicate")]


def test_all_faults_of_a_query(many, plain):
    found = issues(get(plain, PATH + "?limit=0&includeInactive=1&page=x", key=many.key))
    assert sorted(p for p, _ in found) == ["query.includeInactive", "query.limit", "query.page"]


def test_empty_project(scene, plain):
    """None of its own; the tenant's all the same."""
    place = stack.Place(permissions=BOTH)
    assert get(plain, PATH, key=place.key).json() == {"success": True, "data": []}
    for query, page, limit in (("?page=1&limit=5", 1, 5), ("?page=9&limit=5", 9, 5), ("?limit=100", 1, 100)):
        assert page_of(plain, query, key=place.key) == (
            [], {"page": page, "limit": limit, "total": 0, "totalPages": 0})
    assert ids(listed(plain, key=scene.org, project=scene.empty_project)) == [scene.wide]


# Who sees what --------------------------------------------------------------------------------------


def test_tenant_wide(scene, plain):
    """Shown to each project of the tenant, and to no other tenant."""
    wide = shown(plain, scene.wide, key=scene.key)
    assert (wide["scope"], wide["name"]) == ("tenant", "tenant-wide")
    for options in (dict(key=scene.key), dict(key=scene.org, project=scene.other_project)):
        assert [c for c in listed(plain, **options) if c["scope"] == "tenant"] == [wide]
        assert page_of(plain, "?limit=100", **options)[1]["total"] == 2
    assert set(ids(listed(plain, key=scene.stranger.key))) == {scene.strange, scene.strange_wide}


LISTS = [
    ("own key", dict(key="key"), {"own", "wide"}),
    ("own key, its project", dict(key="key", project="project"), {"own", "wide"}),
    ("org key", dict(key="org", project="project"), {"own", "wide"}),
    ("org key, other project", dict(key="org", project="other_project"), {"other", "wide"}),
]


def resolve(scene, options):
    return {name: getattr(scene, value, value) for name, value in options.items()}


@pytest.mark.parametrize("options,seen", [r[1:] for r in LISTS], ids=[r[0] for r in LISTS])
def test_list_of_a_project(scene, plain, options, seen):
    assert set(ids(listed(plain, **resolve(scene, options)))) == {getattr(scene, n) for n in seen}


ALL_THREE = {"own", "other", "wide"}
REACH = [
    ("own key", dict(key="key"), {"own", "wide"}),
    ("own key, its project", dict(key="key", project="project"), {"own", "wide"}),
    ("org key", dict(key="org"), ALL_THREE),
    ("org key, project", dict(key="org", project="project"), {"own", "wide"}),
    ("org key, other project", dict(key="org", project="other_project"), {"other", "wide"}),
    ("org key, empty project", dict(key="org", project="empty_project"), {"wide"}),
    ("stranger", dict(key="stranger_org"), {"strange", "strange_wide"}),
]


@pytest.mark.parametrize("options,reached", [r[1:] for r in REACH], ids=[r[0] for r in REACH])
def test_reach(scene, plain, options, reached):
    """By its id a key reaches these channels and no others."""
    for name in sorted(ALL_THREE | {"strange", "strange_wide"}):
        reply = get(plain, at(getattr(scene, name)), **resolve(scene, options))
        if name in reached:
            assert ok(reply, 200)["id"] == getattr(scene, name)
        else:
            error(reply, 404, "NOT_FOUND")


VOLATILE = {"x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset"}


def all_but_volatile(reply):
    return reply.status, [h for h in reply.headers if h[0] not in VOLATILE], reply.body


FOREIGN = [("GET", None), ("HEAD", None), ("DELETE", None), ("PUT", {"name": "taken"}), ("PATCH", {"name": "taken"}),
           ("PUT", {}), ("PATCH", {"name": ""}), ("PUT", b"no JSON"), ("PATCH", {"credentials": {"webhookUrl": None}}),
           ("PUT", {"id": "x"}), ("PUT", {"type": "webhook"})]


@pytest.mark.parametrize("whose", ["key", "org"])
@pytest.mark.parametrize("method,body", FOREIGN, ids=repr)
def test_foreign_is_as_none(scene, plain, whose, method, body):
    """Another tenant's channel, one of its whole tenant, and an unknown id: the same answer, to the byte."""
    key = getattr(scene, whose)
    before = stack.sql("SELECT c::text AS t FROM sigsentry.channel c WHERE tenant_id = %s ORDER BY id",
                       scene.stranger.tenant)
    unknown = [str(uuid.uuid4()), str(uuid.UUID(int=0)), "ffffffff-ffff-ffff-ffff-ffffffffffff"]
    targets = [scene.strange, scene.strange_wide] + unknown + ([scene.other] if whose == "key" else [])
    replies = [plain.send(method, at(x), body, key=key) for x in targets]
    if method != "HEAD":
        error(replies[0], 404, "NOT_FOUND")
    for reply in replies[1:]:
        assert all_but_volatile(reply) == all_but_volatile(replies[0])
    assert before == stack.sql("SELECT c::text AS t FROM sigsentry.channel c WHERE tenant_id = %s ORDER BY id",
                               scene.stranger.tenant)


# The id in the path ---------------------------------------------------------------------------------


def test_id_in_any_case(scene, plain):
    assert shown(plain, scene.own.upper(), key=scene.key)["id"] == scene.own


@pytest.mark.parametrize("version", range(16))
def test_any_version(scene, plain, version):
    text = "01234567-89ab-%xdef-8123-456789abcdef" % version
    error(get(plain, at(text), key=scene.key), 404, "NOT_FOUND")


BAD_IDS = ["x", "1", "-", "{cut}", "{id}0", "0{id}", "{bare}", "%7B{id}%7D", "urn:uuid:{id}", "{id}%20", "%20{id}",
           "{id};v=1", "{id},{id}", "{id}.json", "{id}%0a", "g{tail}", "*", "null", "undefined", "setting", "settingss",
           "Settings", "SETTINGS", "{dashes}", "me", "a" * 2000, "%27%20OR%201=1--", "~{tail}", "{id}+", "%C3%A9", "{wide}"]


@pytest.mark.parametrize("form", BAD_IDS, ids=lambda f: f[:24])
def test_malformed_id(scene, plain, form):
    own = scene.own
    path = at(form.format(id=own, cut=own[:-1], tail=own[1:], bare=own.replace("-", ""), dashes=own.replace("-", "_"),
                          wide="%EF%BC%90" + own[1:]))
    for method, body in (("GET", None), ("PUT", {"name": "x"}), ("PATCH", {}), ("DELETE", None)):
        assert issues(plain.send(method, path, body, key=scene.key)) == [("path.id", "format")]


DEEPER = ["{id}/", "{id}//", "/{id}", "{id}/x", "{id}/settings", "settings/", "settings/{id}"]


@pytest.mark.parametrize("form", DEEPER)
def test_no_such_path(scene, plain, form):
    error(get(plain, at(form.format(id=scene.own)), key=scene.key), 404, "NOT_FOUND")


# Keys and permissions -------------------------------------------------------------------------------

READS = [PATH, PATH + "?page=1", "{own}", PATH + "/settings"]


@pytest.mark.parametrize("path", READS)
def test_keys(scene, plain, path):
    path = path.replace("{own}", at(scene.own))
    ok(get(plain, path, key=scene.key), 200)
    error(get(plain, path), 401, "UNAUTHORIZED")
    error(get(plain, path, key=scene.key[:-1] + "_"), 401, "UNAUTHORIZED")
    error(get(plain, path, key=scene.pub), 403, "SECRET_KEY_REQUIRED")
    assert error(get(plain, path, key=scene.writer), 403, "FORBIDDEN") == {"required": "config:read"}
    assert issues(get(plain, path, key=scene.org, project="x")) == [("header.X-Project-Id", "format")]
    for project in (scene.stranger.project, str(uuid.uuid4())):
        error(get(plain, path, key=scene.org, project=project), 403, "WRONG_PROJECT")
        error(get(plain, path, key=scene.key, project=project), 403, "WRONG_PROJECT")
    error(get(plain, path, key=scene.key, project=scene.other_project), 403, "WRONG_PROJECT")
    twice = [("X-Project-Id", scene.project)] * 2
    assert issues(get(plain, path, key=scene.org, headers=twice)) == [("header.X-Project-Id", "duplicate")]


def test_which_need_a_project(scene, plain):
    """A list does; one channel and the settings do not."""
    error(get(plain, PATH, key=scene.org), 400, "MISSING_PROJECT_ID")
    error(get(plain, PATH + "?page=1", key=scene.org), 400, "MISSING_PROJECT_ID")
    ok(get(plain, at(scene.own), key=scene.org), 200)
    ok(get(plain, PATH + "/settings", key=scene.org), 200)


ORDER = [
    ("no permission, bad query", "writer", PATH + "?page=x", None, 403, "FORBIDDEN"),
    ("no permission, bad id", "writer", PATH + "/x", None, 403, "FORBIDDEN"),
    ("no permission, unknown id", "writer", PATH + "/" + str(uuid.uuid4()), None, 403, "FORBIDDEN"),
    ("foreign project, bad id", "org", PATH + "/x", str(uuid.uuid4()), 403, "WRONG_PROJECT"),
    ("public key, bad query", "pub", PATH + "?limit=0", None, 403, "SECRET_KEY_REQUIRED"),
    ("no project, bad query", "org", PATH + "?limit=0", None, 400, "MISSING_PROJECT_ID"),
    ("no key, bad id", None, PATH + "/x", None, 401, "UNAUTHORIZED"),
    ("no key, unknown path", None, PATH + "/x/y", None, 404, "NOT_FOUND"),
]


@pytest.mark.parametrize("who,path,project,status,code", [r[1:] for r in ORDER], ids=[r[0] for r in ORDER])
def test_order_of_checks(scene, plain, who, path, project, status, code):
    error(get(plain, path, key=who and getattr(scene, who), project=project), status, code)


@pytest.mark.parametrize("path", [PATH + "/x", PATH + "?page=x&limit=0&includeInactive=1", PATH + "?page=1&page=1"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_project_header_alone(scene, plain, method, path):
    """A fault of X-Project-Id answers before one of the id, of the query or of other headers."""
    if method != "GET" and "?" in path:
        return
    once = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    reply = plain.send(method, path, key=scene.key, project="x", headers=once)
    assert issues(reply) == [("header.X-Project-Id", "format")]
    if "?" not in path:
        body = {} if method == "PUT" else None
        assert issues(plain.send(method, path, body, key=scene.key, headers=once)) == [("path.id", "format")]


def test_a_body_does_not_matter(scene, plain):
    """A GET has no use for one, whatever its type."""
    for media in ("application/json", "text/plain"):
        reply = plain.send("GET", at(scene.own), b"{" + secret("get").encode(), key=scene.key, content_type=media)
        assert ok(reply, 200)["id"] == scene.own


def test_rate_headers(scene, plain):
    for path in (PATH, at(scene.own), at(uuid.uuid4()), PATH + "/settings", PATH + "/x", PATH + "?page=0"):
        reply = get(plain, path, key=scene.key)
        assert reply.header("x-ratelimit-limit") == "60000", reply
        assert 0 <= int(reply.header("x-ratelimit-remaining")) < 60000
        assert int(reply.header("x-ratelimit-reset")) % 60 == 0


# HEAD -----------------------------------------------------------------------------------------------

HEADS = [
    ("list", PATH, "key", 200), ("page", PATH + "?page=1&limit=1", "key", 200), ("channel", "{own}", "key", 200),
    ("settings", PATH + "/settings", "key", 200), ("bad query", PATH + "?page=0", "key", 400),
    ("bad id", PATH + "/x", "key", 400), ("unknown id", PATH + "/" + str(uuid.uuid4()), "key", 404),
    ("no path", PATH + "/x/y", "key", 404), ("no key", "{own}", None, 401), ("forbidden", "{own}", "writer", 403),
    ("health", "/healthz", None, 200), ("ready", "/readyz", None, 200),
]


@pytest.mark.parametrize("path,who,status", [r[1:] for r in HEADS], ids=[r[0] for r in HEADS])
def test_head(scene, plain, path, who, status):
    """As GET, header for header, without a body."""
    stack.calm()
    path = path.replace("{own}", at(scene.own))
    full, head = (plain.send(m, path, key=who and getattr(scene, who)) for m in ("GET", "HEAD"))
    assert full.status == head.status == status and full.body and head.body == b""
    assert all_but_volatile(head)[1] == all_but_volatile(full)[1]


# Methods --------------------------------------------------------------------------------------------

METHODS = [(PATH, {"GET", "HEAD", "POST"}), ("{own}", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
           (PATH + "/settings", {"GET", "HEAD", "PUT"}), (PATH + "/x", {"GET", "HEAD", "PUT", "PATCH", "DELETE"})]


@pytest.mark.parametrize("path,allowed", METHODS)
def test_methods(scene, plain, path, allowed):
    """Others are a 405 that names those there are, before the key is looked at."""
    path = path.replace("{own}", at(scene.own))
    for method in sorted({"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"} - allowed):
        for key in (scene.key, None):
            reply = plain.send(method, path, key=key)
            if method == "get":  # nginx takes no method in lower case
                assert reply.status in (400, 405)
                continue
            error(reply, 405, "METHOD_NOT_ALLOWED")
            assert set(re.split(", *", reply.header("allow"))) == allowed
