"""What flow's suites have, and a file that says which allocation of a program fails (scarce.c)."""

import os
import pathlib
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "flow")]

import stack  # noqa: E402
import pytest  # noqa: E402

stack.required()


class Scarce:
    """The file, and what a program must have in its environment to go by it."""

    def __init__(self, folder):
        build = pathlib.Path(stack.env("SIGSENTRY_BUILD"))
        subprocess.run(["make", "-C", str(build), "-s", "tests/scarce/scarce.so"], stdin=subprocess.DEVNULL, check=True,
                       stdout=subprocess.DEVNULL)
        self.path = folder / "scarce"
        self.environ = {**os.environ, "LD_PRELOAD": str(build / "tests/scarce/scarce.so"), "SCARCE": str(self.path)}
        self.path.write_bytes(bytes(24))
        self.end()

    def fail(self, n, every=-1):
        """The ${n}-th allocation from now (0: the next) fails; and then each behind ${every} more, where that is not below 0."""
        with self.path.open("r+b") as f:
            f.write(struct.pack("qqq", n, every, 0))

    def end(self):
        """All is there again; how many have failed."""
        hits = struct.unpack("qqq", self.path.read_bytes())[2]
        self.fail(-1)
        return hits


@pytest.fixture(scope="module")
def scarce(tmp_path_factory):
    return Scarce(tmp_path_factory.mktemp("scarce"))
