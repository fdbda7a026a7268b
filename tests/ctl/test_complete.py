"""Goal: the shell completes what sigsentryctl takes, and nothing that it does not.

The file for bash asks the program itself, so what is tested is that the program's answers are those of its help, and that
bash, which takes words apart at ':' and '=', gets what it needs.
"""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from test_ctl import CTL, ROOT, commands, plain

FILE = ROOT / "src" / "ctl" / "bash" / "sigsentryctl"
GLOBALS = {"--config", "--option", "--json", "--help", "--version"}
PROGRAM = str(pathlib.Path(CTL[0]).resolve())


def answers(*words):
    """What the program says can stand in place of the last word."""
    done = subprocess.run([PROGRAM, "--complete", *words], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines()


def options_of(command):
    """The options that the help of a command shows, and the words that it takes instead of one."""
    lines = plain(*command.split(), "--help").splitlines()
    usage = lines[0].split("sigsentryctl " + command, 1)[1]
    return set(re.findall(r"--[a-z-]+", usage)), len(re.findall(r"^ \[?[A-Z]+", usage))


def test_commands_are_those_of_the_help():
    firsts = {c.split()[0] for c in commands()}
    assert answers("") == answers() and len(answers("")) == len(set(answers("")))
    assert set(answers("")) == firsts | {"help"} and set(answers("help", "")) == firsts
    for first in firsts:
        assert answers(first[:-1])[0] == first
        seconds = [c.split()[1] for c in commands() if c.startswith(first + " ")]
        if seconds:
            assert answers(first, "") == answers("help", first, "") == answers("--json", first, "") == seconds


@pytest.mark.parametrize("command", commands())
def test_options_are_those_of_the_help(command):
    given, bare = options_of(command)
    offered = answers(*command.split(), "--")
    assert GLOBALS | given <= set(offered)
    # The options of words that may stand bare are the only ones that the usage does not show.
    assert len(set(offered) - GLOBALS - given) == bare
    assert set(answers(*command.split(), "")) == given
    for option in given:
        assert option in answers(*command.split(), option[:-1])


def test_only_what_can_still_be_given():
    line = ["apikey", "create", "--kind", "org", "--permission", "config:read", "--name=--tenant"]
    left = answers(*line, "--")
    assert "--permission" in left and "--tenant" in left
    assert "--kind" not in left and "--name" not in left
    # The value of an option is no option.
    assert "--json" in answers("tenant", "create", "--name", "--json", "--")
    assert "--json" not in answers("--json", "tenant", "create", "--")
    assert answers("tenant", "list", "--", "-") == []
    assert answers("tenant", "suspend", "x", "") == []


VALUES = [
    ("--kind", ["pub", "secret", "org"]),
    ("--permission", ["analysis:create", "analysis:read", "config:read", "config:write"]),
    ("--type", ["slack", "teams", "discord", "google_chat", "webhook", "email"]),
    ("--severity-threshold", ["critical", "high", "medium", "low"]),
    ("--channels", ["unlimited"]), ("--reads-per-minute", ["unlimited"]), ("--writes-per-minute", ["unlimited"]),
    ("--credentials", ["<file>"]), ("--config", ["<file>"]), ("-c", ["<file>"]),
    ("--tenant", []), ("--expires", []), ("--name", []),
]


@pytest.mark.parametrize("option,values", VALUES, ids=[v[0] for v in VALUES])
def test_values(option, values):
    assert answers("apikey", "create", option, "") == values
    for value in values:
        if value != "<file>":
            assert answers("apikey", "create", option, value[:-1]) == [value]
            assert answers(option + "=" + value[:-1]) == [option + "=" + value]
    assert answers(option, "no such") == (values if values == ["<file>"] else [])


def test_nothing_behind_what_is_no_command():
    assert answers("frob", "") == answers("tenant", "frob", "") == answers("tenant", "list", "extra") == []
    assert answers("tenant", "frob", "--") == ["--config", "--option", "--json", "--help", "--version"]
    assert answers("--nonsense", "ten") == ["tenant"]


# bash ----------------------------------------------------------------------------------------------


def bash(*words, breaks=None):
    """COMPREPLY for these words, taken apart as bash does it."""
    script = '. "$1"; program=$2; shift 2; %s COMP_WORDS=(sigsentryctl "$@"); COMP_CWORD=$#; ' \
             '_sigsentryctl "$program" "${COMP_WORDS[COMP_CWORD]}" x; printf "%%s\\n" "${COMPREPLY[@]}"' % (
                 "" if breaks is None else "COMP_WORDBREAKS='%s';" % breaks)
    done = subprocess.run(["bash", "-c", script, "bash", str(FILE), PROGRAM, *words], capture_output=True, text=True,
                          timeout=30)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines() if done.stdout != "\n" else []


def test_bash_knows_it():
    done = subprocess.run(["bash", "-c", '. "$1"; complete -p sigsentryctl', "bash", str(FILE)], capture_output=True,
                          text=True, timeout=30)
    assert done.stdout == "complete -F _sigsentryctl sigsentryctl\n"


@pytest.mark.parametrize("words,reply", [
    (["ten"], ["tenant"]),
    (["tenant", "s"], ["set-plan", "suspend"]),
    (["apikey", "create", "--kind", "se"], ["secret"]),
    (["apikey", "create", "--kind", "=", "se"], ["secret"]),
    (["apikey", "create", "--kind", "="], ["pub", "secret", "org"]),
    (["apikey", "create", "--permission", "config", ":", "w"], ["write"]),
    (["apikey", "create", "--permission", "config", ":"], ["read", "write"]),
    (["apikey", "create", "--permission", "conf"], ["config:read", "config:write"]),
    (["apikey", "create", "--permission", "config", ":", "read", "--ki"], ["--kind"]),
    (["apikey", "create", "--expires", "2030-01-31T12", ":", "00", ":", "00Z", "--perm"], ["--permission"]),
    (["channel", "create", "--credentials", "x"], []),
    (["frob", "x"], []),
], ids=str)
def test_bash_gets_what_it_must_add(words, reply):
    assert bash(*words) == reply


def test_bash_without_breaks():
    assert bash("--permission", "config:w", breaks=" ") == ["config:write"]
    assert bash("--kind=se", breaks=" :") == ["--kind=secret"]


def typed(keys, folder):
    """What stands on the line of a real bash after these keys."""
    program = folder / "sigsentryctl"
    shutil.copy(PROGRAM, program)
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ.update(PATH="%s:%s" % (folder, os.environ["PATH"]), PS1="$ ", TERM="dumb")
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
    seen = b""

    def wait(pattern, seconds=20):
        nonlocal seen
        end = time.monotonic() + seconds
        while not re.search(pattern, seen) and time.monotonic() < end:
            if select.select([fd], [], [], 0.1)[0]:
                seen += os.read(fd, 4096)
        assert re.search(pattern, seen), seen
        return re.search(pattern, seen)

    try:
        os.write(fd, b"bind 'set bell-style none'; . %s; echo re''ady\n" % str(FILE).encode())
        wait(rb"ready\r\n")
        # ^A and ^E go to the ends of the line, so that the line itself becomes a word that is echoed
        os.write(fd, keys.encode() + b'\x01echo "<\x05>"\n')
        return wait(rb"(?m)^<(.*)>\r$")[1].decode()
    finally:
        os.close(fd)
        os.waitpid(pid, 0)


def test_in_a_real_bash(tmp_path):
    (tmp_path / "slack.json").write_text("{}")
    line = typed("sigsentryctl chan\tcr\t--type=goo\t--cred\tsl\t--sev\tcr\t", tmp_path)
    assert line == ("sigsentryctl channel create --type=google_chat --credentials slack.json --severity-threshold critical ")
    assert typed("sigsentryctl apik\tcr\t--perm\tconfig:w\t", tmp_path) == (
        "sigsentryctl apikey create --permission config:write ")
