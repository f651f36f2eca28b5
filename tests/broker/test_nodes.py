"""A node's directory: formatted once, logs kept, and its last words found."""

import base64
from pathlib import Path

from streamframe.broker.java import Java
from streamframe.broker.nodes import keep_old_log, last_words, make_node, new_uuid
from streamframe.broker.release import Release
from streamframe.broker.spec import BrokerSpec


def make(data_dir, node=1, port=7001):
    template = data_dir / "template"
    (template / "metadata").mkdir(parents=True, exist_ok=True)
    levels = template / "metadata" / "0.checkpoint"
    if not levels.exists():
        levels.write_bytes(b"feature levels")
        levels.chmod(0o400)  # As the tool leaves it; the copies must be writable.
    java = Java(path=Path("/java"), major=25, text="25")
    release = Release(version="4.1.2", java=java, jars=(), template=template)
    make_node(data_dir, node, spec=BrokerSpec(), release=release, cluster_id="cluster", ports=((port,), (8001,)))
    return data_dir / f"node{node}"


def test_a_random_id_is_sixteen_bytes_and_does_not_look_like_an_option():
    ids = [new_uuid() for _ in range(500)]
    assert len(set(ids)) == len(ids)
    assert all(len(base64.urlsafe_b64decode(text + "==")) == 16 for text in ids)
    assert not [text for text in ids if text.startswith("-")]


def test_a_new_node_is_formatted_with_the_feature_levels_of_the_release(tmp_path):
    place = make(tmp_path)
    assert (place / "data" / "metadata" / "0.checkpoint").read_bytes() == b"feature levels"
    meta = dict(line.split("=") for line in (place / "data" / "meta.properties").read_text().split())
    assert meta.pop("directory.id")
    assert meta == {"version": "1", "cluster.id": "cluster", "node.id": "1"}


def test_a_node_is_formatted_once_but_may_move_to_another_port(tmp_path):
    place = make(tmp_path)
    meta = (place / "data" / "meta.properties").read_text()
    (place / "data" / "metadata" / "0.checkpoint").unlink()
    make(tmp_path, port=7999)
    assert (place / "data" / "meta.properties").read_text() == meta
    assert not (place / "data" / "metadata" / "0.checkpoint").exists()
    assert "PLAINTEXT://127.0.0.1:7999" in (place / "server.properties").read_text()


def test_a_broken_off_formatting_is_done_again(tmp_path):
    place = make(tmp_path)
    (place / "data" / "meta.properties").unlink()
    (place / "data" / "metadata" / "0.checkpoint").write_bytes(b"half")
    make(tmp_path)
    assert (place / "data" / "meta.properties").exists()
    assert (place / "data" / "metadata" / "0.checkpoint").read_bytes() == b"feature levels"


def test_the_log_of_the_start_before_is_kept(tmp_path):
    place = make(tmp_path)
    keep_old_log(tmp_path, 1)
    (place / "server.log").write_text("first")
    keep_old_log(tmp_path, 1)
    assert not (place / "server.log").exists()
    assert (place / "server.log.1").read_text() == "first"


def test_the_last_words_are_the_errors_and_not_what_came_around_them(tmp_path):
    place = make(tmp_path)
    lines = [
        "INFO KafkaServer - starting",
        "ERROR Kafka$ - Exiting",
        "org.example.ConfigException: no",
        "\tat a.b.c(D)",
    ]
    (place / "server.log").write_text("\n".join(lines))
    assert last_words(tmp_path, 1) == lines[1:3]
    assert last_words(tmp_path, 1, lines_max=1) == lines[2:3]


def test_without_an_error_the_last_words_are_what_java_said(tmp_path):
    place = make(tmp_path)
    assert last_words(tmp_path, 1) == []
    (place / "server.log").write_text("INFO starting\n")
    (place / "out.log").write_text("Unrecognized VM option 'X'\n")
    assert last_words(tmp_path, 1) == ["Unrecognized VM option 'X'"]
