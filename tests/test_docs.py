"""The documentation is true: its code runs, its links lead somewhere, its commands exist.

A Python block continues the ones above it in the same file. A block marked ``text`` is a picture or output. Examples in
docstrings are run as doctests.
"""

import doctest
import importlib
import json
import pkgutil
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import streamframe
from streamframe.cli.main import build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"\bmake (?!-)([a-z][a-z-]*)")
LANGUAGES = {"python", "json", "toml", "text", "sh", "console", "mermaid", "yaml", "properties"}


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and code of every fenced block, without the indentation of the fence."""
    for indent, language, code in FENCE.findall(text):
        yield language, re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)


def run_blocks(text: str, name: str) -> None:
    """Run the Python blocks of a page one after the other, and parse the JSON and TOML ones."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, (language, code) in enumerate(blocks(text), start=1):
        assert language in LANGUAGES, f"{name}: block {number} has no known language: {language!r}"
        if language == "python":
            exec(compile(code, f"{name}, block {number}", "exec", dont_inherit=True), namespace)
        elif language == "json":
            json.loads(code)
        elif language == "toml":
            tomllib.loads(code)


def dead_links(text: str, page: Path) -> list[str]:
    targets = [link for link in LINK.findall(text) if not re.match(r"[a-z]+:|#", link)]
    return [link for link in targets if not (page.parent / link.split("#")[0]).exists()]


def unknown_targets(text: str) -> list[str]:
    """Targets of `make` that code in the text names and the Makefile does not have."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = [
        *re.findall(r"`([^`\n]+)`", text),
        *(code for language, code in blocks(text) if language in ("sh", "console")),
    ]
    return sorted({target for line in code for target in COMMAND.findall(line)} - known)


def misunderstood(text: str) -> list[str]:
    """Command lines of StreamFrame in a text that its command line does not understand."""
    code = "".join(code for language, code in blocks(text) if language in ("sh", "console"))
    lines = re.findall(r"^(?:\$ )?streamframe ([^#|&\n]+)", code, re.MULTILINE)
    return [line for line in lines if not is_understood(shlex.split(line.replace("…", "localhost:9092")))]


def is_understood(words: list[str]) -> bool:
    try:
        build_parser().parse_args(words)
    except SystemExit as done:
        return done.code == 0
    return True


def modules() -> Iterator[str]:
    yield "streamframe"
    for module in pkgutil.walk_packages(streamframe.__path__, "streamframe."):
        if not module.name.endswith("__main__"):
            yield module.name


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_code_block_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run_blocks(page.read_text(encoding="utf-8"), page_name(page))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_and_command_of_the_page_exists(page: Path):
    text = page.read_text(encoding="utf-8")
    assert dead_links(text, page) == []
    assert unknown_targets(text) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_line_of_the_page_is_understood(page: Path):
    assert misunderstood(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", list(modules()))
def test_every_example_in_a_docstring_gives_what_it_says(name: str):
    module: ModuleType = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


# --- the checks themselves ------------------------------------------------------------------------


def test_a_block_sees_the_names_of_the_blocks_above_it():
    run_blocks("```python\nx = 1\n```\nand\n   ```python\n   assert x == 1\n   ```\n", "page")


@pytest.mark.parametrize("block", ["```python\nx\n```\n", "```json\n{\n```\n", "```toml\n=\n```\n", "```\nx\n```\n"])
def test_a_block_that_is_wrong_or_has_no_language_fails(block: str):
    with pytest.raises((NameError, ValueError, AssertionError)):
        run_blocks(block, "page")


def test_a_command_line_that_is_not_understood_is_found():
    text = "```console\n$ streamframe lag p.py --max-recrods 1\n$ streamframe lag p.py # so\n```\n"
    assert misunderstood(text) == ["lag p.py --max-recrods 1"]


def test_a_dead_link_is_found():
    text = "[a](style.md#x) [b](missing.md) [c](https://example.org) [d](#here)"
    assert dead_links(text, ROOT / "docs" / "README.md") == ["missing.md"]


def test_a_command_that_does_not_exist_is_found():
    assert unknown_targets("Type `make test` or `make coffee`; make sure.\n```sh\nmake tea\n```\n") == ["coffee", "tea"]
