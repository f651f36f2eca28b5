"""Making a release ready, with real jars."""

import os
import subprocess
import sys

import pytest

from streamframe.broker.caches import cache_home
from streamframe.broker.java import Java, find_java
from streamframe.broker.prepare import prepare
from streamframe.broker.progress import SilentProgress
from streamframe.broker.spec import DEFAULT_VERSION

pytestmark = pytest.mark.kafka

START = """
from streamframe.broker import ConsoleProgress, LocalCluster
cluster = LocalCluster()
cluster.start(ConsoleProgress())
assert cluster.status().is_up
cluster.stop()
"""


@pytest.fixture
def fetched_only(tmp_path, monkeypatch):
    """A cache home in which Kafka was fetched but never prepared."""
    jars = prepare(DEFAULT_VERSION, SilentProgress()).jars
    home = tmp_path / "kafka" / DEFAULT_VERSION
    home.mkdir(parents=True)
    (home / "jars").symlink_to(jars[0].parent)
    monkeypatch.setenv("STREAMFRAME_CACHE", str(tmp_path))
    assert cache_home() == tmp_path
    return home


def prepared_files(home):
    return sorted(path.suffix or path.name for path in home.iterdir() if path.name != "jars")


@pytest.mark.slow
def test_of_two_first_starts_at_once_one_prepares_and_both_are_up(fetched_only):
    starts = [
        subprocess.Popen([sys.executable, "-c", START], stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(2)
    ]
    said = sorted((start.communicate(timeout=120)[1] for start in starts), key=lambda text: "waiting" in text)
    assert [start.returncode for start in starts] == [0, 0]
    assert "preparing quick starts" in said[0]
    assert "waiting for it" in said[1]
    assert "preparing quick starts" not in said[1]
    assert prepared_files(fetched_only) in ([".aot", "template"], [".jsa", "template"])


def test_without_a_class_image_brokers_start_all_the_same_and_it_is_not_tried_at_each_start(
    fetched_only, tmp_path, monkeypatch
):
    # A Java that refuses to record one, as a build without that feature does.
    real = find_java()
    picky = tmp_path / "java"
    picky.write_text(
        "#!/bin/sh\n"
        'case "$*" in *AOTCacheOutput*|*ArchiveClassesAtExit*) echo "error: no images here"; exit 1;; esac\n'
        f'exec {real.path} "$@"\n'
    )
    picky.chmod(0o755)
    monkeypatch.setenv("STREAMFRAME_JAVA", str(picky))
    release = prepare(DEFAULT_VERSION, SilentProgress())
    assert release.image is None
    assert release.java == Java(path=picky, major=real.major, text=real.text)
    (reason,) = fetched_only.glob("start-*.none")
    assert "no images here" in reason.read_text()
    reason.write_text("as before")
    assert prepare(DEFAULT_VERSION, SilentProgress()).image is None
    assert reason.read_text() == "as before"
    assert prepared_files(fetched_only) == [".none", "template"]
