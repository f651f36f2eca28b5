"""The text of a query: which columns and which ``@variables`` it names.

pandas evaluates the text; here it is only read, so that columns nobody names need not be decoded.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Final

from streamframe.core.errors import PlanError
from streamframe.core.suggest import did_you_mean

# Text in quotes is left alone; `names in backticks` and @variables are no Python and get a stand-in.
_PIECES: Final = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`|@[^\W\d]\w*""")
_COLUMN_STAND_IN: Final = "__column_{}__"
_VARIABLE_STAND_IN: Final = "__variable_{}__"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryText:
    """What a query refers to.

    Attributes:
        names: Names of columns, in the order of appearance; names that are called (``abs(x)``) are not among
            them.
        variables: Names behind an ``@``.
    """

    names: tuple[str, ...]
    variables: tuple[str, ...]


def read_query(text: str, *, step: str) -> QueryText:
    """Return what a query refers to.

    Raises:
        PlanError: The text is not an expression.
    """
    columns: list[str] = []
    variables: list[str] = []

    def stand_in(match: re.Match[str]) -> str:
        piece = match[0]
        if piece[0] == "`":
            columns.append(piece[1:-1])
            return _COLUMN_STAND_IN.format(len(columns) - 1)
        if piece[0] == "@":
            variables.append(piece[1:])
            return _VARIABLE_STAND_IN.format(len(variables) - 1)
        return piece

    # Like pandas: a query may be broken into lines.
    plain = " ".join(_PIECES.sub(stand_in, text).split("\n")).strip()
    try:
        tree = ast.parse(plain, mode="eval")
    except SyntaxError as error:
        raise PlanError(
            "the query is not an expression",
            hint="compare columns: frame.query(\"amount > 0 and user != 'test'\")",
            step=step,
            query=text,
            reason=error.msg,
        ) from None
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    backticked = {_COLUMN_STAND_IN.format(number): name for number, name in enumerate(columns)}
    stand_ins = {_VARIABLE_STAND_IN.format(number) for number in range(len(variables))}
    names = [
        backticked.get(node.id, node.id)
        for node in sorted(
            (node for node in ast.walk(tree) if isinstance(node, ast.Name)), key=lambda node: node.col_offset
        )
        if id(node) not in called and node.id not in stand_ins
    ]
    return QueryText(names=tuple(dict.fromkeys(names)), variables=tuple(dict.fromkeys(variables)))


def captured(query: QueryText, caller: FrameType, *, step: str) -> Mapping[str, object]:
    """Return the present values of the ``@variables`` where the query was written.

    Raises:
        PlanError: There is no such variable.
    """
    known = {**caller.f_globals, **caller.f_locals}
    for name in query.variables:
        if name not in known:
            raise PlanError(
                "unknown variable in a query", hint=did_you_mean(name, known), step=step, variable=f"@{name}"
            )
    return {name: known[name] for name in query.variables}
