"""The tree obeys the house rules, and each rule catches what it is there for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests import tidy

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("streamframe", "topologies")
CODE = (*PACKAGES, "tests", "benchmarks")
NOT_OURS = {"build", "dist", "target", "node_modules", "__pycache__"}
CODE_SUFFIX = {".py"}
TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".rs", ".sh"}
# The two files that must spell what they forbid.
QUOTES_PHRASES = {"tests/tidy.py", "tests/test_tidy.py"}

Check = Callable[[str, str], list[str]]


def files(*folders: str, suffixes: set[str]) -> Iterator[tuple[str, str]]:
    """Path from the root and text of every file of ours below the folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            relative = path.relative_to(ROOT)
            hidden = any(part in NOT_OURS or part.startswith(".") for part in relative.parts)
            if path.suffix in suffixes and not hidden and path.is_file():
                yield relative.as_posix(), path.read_text(encoding="utf-8")


def assert_clean(check: Check, *folders: str, suffixes: set[str] = CODE_SUFFIX) -> None:
    """Fail with every finding on a line of its own."""
    found = [finding for path, text in files(*folders, suffixes=suffixes) for finding in check(path, text)]
    assert not found, "\n" + "\n".join(found)


# --- the tree -------------------------------------------------------------------------------------


def test_the_tree_is_found():
    assert len(list(files("streamframe", suffixes=CODE_SUFFIX))) > 10
    assert "pyproject.toml" in dict(files(".", suffixes=TEXT))


def test_every_module_says_what_lives_in_it():
    assert_clean(tidy.module_docstring, *CODE)


def test_every_module_is_short_enough_to_be_read():
    assert_clean(tidy.module_size, *CODE)


def test_every_function_fits_on_a_screen():
    assert_clean(tidy.function_size, *CODE)


def test_names_come_from_the_glossary():
    assert_clean(tidy.identifiers, *PACKAGES)


def test_texts_hold_no_promises_and_no_history():
    def check(path: str, text: str) -> list[str]:
        return [] if path in QUOTES_PHRASES else tidy.phrases(path, text)

    assert_clean(check, ".", suffixes=TEXT)


def test_the_pure_zone_never_iterates_over_a_set():
    assert_clean(tidy.set_iteration, *(f"streamframe/{package}" for package in tidy.PURE_ZONE))


def test_every_deciding_module_of_the_pure_zone_has_a_test_file_of_its_name():
    tests = frozenset(path for path, _ in files("tests", suffixes=CODE_SUFFIX))
    assert_clean(lambda path, text: tidy.missing_test_file(path, text, tests), "streamframe")


# --- the checks -----------------------------------------------------------------------------------


def caught(check: Check, text: str, path: str = "streamframe/plan/nodes.py") -> list[str]:
    """What a check says about a text, without the path."""
    return [finding.removeprefix(f"{path}:") for finding in check(path, dedent(text))]


def test_a_long_module_is_caught():
    assert caught(tidy.module_size, "x = 1\n" * 600) == []
    assert caught(tidy.module_size, "x = 1\n" * 601) == ["1: module has 601 lines, at most 600"]


def test_a_module_without_docstring_is_caught():
    assert caught(tidy.module_docstring, '"""Words."""\n') == []
    assert caught(tidy.module_docstring, "x = 1\n") == ["1: module has no docstring"]


def test_a_long_function_is_caught_and_its_docstring_is_not_counted():
    body = "    x = 1\n" * 59
    assert caught(tidy.function_size, f'def f():\n    """One.\n\n    Two.\n    """\n{body}') == []
    assert caught(tidy.function_size, f"class A:\n  def f():\n{body}    y = 2\n") == ["2: f has 61 lines, at most 60"]


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("class StoreManager: pass", "manager"),
        ("def read_util(): pass", "util"),
        ("def f(data): pass", "data"),
        ("schema_info = 1", "info"),
        ("self.info = 1", "info"),
        ("def do_commit(): pass", "do_"),
        ("def _handle_commit(): pass", "handle_"),
        ("def process_batch(): pass", "process_"),
        ("class CommonKeys: pass", "common"),
    ],
)
def test_a_word_that_fits_everything_is_caught_in_a_name(code, word):
    assert [finding.split()[-1] for finding in caught(tidy.identifiers, code)] == [repr(word)]


