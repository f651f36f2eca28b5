"""Query texts: the simple ones are compiled to numpy and Arrow, the others are left to pandas.

Compiled are comparisons of columns, constants and ``@variables`` of numbers, text or booleans, joined by ``and``,
``or``, ``not`` (or ``&``, ``|``, ``~``), as long as no column of the expression holds a null: pandas turns nulls into
NaN and its rules for them are its own. The results are the same; a call of pandas costs a millisecond.
"""

from __future__ import annotations

import ast
import io
import operator
import tokenize
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.errors import UserFunctionError
from streamframe.operators.rows import Rows
from streamframe.serde.base import Columns

BoolArray = npt.NDArray[np.bool_]
Mask = Callable[[Columns], Any]

_VARIABLE: Final = "__variable_"
_COMPARISONS: Final[Mapping[type[ast.cmpop], tuple[Callable[[Any, Any], Any], str]]] = {
    ast.Eq: (operator.eq, "equal"),
    ast.NotEq: (operator.ne, "not_equal"),
    ast.Lt: (operator.lt, "less"),
    ast.LtE: (operator.le, "less_equal"),
    ast.Gt: (operator.gt, "greater"),
    ast.GtE: (operator.ge, "greater_equal"),
}


class _NotSimple(Exception):
    """The text needs pandas."""


class Query:
    """A pandas query text.

    Args:
        text: The text.
        variables: Values of its ``@names``.
        schema: Columns of the rows.
    """

    def __init__(self, text: str, variables: Mapping[str, object], schema: pa.Schema) -> None:
        self._text = text
        self._variables = dict(variables)
        self._schema = schema
        self._columns: tuple[str, ...] = ()
        try:
            compiler = _Compiler(variables, schema)
            self._mask: Mask | None = compiler.mask(ast.parse(_as_python(text), mode="eval").body)
            self._columns = tuple(compiler.columns)
        except (_NotSimple, SyntaxError, tokenize.TokenError):
            self._mask = None

    @property
    def compiled(self) -> bool:
        """Whether pandas is needed only where there are nulls."""
        return self._mask is not None

    def matches(self, rows: Rows, seen: frozenset[str] | None) -> BoolArray:
        """Return which rows match.

        Args:
            rows: The rows.
            seen: Columns that the text mentions, or ``None`` for all.

        Raises:
            UserFunctionError: The text does not give one boolean per row.
            Exception: Whatever pandas raises for the text.
        """
        columns = rows.columns
        if self._mask is not None and all(name in columns and not columns[name].null_count for name in self._columns):
            result: BoolArray = np.asarray(self._mask(columns), np.bool_)
            return result if result.ndim else np.full(len(rows), bool(result))
        frame = rows.frame(self._schema, seen)
        answer = frame.eval(self._text, local_dict=self._variables, global_dict={}, engine="python")
        return boolean_mask(answer, len(rows))


def boolean_mask(answer: object, rows: int) -> BoolArray:
    """Return the answer of a predicate as a mask; null is false.

    Raises:
        UserFunctionError: It is not one boolean per row.
    """
    if isinstance(answer, bool | np.bool_):
        return np.full(rows, bool(answer))
    if isinstance(answer, pd.Series | np.ndarray | list | pd.api.extensions.ExtensionArray) and len(answer) == rows:
        series = pd.Series(answer)
        if series.dtype == object:
            filled = series.where(series.notna(), other=False)
            if all(isinstance(value, bool | np.bool_) for value in filled):
                return filled.to_numpy(np.bool_)
        elif pd.api.types.is_bool_dtype(series.dtype):
            return series.fillna(value=False).to_numpy(np.bool_)
    shape = f"{type(answer).__name__} of {len(answer)}" if isinstance(answer, pd.Series | np.ndarray) else repr(answer)
    raise UserFunctionError("a predicate must return one boolean per row", rows=rows, returned=shape[:80])


