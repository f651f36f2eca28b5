"""The reference of all settings, as Markdown, from the settings themselves.

``docs/configuration.md`` is what ``streamframe config reference`` prints; a test compares the two.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Final

from streamframe.cli.settings_sources import FIELDS, variable_of
from streamframe.core import settings
from streamframe.core.settings import Settings

HEAD: Final = """\
# Configuration

Made by `streamframe config reference`; do not edit.

Every setting can be given in five places. The first one that says something wins:

1. on the command line: its own option where it has one, else `-X group.name=value`;
2. as a variable of the environment;
3. in a client file of Java (`--client-config client.properties`), for connection and security;
4. in a TOML file (`--config streamframe.toml`), a table per group;
5. in the program: `sf.App("clicks", brokers=..., commit_interval=...)`.

`streamframe config show PROGRAM` prints the effective values and where each comes from; secrets are masked.
Durations are written `500ms`, `10s`, `1min`, `1h30min`; sizes `512MB`, `1GiB`.

```toml
[kafka]
bootstrap = "broker-1:9092,broker-2:9092"

[commit]
interval = "500ms"

[state]
directory = "/var/lib/streamframe"
memory = "2GB"
```
"""


def reference() -> str:
    """Return the reference as Markdown."""
    parts = [HEAD]
    for group in dataclasses.fields(Settings):
        kind = getattr(settings, str(group.type).rpartition(".")[2])
        parts.append("\n".join(_group(group.name, kind)))
    return "\n".join(parts)


def _group(name: str, kind: type) -> Iterator[str]:
    text = inspect.getdoc(kind) or ""
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    yield f"## `[{name}]`\n"
    yield summary.strip() + "\n"
    yield "| setting | default | variable | meaning |"
    yield "| --- | --- | --- | --- |"
    meanings = dict(_attributes(attributes))
    for field in dataclasses.fields(kind):
        full = f"{name}.{field.name}"
        known = FIELDS.get(full)
        default = known.show(known.default) if known is not None else ""
        meaning = meanings[field.name].replace("|", "\\|")
        yield f"| `{full}` | {f'`{default}`' if default else ''} | `{variable_of(full)}` | {meaning} |"
    yield ""


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and meaning of each attribute of a google-style docstring."""
    for entry in re.split(r"\n(?=\S)", textwrap.dedent(text)):
        name, _, meaning = entry.partition(":")
        yield name.strip(), re.sub(r"``(.+?)``", r"`\1`", " ".join(meaning.split()))
