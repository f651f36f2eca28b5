"""The form of what commands print with ``--json``, as types: one object a line, and what a script may rely on.

``docs/cli-json.md`` is made from them, and what commands print on a real broker is held against them by a test. A field
may be added; one that is here stays, with its meaning.
"""

from __future__ import annotations

import sys
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from streamframe.observe.schema_page import page, section
from streamframe.observe.schemas import Form, Status


class StatusLine(Status):
    """A running program; the other fields are those of `/api/status`."""

    url: Annotated[str, Meta(description="Address of its status page.")]


class LagLine(Form):
    """A partition of an input or repartition topic."""

    topic: str
    partition: int
    committed: Annotated[int | None, Meta(description="The committed offset; null: nothing was committed.")]
    end: Annotated[int, Meta(description="Where a reader of committed records would end now.")]
    lag: Annotated[int, Meta(description="Offsets in between.")]
    member: Annotated[str, Meta(description="The worker that has the partition; empty: nobody.")]


class TopicLine(Form):
    """A topic of the program."""

    topic: str
    role: Annotated[str, Meta(description="input, output, dead letters, repartition or changelog.")]
    partitions: Annotated[int | None, Meta(description="Its partitions, or those it would have; null: unknown.")]
    exists: Annotated[bool, Meta(description="Whether it is there.")]


class CreatedTopicLine(Form):
    """A topic that was created, or would be."""

    topic: str
    role: Annotated[str, Meta(description="As in `topics list`.")]
    partitions: int


class StoreLine(Form):
    """What a task has of a store."""

    store: str
    task: Annotated[str, Meta(description="`<sub-topology>_<partition>`.")]
    changelog: Annotated[str, Meta(description="`topic[partition]`, where it was read.")]
    entries: Annotated[int, Meta(description="Keys of the changelog.")]
    bytes: Annotated[int, Meta(description="Of these keys and their values.")]
    rows: Annotated[int | msgspec.UnsetType, Meta(description="Rows of an aggregation; absent: it is none.")] = (
        msgspec.UNSET
    )
    windows: Annotated[int | msgspec.UnsetType, Meta(description="Windows among them; absent: no windows.")] = (
        msgspec.UNSET
    )


class VerifiedLine(Form):
    """Whether what a task has of a store can be read, and fits the program."""

    store: str
    task: Annotated[str, Meta(description="`<sub-topology>_<partition>`.")]
    rows: Annotated[int | None, Meta(description="Rows of an aggregation; null: it is none, or cannot be read.")]
    entries: Annotated[int | None, Meta(description="Keys of the changelog; null: it cannot be read.")]
    problem: Annotated[str | None, Meta(description="What is wrong; null: nothing.")]


class LetterLine(Form):
    """A record that was set aside."""

    letter: Annotated[str, Meta(description="`topic[partition]@offset`, where it lies.")]
    topic: Annotated[str | None, Meta(description="Where it came from; null: it is no raw record.")]
    partition: int
    offset: int
    step: Annotated[str, Meta(description="The step that could not use it.")]
    error: Annotated[str, Meta(description="A short word for the reason.")]
    message: Annotated[str | msgspec.UnsetType, Meta(description="A sentence; with `--payload`.")] = msgspec.UNSET
    key: Annotated[str | msgspec.UnsetType | None, Meta(description="Its key; with `--payload`.")] = msgspec.UNSET
    value: Annotated[str | msgspec.UnsetType | None, Meta(description="Its value; with `--payload`.")] = msgspec.UNSET


class ReplayedLine(Form):
    """A partition to which letters were written back, or would be."""

    topic: str
    partition: int
    letters: int


class SettingLine(Form):
    """An effective setting."""

    setting: Annotated[str, Meta(description="`table.name`.")]
    value: Annotated[str, Meta(description="As one writes it; secrets are masked.")]
    source: Annotated[str, Meta(description="Where it comes from.")]


class MetricLine(Form):
    """A metric that is exposed."""

    name: str
    type: Annotated[str, Meta(description="gauge, counter, histogram or info.")]
    labels: list[str]
    process: Annotated[str, Meta(description="Who exposes it: worker or supervisor.")]
    meaning: str
    buckets: Annotated[list[float], Meta(description="Upper bounds, of a histogram.")]


FORMS: Final[dict[str, type[Form]]] = {
    "status": StatusLine,
    "lag": LagLine,
    "topics list": TopicLine,
    "topics create": CreatedTopicLine,
    "state ls": StoreLine,
    "state verify": VerifiedLine,
    "dead-letters show": LetterLine,
    "dead-letters replay": ReplayedLine,
    "config show": SettingLine,
    "metrics list": MetricLine,
}

_HEAD: Final = """\
# What commands print with --json

One JSON object a line on stdout; what is meant for people goes to stderr. This page is made by
`python -m streamframe.app.json_forms`; a test holds what commands print on a real broker against the same types. Fields
may be added; those that are here stay.

`state get` and `state scan` print rows of a store, whose columns are those of the program. `describe --json` prints one
object: the plan, as `/api/plan` of the [HTTP API](http-api.md) answers. Exit codes are in [errors](errors.md).
"""


def valid(command: str, line: object) -> None:
    """Hold a line that a command printed against its form.

    Raises:
        msgspec.ValidationError: A field is missing, unknown or of another type.
    """
    msgspec.convert(line, FORMS[command], strict=True)


def reference() -> str:
    """Return ``docs/cli-json.md``."""
    shown: list[type[Form]] = []
    return page([_HEAD, *(section(f"streamframe {command} --json", form, shown) for command, form in FORMS.items())])


if __name__ == "__main__":
    sys.stdout.write(reference())