def _as_python(text: str) -> str:
    """Give ``&`` and ``|`` the rank of ``and`` and ``or``, as pandas does, and make names of ``@names``."""
    if "`" in text or "\n" in text:
        raise _NotSimple
    tokens = []
    after_at = False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.NL):
            continue
        if token.string == "@":
            after_at = True
            continue
        word = {"&": "and", "|": "or"}.get(token.string, token.string) if token.type == tokenize.OP else token.string
        tokens.append(_VARIABLE + word if after_at else word)
        after_at = False
    return " ".join(tokens)


class _Compiler:
    """Turns a syntax tree into a function from columns to a mask."""

    def __init__(self, variables: Mapping[str, object], schema: pa.Schema) -> None:
        self._variables = variables
        self._schema = schema
        self.columns: dict[str, None] = {}

    def mask(self, node: ast.expr) -> Mask:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return _all([self.mask(value) for value in values])
            case ast.BoolOp(op=ast.Or(), values=values):
                parts = [self.mask(value) for value in values]
                return lambda columns: np.logical_or.reduce([part(columns) for part in parts])
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
                inner = self.mask(operand)
                return lambda columns: np.logical_not(inner(columns))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                sides = [left, *comparators]
                pairs = zip(sides[:-1], ops, sides[1:], strict=True)
                return _all([self._comparison(before, op, after) for before, op, after in pairs])
            case ast.Name(id=name) if self._kind(node) == "bool" and not name.startswith(_VARIABLE):
                return self._value(node)
            case _:
                pass
        raise _NotSimple

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Mask:
        if type(op) not in _COMPARISONS:
            raise _NotSimple
        kinds = {self._kind(left), self._kind(right)}
        if kinds == {"text"}:
            compare: Callable[[Any, Any], Any] = getattr(pc, _COMPARISONS[type(op)][1])
            before, after = self._text(left), self._text(right)
            return lambda columns: np.asarray(compare(before(columns), after(columns)))
        if len(kinds) != 1:
            raise _NotSimple
        plain = _COMPARISONS[type(op)][0]
        before, after = self._value(left), self._value(right)
        return lambda columns: plain(before(columns), after(columns))

    def _kind(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name) if name.startswith(_VARIABLE):
                return _kind_of_value(self._variables.get(name.removeprefix(_VARIABLE)))
            case ast.Name(id=name) if self._schema.get_field_index(name) >= 0:
                return _kind_of_type(self._schema.field(name).type)
            case ast.Constant(value=value):
                return _kind_of_value(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
                return _kind_of_value(value)
            case _:
                pass
        raise _NotSimple

    def _constant(self, node: ast.expr) -> object:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.UnaryOp(operand=ast.Constant(value=int() | float() as value)):
                return -value
            case ast.Name(id=name) if name.startswith(_VARIABLE):
                return self._variables[name.removeprefix(_VARIABLE)]
            case _:
                pass
        raise _NotSimple

    def _value(self, node: ast.expr) -> Mask:
        if isinstance(node, ast.Name) and not node.id.startswith(_VARIABLE):
            name = node.id
            self.columns[name] = None
            return lambda columns: columns[name].to_numpy(zero_copy_only=False)
        constant = self._constant(node)
        return lambda columns: constant

    def _text(self, node: ast.expr) -> Mask:
        if isinstance(node, ast.Name) and not node.id.startswith(_VARIABLE):
            name = node.id
            self.columns[name] = None
            return lambda columns: columns[name]
        constant = pa.scalar(self._constant(node), pa.large_string())
        return lambda columns: constant


def _all(parts: list[Mask]) -> Mask:
    if len(parts) == 1:
        return parts[0]
    return lambda columns: np.logical_and.reduce([part(columns) for part in parts])


def _kind_of_value(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    raise _NotSimple


def _kind_of_type(dtype: pa.DataType) -> str:
    if pa.types.is_integer(dtype) or pa.types.is_floating(dtype):
        return "number"
    if pa.types.is_boolean(dtype):
        return "bool"
    if pa.types.is_large_string(dtype):
        return "text"
    raise _NotSimple
