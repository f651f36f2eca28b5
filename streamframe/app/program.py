"""Finding the ``App`` of a program file, in this process or in a worker that was just spawned."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from streamframe.app.application import App
from streamframe.core.errors import ConfigError, PlanError, StreamFrameError
from streamframe.core.suggest import did_you_mean

MODULE_NAME = "__streamframe_program__"


@dataclass(frozen=True, slots=True)
class ProgramRef:
    """Where a program is: something that a spawned worker can load again.

    Attributes:
        target: A path that ends in ``.py``, or a module name.
        app_name: Name of the app when the program holds several; empty when there is one.
    """

    target: str
    app_name: str = ""


def load_app(program: ProgramRef) -> App:
    """Import a program and return its app.

    Raises:
        ConfigError: There is no such program, it cannot be imported, or it holds no app (or several).
        PlanError: The program is wrong; the message names the line that is.
    """
    module = _load_module(program.target)
    found = {value.name: value for value in vars(module).values() if isinstance(value, App)}
    if program.app_name:
        if program.app_name not in found:
            hint = did_you_mean(program.app_name, list(found)) or f"it holds: {', '.join(found) or 'none'}"
            raise ConfigError("the program holds no such app", hint=hint, app=program.app_name)
        return found[program.app_name]
    if len(found) > 1:
        raise ConfigError("the program holds several apps", hint=f"choose one with --app: {', '.join(found)}")
    if not found:
        raise ConfigError(
            "the program holds no app",
            hint='write `app = sf.App("name")` at the top level of the file',
            program=program.target,
        )
    return next(iter(found.values()))


def _load_module(target: str) -> ModuleType:
    try:
        return _load_file(Path(target)) if target.endswith(".py") else _load_name(target)
    except StreamFrameError as error:
        if isinstance(error, PlanError) and "line" not in error.facts:
            error.facts["line"] = _user_line(error)
        raise
    except Exception as error:
        raise ConfigError(
            "the program cannot be imported",
            hint=f"{type(error).__name__}: {error}",
            program=target,
            line=_user_line(error),
        ) from error


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError("there is no such program", hint="give the path of a Python file", program=str(path))
    directory = str(path.resolve().parent)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    spec.loader.exec_module(module)
    return module


def _load_name(name: str) -> ModuleType:
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None  # A package on the way to it does not exist.
    if found is None:
        raise ConfigError("there is no such program", hint="give a module name or a path ending in .py", program=name)
    return importlib.import_module(name)


def _user_line(error: BaseException) -> str:
    """Return ``file:line`` of the innermost frame that is not ours and not the library's."""
    own = str(Path(__file__).resolve().parents[1])
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((own, "<"))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
