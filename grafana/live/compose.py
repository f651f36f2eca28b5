"""The services of docker-compose.yml as processes: same command lines, same variables, other addresses.

What is rehearsed this way is what a container engine would be told: a misspelt option, variable, topic or path fails
here too. What a container is, a replica has: an address of its own (on the loopback network), a host name (the setting
``kafka.instance``), a state directory, and an end by SIGTERM or SIGKILL. The broker is an Apache Kafka with the
settings of the service ``kafka``, those of its place in the network excepted.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml
from confluent_kafka import Producer

from streamframe.testing import KafkaBroker

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
IMAGE: Final = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
STOP_SECONDS: Final = 75

_PLACE: Final = ("NODE_ID", "PROCESS_ROLES", "LISTENER", "ADVERTISED", "CONTROLLER_", "INTER_BROKER", "LOG_DIRS")
"""Beginnings of the variables of the broker that say where it is; these are chosen here."""


def can_rehearse() -> bool:
    """Tell whether this system gives out further loopback addresses without being asked to (Linux does)."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.9.9.9", 0))
        except OSError:
            return False
    return True


def broker_settings() -> dict[str, str]:
    """Return the server properties that the variables of the service ``kafka`` stand for."""
    given: dict[str, Any] = SERVICES["kafka"]["environment"]
    plain = {name.removeprefix("KAFKA_"): str(value) for name, value in given.items()}
    return {name.lower().replace("_", "."): value for name, value in plain.items() if not name.startswith(_PLACE)}


def image_variables() -> dict[str, str]:
    """Return the variables that the image sets, its path excepted."""
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", IMAGE, re.MULTILINE)
    found = dict(re.findall(r"(\w+)=(\S+)", block))
    del found["PATH"]
    return found


class Replica:
    """A service that runs.

    Attributes:
        service: Its name in docker-compose.yml.
        host: Its address.
        process: Its first process.
        log: What it writes.
    """

    def __init__(self, service: str, host: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.service = service
        self.host = host
        self.process = process
        self.log = log

    def stop(self) -> int:
        """Ask it to end, as an engine does; return its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End all its processes at once, as a machine that loses its power does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)


@contextmanager
def hanging_transaction(bootstrap: str, topic: str, partitions: int) -> Iterator[None]:
    """Let somebody's transaction stay open at the end of a topic until the end of ``with``, and abort it then.

    Whoever reads the topic to its end waits meanwhile, as behind a writer that has died.
    """
    writer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"hanging-on-{topic}"})
    writer.init_transactions(60)
    writer.begin_transaction()
    for partition in range(partitions):
        # A compacted topic takes no record without a key.
        writer.produce(topic, b"never committed", b"nobody", partition=partition)
    writer.flush(60)
    try:
        yield
    finally:
        writer.abort_transaction(60)


class Stack:
    """Services of docker-compose.yml between ``with`` and its end.

    Args:
        scratch: Directory for states and logs.
        network: Third number of the addresses of the replicas, so that two stacks do not meet.
    """

    def __init__(self, scratch: Path, *, network: int = 0) -> None:
        self._scratch = scratch
        self._network = network or 1 + os.getpid() % 250
        self._broker = KafkaBroker(settings=broker_settings())
        self._replicas: list[Replica] = []
        self._states: dict[str, Path] = {}

    def __enter__(self) -> Self:
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._broker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for replica in self._replicas:
            replica.kill()
        self._broker.stop()

    @property
    def bootstrap(self) -> str:
        """Address of the broker."""
        return self._broker.bootstrap

    def run(self, service: str, command: Sequence[str] = ()) -> str:
        """Run a service to its end, ``command`` instead of its own; return what it printed.

        Raises:
            subprocess.CalledProcessError: It did not end with 0.
        """
        done = subprocess.run(
            self.command(service, command),
            env=self._environment(service, "127.0.0.1", self._scratch / service),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            cwd=ROOT,
        )
        return done.stdout

    def start(
        self, service: str, *, further: Sequence[str] = (), number: int | None = None, fresh: bool = False
    ) -> Replica:
        """Start a replica of a service.

        Args:
            service: Its name.
            further: Words behind its own command line.
            number: Take over the address, the name and the state of an earlier replica.
            fresh: But not the state.
        """
        place = len(self._replicas) + 1 if number is None else number
        host = f"127.87.{self._network}.{place}"
        state = self._scratch / f"{service}-{place}"
        if fresh:
            state = self._scratch / f"{service}-{place}-{len(self._replicas)}"
        log = self._scratch / f"{service}-{place}.log"
        with log.open("ab") as lines:
            process = subprocess.Popen(
                [*self.command(service), *further],
                env=self._environment(service, host, state),
                stdout=lines,
                stderr=lines,
                cwd=ROOT,
                start_new_session=True,
            )
        replica = Replica(service, host, process, log)
        self._replicas.append(replica)
        return replica

    def command(self, service: str, command: Sequence[str] = ()) -> list[str]:
        """Return the words that the engine would run, with the addresses and places of this machine."""
        described = SERVICES[service]
        (entrypoint,) = re.findall(r'^ENTRYPOINT \["(\w+)"\]$', IMAGE, re.MULTILINE)
        words = [*described.get("entrypoint", [entrypoint]), *(command or described["command"])]
        return self.translated(words)

    def translated(self, words: Sequence[Any]) -> list[str]:
        """Return words of a container as those of a process."""
        programs = {"streamframe": [sys.executable, "-m", "streamframe"], "python": [sys.executable]}
        plain = [self._here(str(word)) for word in words]
        return [*programs.get(plain[0], [plain[0]]), *plain[1:]]

    def _here(self, word: str) -> str:
        word = word.replace("kafka:19092", self.bootstrap)
        word = word.replace("/app/topologies/", f"{ROOT}/topologies/")
        return word.replace("/app/", f"{ROOT}/deploy/")

    def _environment(self, service: str, host: str, state: Path) -> Mapping[str, str]:
        of_this_process = {name: value for name, value in os.environ.items() if not name.startswith("STREAMFRAME_")}
        given = {**image_variables(), **SERVICES[service].get("environment", {})}
        return {
            **of_this_process,
            **{name: self._here(str(value)) for name, value in given.items()},
            "STREAMFRAME_TELEMETRY_HOST": host,
            "STREAMFRAME_STATE_DIRECTORY": str(state),
            "STREAMFRAME_KAFKA_INSTANCE": f"{service}-{host.rsplit('.', 1)[1]}",
        }
