"""Jars are fetched whole, checked, and appear at once."""

import hashlib
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamframe.broker import jars as jars_module
from streamframe.broker.jars import LOGGING_JAR, fetch_jars, pinned_jars
from streamframe.broker.pinned import PINNED_JARS
from streamframe.broker.progress import SilentProgress
from streamframe.broker.spec import DEFAULT_VERSION
from streamframe.core.errors import ConfigError, Unavailable

CONTENT = {"org.example:alpha:1.0": b"alpha's classes" * 1000, "org.example:beta:2.0": b"beta's classes"}


class CountingProgress(SilentProgress):
    """Remembers what it heard."""

    def __init__(self):
        self.steps = []
        self.done = 0

    def begin(self, what, total, unit):
        self.steps.append((what, total, unit))

    def advance(self, amount):
        self.done += amount


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A Maven repository on this machine; returns its directory."""
    root = tmp_path / "remote"
    root.mkdir()
    for coordinate, content in CONTENT.items():
        group, artifact, version = coordinate.split(":")
        place = root.joinpath(*group.split("."), artifact, version)
        place.mkdir(parents=True)
        (place / f"{artifact}-{version}.jar").write_bytes(content)

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(root))

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("STREAMFRAME_MAVEN", f"http://127.0.0.1:{server.server_port}/")
        yield root
        server.shutdown()
        thread.join()


@pytest.fixture
def two_jars(monkeypatch):
    """A release of two jars."""
    lines = [f"{name} {len(content)} {hashlib.sha256(content).hexdigest()}" for name, content in CONTENT.items()]
    monkeypatch.setattr(jars_module, "PINNED_JARS", {"4.9.9": "\n".join(lines)})


def test_every_pinned_jar_has_a_coordinate_a_size_and_a_hash():
    assert DEFAULT_VERSION in PINNED_JARS
    for version in PINNED_JARS:
        jars = pinned_jars(version)
        names = [jar.coordinate for jar in jars]
        assert f"org.apache.kafka:kafka_2.13:{version}" in names
        assert LOGGING_JAR in names
        assert len(set(names)) == len(names)
        for jar in jars:
            assert re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+", jar.coordinate)
            assert jar.size > 0
            assert re.fullmatch(r"[0-9a-f]{64}", jar.sha256)


def test_an_unknown_release_is_not_pinned():
    assert pinned_jars("4.0.99") == ()


def test_a_release_is_fetched_and_the_progress_adds_up(repository, two_jars, tmp_path):
    progress = CountingProgress()
    fetch_jars("4.9.9", tmp_path / "home" / "jars", progress)
    found = {path.name: path.read_bytes() for path in (tmp_path / "home" / "jars").iterdir()}
    assert found == {"alpha-1.0.jar": CONTENT["org.example:alpha:1.0"], "beta-2.0.jar": CONTENT["org.example:beta:2.0"]}
    total = sum(len(content) for content in CONTENT.values())
    assert progress.steps == [("fetching Kafka 4.9.9", total, "bytes")]
    assert progress.done == total
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["jars"]


def test_a_jar_that_is_not_the_tested_one_is_refused(repository, two_jars, tmp_path):
    (repository / "org/example/beta/2.0/beta-2.0.jar").write_bytes(b"something else")
    with pytest.raises(Unavailable, match="not the one") as caught:
        fetch_jars("4.9.9", tmp_path / "home" / "jars", SilentProgress())
    assert caught.value.facts["jar"] == "org.example:beta:2.0"
    assert list((tmp_path / "home").iterdir()) == []


def test_a_missing_jar_is_an_error_and_leaves_nothing(repository, two_jars, tmp_path):
    (repository / "org/example/beta/2.0/beta-2.0.jar").unlink()
    with pytest.raises(Unavailable, match=r"cannot fetch Kafka 4\.9\.9"):
        fetch_jars("4.9.9", tmp_path / "home" / "jars", SilentProgress())
    assert list((tmp_path / "home").iterdir()) == []


def test_what_a_killed_process_left_is_swept_away(repository, two_jars, tmp_path):
    leftover = tmp_path / "home" / "jars.part" / "repository/org/example/beta/2.0"
    leftover.mkdir(parents=True)
    (leftover / "beta-2.0.jar").write_bytes(b"half of it")
    fetch_jars("4.9.9", tmp_path / "home" / "jars", SilentProgress())
    assert (tmp_path / "home" / "jars" / "beta-2.0.jar").read_bytes() == CONTENT["org.example:beta:2.0"]


def test_an_unreachable_repository_says_what_to_check(two_jars, tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMFRAME_MAVEN", "http://127.0.0.1:9/")
    with pytest.raises(Unavailable, match="STREAMFRAME_MAVEN"):
        fetch_jars("4.9.9", tmp_path / "home" / "jars", SilentProgress())


def test_without_jgo_the_error_says_what_to_install(two_jars, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jgo.maven", None)
    with pytest.raises(ConfigError) as caught:
        fetch_jars("4.9.9", tmp_path / "home" / "jars", SilentProgress())
    assert caught.value.hint == 'pip install "streamframe[broker]"'
