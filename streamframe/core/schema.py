"""Schemas: whatever a user describes the columns with becomes one Arrow schema.

Inside, strings are ``large_string``, binaries ``large_binary`` and lists ``large_list``, dictionary-encoded columns
are plain ones, and nothing carries metadata. A column is required (``nullable=False``) only when the description says
so; a record without it is an error in the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import pyarrow as pa

from streamframe.core.errors import PlanError
from streamframe.core.suggest import did_you_mean
from streamframe.core.type_hints import fields_of_class, type_of_hint
from streamframe.core.type_text import parse_type

SchemaLike: TypeAlias = pa.Schema | Mapping[str, Any] | type
"""What a user may describe columns with."""


def normalise_schema(schema: SchemaLike) -> pa.Schema:
    """Return the Arrow schema of a description of columns.

    Args:
        schema: A mapping from names to types (text such as ``"int64"``, a ``pa.DataType`` or a Python type), a
            ``pa.Schema``, a dataclass, a ``msgspec.Struct``, a pydantic model or a ``faust.Record``. Columns of a
            mapping may be null unless the text says ``not null``; fields of a class must not, unless they are
            ``Optional`` or have a default. The default itself is not used: an absent field is null.

    Returns:
        Fields in the order of the description, types as they are inside the engine.

    Raises:
        PlanError: A type is unknown, a name occurs twice, or nothing describes columns here.

    Example:
        >>> print(normalise_schema({"user": "string", "amount": "float64", "ts": "timestamp[ms] not null"}))
        user: large_string
        amount: double
        ts: timestamp[ms] not null
    """
    fields = _fields(schema)
    names = [field.name for field in fields]
    if not fields:
        raise PlanError("a schema needs at least one column", hint="schema={'user': 'string', 'amount': 'float64'}")
    for name in names:
        if not name:
            raise PlanError("a column needs a name", columns=names)
        if names.count(name) > 1:
            raise PlanError("a column occurs twice", column=name)
    return pa.schema([pa.field(field.name, inner_type(field.type), field.nullable) for field in fields])


def _fields(schema: object) -> list[pa.Field]:
    if isinstance(schema, pa.Schema):
        return list(schema)
    if isinstance(schema, Mapping):
        return [_field_of_mapping(name, kind) for name, kind in schema.items()]
    fields = fields_of_class(schema) if isinstance(schema, type) else None
    if fields is None:
        raise PlanError(
            "not a schema",
            hint="a mapping of names to types, a pyarrow.Schema, or a dataclass, msgspec.Struct or pydantic class",
            schema=schema,
        )
    return fields


def _field_of_mapping(name: object, kind: object) -> pa.Field:
    if not isinstance(name, str):
        raise PlanError("a column name must be text", column=name)
    if isinstance(kind, pa.DataType):
        return pa.field(name, kind)
    if isinstance(kind, pa.Field):
        return kind.with_name(name)
    if isinstance(kind, str):
        try:
            return pa.field(name, *parse_type(kind))
        except PlanError as error:
            raise PlanError(error.message, hint=error.hint, column=name, **error.facts) from None
    # Columns of a mapping may be null whatever their type is written as.
    return pa.field(name, type_of_hint(kind, name)[0])


def inner_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that stands for ``kind`` inside the engine.

    Example:
        >>> inner_type(pa.list_(pa.string()))
        LargeListType(large_list<item: large_string>)
    """
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.large_binary()
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return inner_type(kind.value_type)
    if pa.types.is_null(kind):
        return pa.large_string()
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_inner_field(kind.value_field, "item"), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_inner_field(kind.value_field, "item"))
    if pa.types.is_struct(kind):
        return pa.struct([_inner_field(member, member.name) for member in kind])
    if pa.types.is_map(kind):
        return pa.map_(inner_type(kind.key_type), _inner_field(kind.item_field, "value"))
    return kind


def _inner_field(field: pa.Field, name: str) -> pa.Field:
    return pa.field(name, inner_type(field.type), field.nullable)


def field_of(schema: pa.Schema, name: str) -> pa.Field:
    """Return a field by its name.

    Raises:
        PlanError: There is no such column; the hint names the nearest one.

    Example:
        >>> field_of(normalise_schema({"amount": "float64"}), "amount").type
        DataType(double)
    """
    position = schema.get_field_index(name)
    if position < 0:
        known = ", ".join(schema.names)
        raise PlanError("unknown column", hint=did_you_mean(name, schema.names) or f"columns: {known}", column=name)
    return schema.field(position)
