"""Calling users' functions: a function that raises is bisected to the rows that make it raise.

A function sees a batch. When it raises, the batch is halved until single rows raise; these are set aside by the
policy of the step and the others go on. What a function returns is checked for its shape; a wrong shape is a
mistake in the program, not in a row, and ends the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from streamframe.core.errors import PlanError, StreamFrameError, UserFunctionError
from streamframe.operators.pruning import asked_for
from streamframe.operators.quarantine import Fault, Quarantine
from streamframe.operators.rows import ColumnPruned, Rows
from streamframe.operators.turn import Turn

Result = TypeVar("Result")


class Guard:
    """Runs the functions of one step.

    Args:
        quarantine: Takes the rows that make a function raise.
        known: Columns that the input of the step has by its schema.
        whole: Every column was decoded, so none can have been pruned.
    """

    def __init__(self, quarantine: Quarantine, known: tuple[str, ...], *, whole: bool) -> None:
        self._quarantine = quarantine
        self._known = known
        self._whole = whole

    def apply(
        self, rows: Rows, call: Callable[[Rows], Result], seen: frozenset[str] | None, turn: Turn
    ) -> list[tuple[Rows, Result]]:
        """Call a function with rows, or with as few rows as it takes to isolate those that make it raise.

        Args:
            rows: The rows.
            call: Calls the user's function.
            seen: Columns that the function sees; ``None``: all that there are.
            turn: Takes what is set aside.

        Returns:
            Pieces of the rows, in order, and what the function made of each.

        Raises:
            ColumnPruned: The function asked for a column that was pruned.
            UserFunctionError: It raised and the policy is ``"fail"``.
        """
        try:
            return [(rows, self._checked(call, rows))]
        except StreamFrameError:
            raise
        except Exception as error:  # whatever a user's function raises
            self._check_pruned(error, rows, seen)
        return self._halved(rows, call, turn)

    def _checked(self, call: Callable[[Rows], Result], rows: Rows) -> Result:
        try:
            return call(rows)
        except PlanError as error:
            # Columns of another type than the dry run had: the function, not the data, is to be changed.
            raise UserFunctionError(
                f"a function returned something else than in its dry run: {error.message}",
                hint=error.hint,
                **{"step": self._quarantine.step, **error.facts},
            ) from error

    def _check_pruned(self, error: Exception, rows: Rows, seen: frozenset[str] | None) -> None:
        if self._whole:
            return
        present = rows.columns if seen is None else [name for name in rows.columns if name in seen]
        columns = asked_for(error, [name for name in self._known if name not in present])
        if columns:
            raise ColumnPruned(self._quarantine.step, columns) from error

    def _halved(self, rows: Rows, call: Callable[[Rows], Result], turn: Turn) -> list[tuple[Rows, Result]]:
        pieces: list[tuple[Rows, Result]] = []
        faults: list[Fault] = []
        ranges = [(0, len(rows))]
        while ranges:
            begin, end = ranges.pop()
            piece = rows.take(np.arange(begin, end))
            try:
                pieces.append((piece, self._checked(call, piece)))
                continue
            except StreamFrameError:
                raise
            except Exception as error:  # as above
                if end - begin == 1:
                    faults.append(Fault(begin, type(error).__name__, str(error), error))
                    if self._quarantine.fails:
                        break
                    continue
            middle = (begin + end) // 2
            ranges += [(middle, end), (begin, middle)]
        self._quarantine.rows(turn, rows, faults)
        return pieces
