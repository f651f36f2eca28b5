"""Kafka Streams: ``java/StreamsPeer.java``.

As somebody would set it up who knows it: exactly_once_v2, commits every second, final results by ``suppress``
(the public way that is right while catching up), a cache of 64 MB, lz4.
"""

from __future__ import annotations

from benchmarks.peers.java_programs import JavaProgram

VERSION = "4.4.0"
CASES = ("tumbling", "changes", "map", "repartition")
PROGRAM = JavaProgram(
    name=f"kafka-streams-{VERSION}",
    main="StreamsPeer",
    roots=(
        f"org.apache.kafka:kafka-streams:{VERSION}",
        "com.fasterxml.jackson.core:jackson-databind:2.21.7",
        "org.slf4j:slf4j-simple:1.7.36",
    ),
    options=("-Xms512m", "-Xmx512m"),
)
