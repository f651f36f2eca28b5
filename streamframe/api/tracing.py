"""Which columns does a user function read? Asked by calling it with a frame that only hands out columns.

The answer must hold for every batch, not only for the empty one it was tried with. So a function is traced
only if it is straight-line code that does nothing with its frame but ``df["a"]``, ``df[["a", "b"]]`` and
``df.a``. A function that branches is read instead of run: each mention of its frame must be ``df["a"]`` or
``df[["a", "b"]]``, whichever branch it is in. For every other function the answer is "all of them", which is
always right.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType
from typing import Any, Final, NoReturn

import pandas as pd

_COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_JUMPS: Final = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)


class _Untraceable(Exception):
    """The function wants more than columns."""


class _Trace:
    """What has been asked for so far."""

    __slots__ = ("codes", "columns", "failed", "frame")

    def __init__(self, frame: pd.DataFrame, codes: frozenset[CodeType]) -> None:
        self.frame = frame
        self.codes = codes
        self.columns: set[str] = set()
        self.failed = False

    def fail(self) -> NoReturn:
        # Remembered as well as raised: numpy, for one, swallows exceptions while it asks what an object can do.
        self.failed = True
        raise _Untraceable

    def read(self, item: object, code: CodeType) -> Any:
        names = [item] if isinstance(item, str) else item
        readable = isinstance(names, list) and all(isinstance(name, str) and name in self.frame for name in names)
        # Another function that was handed the frame may look at values before it decides which columns to read.
        if not readable or code not in self.codes:
            self.fail()
        assert isinstance(names, list)
        self.columns.update(names)
        return self.frame[item]


class TracedFrame:
    """Stands in for a DataFrame: hands out columns and refuses everything else."""

    __slots__ = ("_streamframe_trace",)

    def __init__(self, trace: _Trace) -> None:
        self._streamframe_trace = trace

    def __getitem__(self, item: object) -> Any:
        return self._streamframe_trace.read(item, sys._getframe(1).f_code)

    def __getattr__(self, name: str) -> Any:
        if hasattr(pd.DataFrame, name):
            self._streamframe_trace.fail()
        return self._streamframe_trace.read(name, sys._getframe(1).f_code)

    def _refuse(self, *_: object) -> NoReturn:
        self._streamframe_trace.fail()

    __setitem__ = __delitem__ = __contains__ = _refuse
    __len__ = __iter__ = __bool__ = __array__ = __array_ufunc__ = __dataframe__ = _refuse


def traced_columns(
    function: Callable[..., Any], frame: pd.DataFrame, expected: pd.DataFrame | pd.Series[Any] | Any
) -> frozenset[str] | None:
    """Return the columns that ``function`` reads of any frame, or ``None``: they cannot be told.

    Args:
        function: A user function of one frame.
        frame: An empty, typed frame.
        expected: What the function returned for ``frame``; the traced call must return the same kind of thing.
    """
    if not isinstance(function, FunctionType):
        return None
    codes = _straight_codes(function.__code__)
    if codes is None:
        return _mentioned_columns(function.__code__, frame)
    trace = _Trace(frame, codes)
    try:
        result = function(TracedFrame(trace))
    except Exception:
        # The real frame has been through already, so whatever this is, it is about the stand-in.
        return None
    if trace.failed or not _same_kind(result, expected):
        return None
    return frozenset(trace.columns)


def _straight_codes(code: CodeType) -> frozenset[CodeType] | None:
    """Return the code of a function that neither branches nor lends its variables to a function inside it."""
    if any(instruction.opcode in _JUMPS for instruction in dis.get_instructions(code)) or code.co_exceptiontable:
        return None
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and (
            inner.co_name in _COMPREHENSIONS or set(inner.co_freevars) & set(code.co_cellvars)
        ):
            return None
    return frozenset([code])


def _same_kind(result: object, expected: object) -> bool:
    if type(result) is not type(expected):
        return False
    if isinstance(result, pd.DataFrame) and isinstance(expected, pd.DataFrame):
        return result.dtypes.equals(expected.dtypes)
    return getattr(result, "dtype", None) == getattr(expected, "dtype", None)


def _mentioned_columns(code: CodeType, frame: pd.DataFrame) -> frozenset[str] | None:
    """Return the columns that the text of a function takes from its frame, or ``None`` if it does more with it.

    What another version of Python compiles otherwise is not recognised, which costs speed and nothing else.
    """
    if not code.co_argcount or code.co_varnames[0] in code.co_cellvars:
        return None
    argument = code.co_varnames[0]
    instructions = [step for step in dis.get_instructions(code) if step.opname not in _NO_OPERATIONS]
    columns: set[str] = set()
    for position, step in enumerate(instructions):
        if "FAST" not in step.opname or argument not in _variables_of(step):
            continue
        names = _taken(instructions[position + 1 :]) if step.opname in _LOADS and step.argval == argument else None
        if names is None or not all(name in frame for name in names):
            return None
        columns.update(names)
    return frozenset(columns)


_NO_OPERATIONS: Final = frozenset({"CACHE", "EXTENDED_ARG", "NOP"})
_LOADS: Final = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK"})


def _variables_of(step: dis.Instruction) -> tuple[object, ...]:
    return step.argval if isinstance(step.argval, tuple) else (step.argval,)


def _taken(following: Sequence[dis.Instruction]) -> list[str] | None:
    """Return the names in ``["a"]`` or ``[["a", "b"]]``, if that is what is compiled here."""
    names: list[str] = []
    for step in following:
        if step.opname == "LOAD_CONST" and isinstance(step.argval, str):
            names.append(step.argval)
            continue
        break
    rest = following[len(names) :]
    if rest and rest[0].opname == "BUILD_LIST" and names and rest[0].arg == len(names):
        return names if _takes(rest[1:]) else None
    return names if len(names) == 1 and _takes(rest) else None


def _takes(rest: Sequence[dis.Instruction]) -> bool:
    return bool(rest) and (
        rest[0].opname == "BINARY_SUBSCR" or (rest[0].opname, rest[0].argrepr) == ("BINARY_OP", "[]")
    )
