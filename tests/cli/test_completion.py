"""Completions are made from the parser, so they know every command and option."""

import shutil
import subprocess

import pytest

from streamframe.cli.completion import every_command
from streamframe.cli.main import build_parser, main


def complete(script: str, *words: str) -> set[str]:
    """What bash would offer for the last word."""
    array = " ".join(f"'{word}'" for word in words)
    code = f'{script}\nCOMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _streamframe; echo "${{COMPREPLY[@]}}"'
    return set(subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.fixture
def bash(capsys) -> str:
    assert main(["completion", "bash"]) == 0
    return capsys.readouterr().out


def test_a_command_within_a_command_is_known():
    commands = dict(every_command(build_parser()))
    assert {"show", "replay"} <= {word for word, _ in commands["dead-letters",]}
    assert "--yes" in {word for word, _ in commands["dead-letters", "replay"]}


def test_bash_offers_commands_then_options(bash):
    assert complete(bash, "streamframe", "des") == {"describe"}
    assert complete(bash, "streamframe", "state", "ver") == {"verify"}
    assert complete(bash, "streamframe", "lag", "clicks.py", "--max") == {"--max-records"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_has_no_syntax_error(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    checker = shell if shutil.which(shell) else "bash"
    assert subprocess.run([checker, "-n"], input=script, capture_output=True, text=True, check=True).stderr == ""


def test_fish_is_told_every_option_with_its_meaning(capsys):
    assert main(["completion", "fish"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("-l max-records" in line and "__fish_seen_subcommand_from lag" in line for line in lines)
    assert all(line.startswith("complete -c streamframe -n '") and line.count("'") == 4 for line in lines)
