"""The command line of a node."""

from pathlib import Path

import pytest

from streamframe.broker.java import Java
from streamframe.broker.release import Release, server_command


def command_of(major, *, image=None, record=None, tuned_for="start"):
    java = Java(path=Path("/jre/bin/java"), major=major, text=f"version {major}")
    jars = (Path("/jars/a.jar"), Path("/jars/b.jar"))
    release = Release(version="4.1.2", java=java, jars=jars, template=Path("/t"), image=image)
    return server_command(release, node_dir=Path("/n"), heap="1g", tuned_for=tuned_for, record_image=record)


@pytest.mark.parametrize(
    ("major", "write", "read"),
    [(17, "-XX:ArchiveClassesAtExit=/i", "-XX:SharedArchiveFile=/i"), (25, "-XX:AOTCacheOutput=/i", "-XX:AOTCache=/i")],
)
def test_the_class_image_is_written_and_read_in_the_way_of_each_java(major, write, read):
    assert write in command_of(major, record=Path("/i"))
    assert read in command_of(major, image=Path("/i"))
    assert not [word for word in command_of(major) if word.endswith("=/i")]


def test_the_class_path_keeps_the_order_of_the_jars():
    command = command_of(17)
    assert command[command.index("-cp") + 1] == "/jars/a.jar:/jars/b.jar"
    assert command[-2:] == ["kafka.Kafka", "/n/server.properties"]


def test_a_broker_for_benchmarks_may_compile_fully():
    assert "-XX:TieredStopAtLevel=1" in command_of(25)
    assert "-XX:TieredStopAtLevel=1" not in command_of(25, tuned_for="throughput")
