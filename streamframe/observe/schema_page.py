"""``docs/http-api.md``, made from the types of the documents.

python -m streamframe.observe.schema_page            the page
python -m streamframe.observe.schema_page status     the JSON Schema of a document
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import Meta

from streamframe.observe.schemas import SCHEMAS, Form, Moment, Refusal, Rows, RowsOfWorker, json_schema

_HEAD: Final = """\
# HTTP API

What the pages of a program answer, the one over all workers and that of each worker. Made by
`python -m streamframe.observe.schema_page`; a test holds the answers of a running program against the same types.
Fields may be added; those that are here stay. `python -m streamframe.observe.schema_page status` prints a JSON Schema.

| path | answer |
| --- | --- |
| `/` | the status page |
| `/livez` | 200 while the process lives and its loop turns, else 503 |
| `/readyz` | 200 when all wanted workers run and nothing is restored, else 503; the text says why |
| `/metrics` | [metrics](metrics.md) for Prometheus |
| `/api/` | the names of the documents |
| `/api/plan` | the topology, as `streamframe describe --format json` prints it |
| `/api/stores/<store>?<column>=<value>` | rows of a store by key: `?key=` for a single column; `&window_start=` |
| `/api/<document>` | see below |

Reading only. Pages are bound to loopback unless `telemetry.host` says otherwise; with `telemetry.token` every path but
`/livez` and `/readyz` wants it, as `Authorization: Bearer` or as the password of HTTP Basic. Nothing shows a setting or
the content of a record, except rows of a store to who asks for their key.
"""


def reference() -> str:
    """Return ``docs/http-api.md``."""
    shown: list[type[Form]] = []
    parts = [_HEAD]
    for name, form in SCHEMAS.items():
        parts.append(section(f"/api/{name}", form, shown))
    rows = section("/api/stores/&lt;store&gt;", Rows, shown)
    parts.append("\n".join([rows, "", str(RowsOfWorker.__doc__), "", *_tables(RowsOfWorker, shown)]))
    parts.append(section("Refusals", Refusal, shown))
    return page(parts)


def section(title: str, form: type[Form], shown: list[type[Form]]) -> str:
    """Return what a form is, its fields, and those of the forms in it that are not in ``shown`` yet."""
    return "\n".join([f"## {title}", "", str(form.__doc__), "", *_tables(form, shown)])


def page(parts: Iterable[str]) -> str:
    """Return a page of these parts."""
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _tables(form: type[Form], shown: list[type[Form]]) -> Iterator[str]:
    hints = get_type_hints(form, include_extras=True)
    yield "| field | type | |"
    yield "| --- | --- | --- |"
    later: list[type[Form]] = []
    for field in msgspec.structs.fields(form):
        kind, note = _described(hints[field.name])
        inner = _form_in(kind)
        if inner is not None and inner not in shown:
            later.append(inner)
            shown.append(inner)
        yield f"| `{field.name}` | {_word(kind)} | {note} |"
    for each in later:
        yield ""
        yield f"**{each.__name__}**: {each.__doc__}"
        yield ""
        yield from _tables(each, shown)


def _described(hint: Any) -> tuple[Any, str]:
    notes = [each.description for each in getattr(hint, "__metadata__", ()) if isinstance(each, Meta)]
    return hint, next((note for note in notes if note and note != "RFC 3339, UTC"), "")


def _form_in(hint: Any) -> type[Form] | None:
    for each in (hint, *getattr(hint, "__args__", ())):
        if isinstance(each, type) and issubclass(each, Form):
            return each
        if each is not hint and (found := _form_in(each)) is not None:
            return found
    return None


def _word(hint: Any) -> str:
    if hint == Moment:
        return "moment"
    if hasattr(hint, "__metadata__"):
        return _word(hint.__origin__)
    arguments: tuple[Any, ...] = getattr(hint, "__args__", ())
    if msgspec.UnsetType in arguments:
        present = [_word(each) for each in arguments if each not in (msgspec.UnsetType, type(None))]
        return " or ".join([*present, *(["null"] if type(None) in arguments else []), "absent"])
    if type(None) in arguments:
        return f"{_word(next(each for each in arguments if each is not type(None)))} or null"
    if getattr(hint, "__origin__", None) is list:
        return f"list of {_word(arguments[0])}"
    if getattr(hint, "__origin__", None) is dict:
        return f"object of {_word(arguments[1])}"
    names = {int: "integer", float: "number", str: "string", bool: "boolean", Any: "any value"}
    return names.get(hint, getattr(hint, "__name__", "object"))


if __name__ == "__main__":
    asked = sys.argv[1:]
    sys.stdout.write(json.dumps(json_schema(asked[0]), indent=2) + "\n" if asked else reference())
