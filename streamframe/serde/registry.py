"""From a serde's value to its decoder and encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pyarrow as pa

from streamframe.core.errors import PlanError
from streamframe.core.serde_spec import SerdeSpec
from streamframe.core.suggest import did_you_mean
from streamframe.serde.base import Decoder, Encoder
from streamframe.serde.json_decode import JsonDecoder

DecoderMaker = Callable[[SerdeSpec, pa.Schema, Sequence[str]], Decoder]
EncoderMaker = Callable[[SerdeSpec, pa.Schema], Encoder]


def json_serde(*, iso: bool = False) -> SerdeSpec:
    """One JSON object for each record.

    Args:
        iso: Write timestamps as ``"2026-01-01T00:00:00.000Z"`` instead of integers of their unit. Both are
            read, whatever ``iso`` says.

    Example:
        >>> str(json_serde())
        'json()'
    """
    return SerdeSpec("json", (("iso", True),) if iso else ())


_DECODERS: Final[dict[str, DecoderMaker]] = {
    "json": lambda _spec, schema, fields: JsonDecoder(schema, fields),
}


def decoder_for(spec: SerdeSpec, schema: pa.Schema, fields: Sequence[str]) -> Decoder:
    """Return a decoder for payloads of ``schema``.

    Args:
        spec: The serde.
        schema: The normalised schema of the topic (``core.schema.normalise_schema``).
        fields: The fields in use: only they are decoded, and the columns come in this order.

    Raises:
        PlanError: A field is not in the schema, or the serde cannot carry the schema.
    """
    for field in fields:
        if schema.get_field_index(field) < 0:
            raise PlanError("unknown field", hint=did_you_mean(field, schema.names), field=field)
    maker = _DECODERS.get(spec.name)
    if maker is None:
        raise PlanError("unknown serde", hint=did_you_mean(spec.name, _DECODERS), serde=spec.name)
    return maker(spec, schema, fields)
