"""Python annotations as column types, and classes of annotated fields as schemas.

Dataclasses, ``msgspec.Struct``, pydantic models and ``faust.Record`` are known by their attributes; none of
these libraries is imported.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Final

import pyarrow as pa

from streamframe.core.errors import PlanError

_TYPE_BY_CLASS: Final[dict[type, pa.DataType]] = {
    str: pa.large_string(),
    bytes: pa.large_binary(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    datetime: pa.timestamp("us"),
    date: pa.date32(),
    timedelta: pa.duration("us"),
}
_HINT: Final = (
    "use str, int, float, bool, bytes, datetime, date, list[...], a nested class, or Annotated[int, pa.int32()]"
)


def fields_of_class(model: type) -> list[pa.Field] | None:
    """Return the fields of a model class, or ``None`` when it is not one.

    A field is required when it has neither a default nor an ``Optional`` annotation.
    """
    members = _members(model)
    if members is None:
        return None
    fields = []
    try:
        for name, annotation, has_default in members:
            kind, nullable = type_of_hint(annotation, name)
            fields.append(pa.field(name, kind, nullable or has_default))
    except NameError as error:
        raise PlanError(
            "an annotation names something that is not at the top of its module", model=model, name=error.name
        ) from error
    except RecursionError:
        raise PlanError("a class that contains itself has no column type", model=model) from None
    return fields


def _members(model: type) -> Iterator[tuple[str, Any, bool]] | None:
    """Names as they stand in a record, annotations, and whether there is a default."""
    if dataclasses.is_dataclass(model):
        return _dataclass_members(model)
    if hasattr(model, "__struct_fields__"):
        return _msgspec_members(model)
    if isinstance(getattr(model, "model_fields", None), Mapping):
        return _pydantic_members(model)
    if hasattr(getattr(model, "_options", None), "fields"):
        return _faust_members(model)
    return None


def _dataclass_members(model: Any) -> Iterator[tuple[str, Any, bool]]:
    hints = typing.get_type_hints(model, include_extras=True)
    for field in dataclasses.fields(model):
        no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        yield field.name, hints[field.name], not no_default


def _msgspec_members(model: Any) -> Iterator[tuple[str, Any, bool]]:
    hints = typing.get_type_hints(model, include_extras=True)
    names, encoded, defaults = model.__struct_fields__, model.__struct_encode_fields__, model.__struct_defaults__
    first_default = len(names) - len(defaults)
    for position, (name, in_record) in enumerate(zip(names, encoded, strict=True)):
        # A keyword-only member without a default stands among the defaults as the marker NODEFAULT.
        has_default = position >= first_default and repr(defaults[position - first_default]) != "NODEFAULT"
        yield in_record, hints[name], has_default


def _pydantic_members(model: Any) -> Iterator[tuple[str, Any, bool]]:
    for name, field in model.model_fields.items():
        annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        yield getattr(field, "alias", None) or name, annotation, not field.is_required()


def _faust_members(model: Any) -> Iterator[tuple[str, Any, bool]]:
    optional = getattr(model._options, "optionalset", ())  # noqa: SLF001  (the only place where a Record keeps them)
    for name, annotation in model._options.fields.items():  # noqa: SLF001
        yield name, annotation, name in optional


def type_of_hint(annotation: Any, name: str) -> tuple[pa.DataType, bool]:
    """Return the type of an annotation and whether it may be null.

    Args:
        annotation: The annotation, resolved.
        name: The field, for the error message.

    Raises:
        PlanError: No column type corresponds to it.
    """
    if isinstance(annotation, pa.DataType):
        return annotation, False
    if isinstance(annotation, typing.NewType):
        return type_of_hint(annotation.__supertype__, name)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        explicit = next((extra for extra in arguments[1:] if isinstance(extra, pa.DataType)), None)
        kind, nullable = type_of_hint(arguments[0], name) if explicit is None else (explicit, _optional(arguments[0]))
        return kind, nullable
    if origin is typing.Union or origin is types.UnionType:
        return _type_of_union(annotation, name)
    if origin is typing.Literal:
        return _one_type([type(value) for value in arguments], annotation, name), False
    if origin is not None:
        return _type_of_container(annotation, name), False
    return _type_of_class(annotation, name), False


def _optional(annotation: Any) -> bool:
    return type(None) in typing.get_args(annotation)


def _type_of_union(annotation: Any, name: str) -> tuple[pa.DataType, bool]:
    kinds = [argument for argument in typing.get_args(annotation) if argument is not type(None)]
    if len(kinds) != 1:
        raise _no_type(annotation, name)
    return type_of_hint(kinds[0], name)[0], _optional(annotation)


def _type_of_container(annotation: Any, name: str) -> pa.DataType:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if not isinstance(origin, type):
        raise _no_type(annotation, name)
    if issubclass(origin, Mapping) and len(arguments) == 2:
        key, (item, nullable) = type_of_hint(arguments[0], name)[0], type_of_hint(arguments[1], name)
        return pa.map_(key, pa.field("value", item, nullable))
    is_sequence = issubclass(origin, typing.Collection) and not issubclass(origin, tuple)
    is_open_tuple = issubclass(origin, tuple) and len(arguments) == 2 and arguments[1] is Ellipsis
    if (is_sequence and len(arguments) == 1) or is_open_tuple:
        item, nullable = type_of_hint(arguments[0], name)
        return pa.large_list(pa.field("item", item, nullable))
    raise _no_type(annotation, name)


def _type_of_class(annotation: Any, name: str) -> pa.DataType:
    if annotation in _TYPE_BY_CLASS:
        return _TYPE_BY_CLASS[annotation]
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return _one_type([type(member.value) for member in annotation], annotation, name)
        fields = fields_of_class(annotation)
        if fields:
            return pa.struct(fields)
        # Datetimes are dates and booleans integers: the most special class comes first.
        for known in (bool, datetime, *_TYPE_BY_CLASS):
            if issubclass(annotation, known):
                return _TYPE_BY_CLASS[known]
    raise _no_type(annotation, name)


def _one_type(classes: list[type], annotation: Any, name: str) -> pa.DataType:
    if not classes or any(one is not classes[0] for one in classes):
        raise _no_type(annotation, name)
    return _type_of_class(classes[0], name)


def _no_type(annotation: Any, name: str) -> PlanError:
    shown = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return PlanError("no column type for this annotation", hint=_HINT, field=name, annotation=shown)
