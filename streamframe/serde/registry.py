"""From the value of a serde to its decoder and encoder.

A serde that is added has a line in ``_SERDES`` and a function that makes its value; nothing else knows the names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from streamframe.core.errors import PlanError
from streamframe.core.schema import field_of
from streamframe.core.serde_spec import SerdeSpec
from streamframe.core.suggest import did_you_mean
from streamframe.serde.base import Decoder, Encoder
from streamframe.serde.json_native import json_decoder, json_encoder
from streamframe.serde.single_column import SingleColumnDecoder, SingleColumnEncoder, check_single_column


def json_serde(*, iso: bool = False) -> SerdeSpec:
    """One JSON object for each record.

    Args:
        iso: Write timestamps as ``"2026-01-01T00:00:00.000Z"`` instead of integers of their unit. Both are
            read, whatever ``iso`` says.

    Example:
        >>> str(json_serde(iso=True))
        'json(iso=True)'
    """
    return SerdeSpec("json", (("iso", True),) if iso else ())


def raw_serde() -> SerdeSpec:
    """The payload itself, as one binary column; without a schema it is called ``value``."""
    return SerdeSpec("raw")


def string_serde() -> SerdeSpec:
    """The payload as UTF-8 text in one string column; without a schema it is called ``value``."""
    return SerdeSpec("string")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Serde:
    """What the registry knows of a serde; ``schema`` is the one it has when none is given."""

    decoder: Callable[[SerdeSpec, pa.Schema, Sequence[str]], Decoder]
    encoder: Callable[[SerdeSpec, pa.Schema], Encoder]
    schema: pa.Schema | None = None


def _single_column(name: str, kind: pa.DataType) -> _Serde:
    def decoder(_spec: SerdeSpec, schema: pa.Schema, fields: Sequence[str]) -> Decoder:
        check_single_column(name, schema, kind)
        return SingleColumnDecoder(schema, fields)

    def encoder(_spec: SerdeSpec, schema: pa.Schema) -> Encoder:
        check_single_column(name, schema, kind)
        return SingleColumnEncoder(schema)

    return _Serde(decoder=decoder, encoder=encoder, schema=pa.schema([("value", kind)]))


_SERDES: Final[dict[str, _Serde]] = {
    "json": _Serde(
        decoder=lambda _spec, schema, fields: json_decoder(schema, fields),
        encoder=lambda spec, schema: json_encoder(schema, iso=spec.option("iso") is True),
    ),
    "raw": _single_column("raw", pa.large_binary()),
    "string": _single_column("string", pa.large_string()),
}


def default_schema(spec: SerdeSpec) -> pa.Schema | None:
    """Return the schema of a topic that is declared without one, or ``None`` when it needs one.

    Example:
        >>> default_schema(string_serde()).names
        ['value']
    """
    return _serde(spec).schema


def decoder_for(spec: SerdeSpec, schema: pa.Schema, fields: Sequence[str]) -> Decoder:
    """Return a decoder for payloads of ``schema``.

    Args:
        spec: The serde.
        schema: The normalised schema of the topic (``core.schema.normalise_schema``).
        fields: The fields in use: only they are decoded, and the columns come in this order.

    Raises:
        PlanError: A field is not in the schema, or the serde cannot carry the schema.
    """
    for name in fields:
        field_of(schema, name)
    return _serde(spec).decoder(spec, schema, fields)


def encoder_for(spec: SerdeSpec, schema: pa.Schema) -> Encoder:
    """Return an encoder for rows of ``schema``.

    Args:
        spec: The serde.
        schema: Columns of the rows, with the types of the engine.

    Raises:
        PlanError: The serde cannot carry the schema.
    """
    return _serde(spec).encoder(spec, schema)


def _serde(spec: SerdeSpec) -> _Serde:
    found = _SERDES.get(spec.name)
    if found is None:
        raise PlanError("unknown serde", hint=did_you_mean(spec.name, _SERDES), serde=spec.name)
    return found