def test_a_module_called_helpers_is_caught():
    assert len(caught(tidy.identifiers, "", path="streamframe/plan/helpers.py")) == 1


@pytest.mark.parametrize(
    "code",
    [
        "def handle(event): pass",
        "def do_GET(self): pass",
        "metadata = 1",
        "data_directory = 1",
        "logger.info('started')",
        "def information_gain(common_keys): pass",
    ],
)
def test_an_honest_name_passes(code):
    assert caught(tidy.identifiers, code) == []


def test_only_operators_process():
    assert caught(tidy.identifiers, "def process_batch(): pass", path="streamframe/operators/chain.py") == []


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # TODO sort",
        "# This PR adds sorting.",
        "# Good enough for now.",
        "raise NotImplementedError",
        "from unittest.mock import Mock",
        "from unittest import mock",
        "@pytest.mark.skip",
        "path = '/home/ann/streamframe'",
    ],
)
def test_a_promise_or_a_piece_of_history_is_caught(line):
    assert len(caught(tidy.phrases, line)) == 1


def test_a_configuration_may_name_what_it_forbids():
    assert caught(tidy.phrases, '"unittest.mock".msg = "write a fake"', path="pyproject.toml") == []


def test_plain_prose_and_quoted_phrases_pass():
    assert caught(tidy.phrases, "Work for nowadays; a branch of this commit, https://example.org/home/docs.") == []
    assert caught(tidy.phrases, "Never write `TODO`.", path="docs/style.md") == []


@pytest.mark.parametrize(
    "code",
    [
        "for x in {1, 2}: pass",
        "y = [f(x) for x in set(names)]",
        "y = list(names | {1})",
        "def f(names: frozenset[str]):\n    return tuple(names)",
        "def f():\n    names = {1}\n    return ','.join(names.union(others))",
        "class A:\n    names: set[str]\n    def f(self):\n        return [*self.names]",
        "class A:\n    def __init__(self):\n        self.names = set()\n    def f(self):\n        self.names.pop()",
        "y = dict.fromkeys(x for x in {1, 2})",
    ],
)
def test_an_order_that_depends_on_a_set_is_caught(code):
    assert caught(tidy.set_iteration, code) != []


@pytest.mark.parametrize(
    "code",
    [
        "for x in sorted({1, 2}): pass",
        "y = sorted(f(x) for x in {1, 2})",
        "y = {f(x) for x in {1, 2}}",
        "y = any(x > 1 for x in set(names))",
        "def f(names: list[str], others: set[str]):\n    return [x for x in names if x in others]",
        "def f():\n    names = {1}\ndef g(names):\n    return list(names)",
        "y = list({'a': 1})",
    ],
)
def test_an_order_that_does_not_depend_on_a_set_passes(code):
    assert caught(tidy.set_iteration, code) == []


def test_a_deciding_module_without_a_test_file_is_caught():
    def check(path: str, text: str) -> list[str]:
        return tidy.missing_test_file(path, text, frozenset({"tests/engine/test_commit.py"}))

    code = "def f():\n    return 1\n"
    assert check("streamframe/engine/commit.py", code) == []
    assert check("streamframe/engine/_commit.py", code) == []
    assert check("streamframe/runtime/driver.py", code) == []
    assert check("streamframe/engine/task.py", code) == [
        "streamframe/engine/task.py:1: there is no tests/engine/test_task.py"
    ]


def test_a_module_of_protocols_and_values_needs_no_test_file():
    code = '''
    class Clock(Protocol):
        def now(self) -> int:
            """Return the time."""

        def zone(self) -> str: ...

    @dataclass(frozen=True)
    class Tick:
        now: int
    '''
    assert tidy.missing_test_file("streamframe/engine/ports.py", dedent(code), frozenset()) == []
