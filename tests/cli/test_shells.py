"""`mi` among other programs: pipes, signals, completion, and how it is started."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import pexpect
import pytest

from mi_ldap import __version__
from mi_ldap.cli.root import mi as program
from tests.cli.conftest import PASSWORD, Stage
from tests.cli.terminal import COMMAND, ROOT, Person


@pytest.fixture
def on_path(mi: Person) -> Person:
    """`root`, with `mi` on the path."""
    bin_folder = mi.home / "bin"
    bin_folder.mkdir()
    (bin_folder / "mi").write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    (bin_folder / "mi").chmod(0o755)
    return Person(mi.home, {"PATH": f"{bin_folder}:{os.environ['PATH']}"})


def in_bash(person: Person, script: str) -> str:
    ran = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=person.environment,
        cwd=person.home,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert ran.stderr == "", ran.stderr
    return ran.stdout


def completed(person: Person, *words: str) -> list[str]:
    """What bash would offer for the last word."""
    typed = " ".join(f"'{word}'" if word.startswith("$") else word for word in words)
    script = (
        'eval "$(mi completion bash)"\n'
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}) COMP_CWORD={len(words) - 1}\n"
        f"compopt() {{ :; }}; _mi_completion mi {typed.split()[-1]!r}\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return in_bash(person, script).splitlines()


def test_a_closed_pipe_is_no_reason_to_talk(on_path: Person) -> None:
    said = in_bash(
        on_path,
        "set -o pipefail; mi --help | head -n 1; mi user show | true; mi user show | head -n 1",
    )
    assert said.splitlines()[0].startswith("Usage: mi")
    assert said.splitlines()[-1] == "USER"


FULL = "The output can't be written: no space left on device."
CLOSED = "The output can't be written: bad file descriptor."
UNREADABLE = "The standard input can't be read: bad file descriptor."


@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        ("user show >/dev/full", 1, FULL),
        ("user show --format csv >/dev/full", 1, FULL),
        ("--help >/dev/full", 1, FULL),
        ("version >&-", 1, CLOSED),
        ("user show <&-", 0, ""),
        ("user create nobody <&-", 2, "Missing argument 'PASSWORD'. See 'mi user create --help'."),
        ("user create nobody 0>/dev/null", 1, UNREADABLE),
        ("user show nobody 2>&-", 1, ""),
        ("user show nobody 2>/dev/full", 1, ""),
        ("user shew 2>/dev/full", 2, ""),
        ("user show >/dev/full 2>/dev/full", 1, ""),
    ],
)
def test_closed_and_full_output_streams(mi: Person, command: str, status: int, says: str) -> None:
    ran = subprocess.run(
        ["bash", "-c", f"{shlex.join(COMMAND)} {command}"],
        env=mi.environment,
        cwd=mi.home,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr.rstrip("\n")) == (status, says)


def test_ctrl_c(mi: Person) -> None:
    child = mi.at_terminal("user", "create", "never")
    child.expect_exact("Password of never: ")
    child.sendintr()
    child.expect_exact("\n")
    child.wait()
    assert (child.exitstatus, child.signalstatus) == (130, None)
    assert mi("user", "show", "never").status == 1
    process = mi.start("-k", "user", "create", "never")
    # It says so just before it asks; earlier, Python itself would be interrupted.
    assert process.stderr is not None
    assert process.stderr.readline().startswith("WARNING")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode in {130, -signal.SIGINT}


def test_bash_completes_commands_and_names(on_path: Person) -> None:
    on_path.done("user", "create", "Compl, Bäsh", PASSWORD, "no")
    on_path.done("user", "create", "compl2", PASSWORD, "no")
    on_path.done("role", "create", "a role (odd)")
    assert completed(on_path, "mi", "re") == ["remote"]
    assert set(completed(on_path, "mi", "user", "")) >= {"create", "import", "show"}
    assert completed(on_path, "mi", "remote", "select", "d") == ["default"]
    assert completed(on_path, "mi", "user", "delete", "compl") == ["compl2"]
    assert completed(on_path, "mi", "user", "show", "Comp") == ["Compl\\,\\ Bäsh"]
    assert completed(on_path, "mi", "role", "show", "a") == ["a\\ role\\ \\(odd\\)", "admin"]
    assert completed(on_path, "mi", "user", "show", "--ro") == ["--role"]


LIVE = [
    "zz$(touch ran)",
    "zy`touch${IFS}ran`",
    "zx';touch ran;echo '",
    'zw";touch ran;echo "',
    "zv\\;touch ran",
]
SHELLS = {
    "bash": ("--norc -i", "PS1='ready>' PS2='more>'"),
    "zsh": ("-f -i", "autoload -U compinit; compinit -D; PS1='ready>' PS2='more>'"),
}


@pytest.fixture
def noting(on_path: Person) -> Person:
    """`on_path`, with a `mi` that only completes, and else notes what it was given."""
    script = on_path.home / "bin/mi"
    real = script.rename(script.with_name("real-mi"))
    script.write_text(
        f'#!/bin/sh\n[ "$1" = completion -o -n "$_MI_COMPLETE" ] && exec {real} "$@"\n'
        f'printf "%s\\n" "$*" >> {on_path.home}/noted\n'
    )
    script.chmod(0o755)
    return on_path


def make_roles(mi: Person, *names: str) -> None:
    """Those that no other test has made."""
    there = mi.done("role", "show").lines
    for name in names:
        if name not in there:
            mi.done("role", "create", name)


@contextmanager
def at_prompt(person: Person, shell: str) -> Iterator[Callable[[str], None]]:
    """Types something, Tab and Enter at the prompt of a shell."""
    options, first = SHELLS[shell]
    child = pexpect.spawn(
        f"{shell} {options}",
        env=person.environment,
        cwd=str(person.home),
        encoding="utf-8",
        timeout=30,
        dimensions=(24, 200),
    )

    def typed(text: str) -> None:
        child.send(f"{text}\t@@")
        child.expect_exact("@@")
        child.send("\x7f\x7f\r")
        # Where a quote is left open it asks for more.
        if child.expect(["ready>", r"(more|quote|bquote|cmdsubst)[a-z ]*>"]):
            child.sendintr()
            child.expect("ready>")

    child.sendline(f'{first}; eval "$(mi completion {shell})"; echo re""ad')
    child.expect(r"\sread\s.*ready>")
    yield typed
    child.close(force=True)


@pytest.mark.parametrize("shell", [name for name in SHELLS if shutil.which(name)])
def test_no_name_is_code_to_a_shell(noting: Person, shell: str) -> None:
    make_roles(noting, *LIVE)
    with at_prompt(noting, shell) as typed:
        for name in LIVE:
            for begun in ("", "'", '"', "`mi "):
                typed(f"mi role show {begun}{name[:2]}")
                assert not (noting.home / "ran").exists(), f"{begun}{name}"
        typed('mi role show "zz$')
        typed("mi role show zz\\$")
    assert not (noting.home / "ran").exists()
    noted = (noting.home / "noted").read_text().splitlines()
    assert {"role show zz$(touch ran)", "role show zx';touch ran;echo '"} <= set(noted)


INSIDE = ["qa two words", "qb it's me", 'qc qu"ote', "qd dollar $x", "qe bang!x", "qf star * x"]
# In which quotes a name is what it says: the others are not offered there.
OFFERED = {
    "": INSIDE,
    "'": [name for name in INSIDE if "'" not in name],
    '"': [name for name in INSIDE if not set(name) & set('"$!')],
}


def test_bash_completes_names_between_quotes(noting: Person) -> None:
    """In an interactive bash, which edits the line and runs it."""
    make_roles(noting, *INSIDE)
    with at_prompt(noting, "bash") as typed:
        for quote, offered in OFFERED.items():
            for name in INSIDE:
                escaped = re.sub(r"(\W)", r"\\\1", name[:7])
                for begun in (name[:2], name[:3] if quote else escaped):
                    (noting.home / "noted").unlink(missing_ok=True)
                    typed(f"mi role show {quote}{begun}")
                    file = noting.home / "noted"
                    ran = file.read_text() if file.exists() else ""
                    if name in offered:
                        assert ran == f"role show {name}\n", (quote, begun)
                    else:
                        assert ran in ("", f"role show {begun}\n"), (quote, begun)


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
def test_fish_completes_whole_names(on_path: Person) -> None:
    make_roles(on_path, "zq, comma", LIVE[0])
    script = "mi completion fish | source; complete -C 'mi role show z'"
    ran = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=on_path.environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert {"zq, comma", LIVE[0]} <= set(ran.stdout.splitlines())


def test_a_name_that_steers_a_terminal_is_not_offered(stage: Stage, on_path: Person) -> None:
    stage.place.add_user("steer\x1b[31m")
    assert completed(on_path, "mi", "user", "show", "steer") == [""]


def test_completion_is_silent_without_a_service(on_path: Person) -> None:
    on_path.tokens_file.unlink()
    assert completed(on_path, "mi", "user", "show", "x") == [""]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_read_by_their_shells(on_path: Person, shell: str) -> None:
    script = on_path.done("completion", shell).out
    assert "_MI_COMPLETE" in script
    if shutil.which(shell):
        ran = subprocess.run(
            [shell, "-n"], input=script, encoding="utf-8", capture_output=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, "")


def test_every_command_has_help_with_examples(newcomer: Person) -> None:
    for command in _commands():
        with program.make_context("mi", [], resilient_parsing=True) as context:
            said = command.get_help(context)
        assert "Examples:" in said
        assert "..." not in said.partition("Commands:")[2].partition("Options:")[0], said
        assert all(len(line) <= 80 for line in said.splitlines()), said
    assert "*" in newcomer.done("user", "show", "--help").out
    assert newcomer.done("version").out == f"mi {__version__}\n"
    assert newcomer.done("--version").out == f"mi {__version__}\n"
    ran = newcomer("usr")
    said = "No such command 'usr'. Did you mean 'user'? See 'mi --help'."
    assert (ran.status, ran.sentence) == (2, said)


def test_the_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["scripts"]["mi"].partition(":")
    said = subprocess.run(
        [sys.executable, "-c", f"from {module} import {name}; {name}()", "version"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert said.stdout == f"mi {__version__}\n"


def test_the_script_at_the_top(newcomer: Person) -> None:
    """From anywhere, through a link, with the Python of .venv: here that of the tests."""
    project = newcomer.home / "project"
    (project / ".venv/bin").mkdir(parents=True)
    (project / "scripts").mkdir()
    for name in ("mi", "scripts/setup", "requirements.txt", "requirements-cli.txt"):
        shutil.copy(ROOT / name, project / name)
    (project / "mi_ldap").symlink_to(ROOT / "mi_ldap")
    python = project / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    packages = [(project / f"requirements{name}.txt").read_text() for name in ("", "-cli")]
    stamp = "\n".join([str(python.resolve()), "".join(packages)])
    (project / ".venv/requirements-cli.txt.installed").write_text(stamp)
    link = newcomer.home / "link"
    link.symlink_to(project / "mi")
    (newcomer.home / "json.py").write_text("raise SystemExit('somebody else’s')")
    ran = subprocess.run(
        [link, "version"],
        cwd=newcomer.home,
        env={"HOME": str(newcomer.home), "PATH": os.environ["PATH"]},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (ran.stdout, ran.stderr) == (f"mi {__version__}\n", "")


def _commands() -> list[click.Command]:
    found: list[click.Command] = [program]
    for each in program.commands.values():
        found.append(each)
        found.extend(each.commands.values() if isinstance(each, click.Group) else ())
    return found
