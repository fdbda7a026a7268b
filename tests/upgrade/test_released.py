"""Goal: what is released stays as it was released: its schema files, which every database of it has had, and what its programs
may say to a newer schema.  The programs refuse differing files at run time; here the developer is told first.
"""

import hashlib
import re

import pytest

import rig
from rig import HERE, RELEASED, ROOT

SCHEMA = ROOT / "sql" / "schema"


@pytest.mark.parametrize("release", RELEASED, ids=lambda r: r["version"])
def test_schema_files_are_as_released(release):
    for name, sum_ in release["schema"].items():
        path = SCHEMA / name
        assert path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sum_, (
            "%s was released with %s and must stay as it was then, comments too: no database that has had it would be"
            " migrated any more. Put the change into a new file behind the last one." % (path, release["version"]))


@pytest.mark.parametrize("release", RELEASED, ids=lambda r: r["version"])
def test_list_agrees_with_the_commit(release):
    """The list itself might be changed along with a file."""
    if not rig.has_commit(release["version"]):
        pytest.skip("the commit of %s is not in this clone (it is a shallow one): git fetch --unshallow" % release["version"])
    assert rig.released_schema(release["version"]) == release["schema"]


def test_every_release_is_listed_and_has_its_fixture():
    """All versions of the changelog but the newest, which is being made."""
    versions = re.findall(r"^sigsentry \((.+)\)", (ROOT / "debian" / "changelog").read_text(), re.M)
    assert re.search(r"AC_INIT\(\[sigsentry\], \[(.+)\]\)", (ROOT / "configure.ac").read_text())[1] == versions[0]
    assert [r["version"] for r in RELEASED] == versions[:0:-1], (
        "a release gets its row in tests/upgrade/released.json, and its fixture by tests/upgrade/make-fixture")
    for version in versions[1:]:
        for kind in ("sql.xz", "json", "statements.json", "keyring.private", "keyring.public"):
            assert (HERE / "fixtures" / ("%s.%s" % (version, kind))).exists(), (version, kind)
