"""The public face is a short list, sorted and documented."""

import inspect
import re
import types
from pathlib import Path

import streamframe

ROOT = Path(__file__).resolve().parents[1]


def test_all_lists_exactly_the_visible_names_sorted():
    visible = {
        name
        for name, value in vars(streamframe).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert list(streamframe.__all__) == sorted(visible | {"__version__"})


def test_every_public_name_is_documented_down_to_its_methods():
    undocumented = []
    for name in streamframe.__all__:
        value = getattr(streamframe, name)
        if (inspect.isclass(value) or inspect.isroutine(value)) and not inspect.getdoc(value):
            undocumented.append(name)
        if inspect.isclass(value):
            # inspect.getdoc finds the docstring of the protocol that a method implements.
            undocumented += [
                f"{name}.{method}"
                for method in vars(value)
                if not method.startswith("_")
                and (inspect.isroutine(getattr(value, method)) or isinstance(vars(value)[method], property))
                and not inspect.getdoc(getattr(value, method))
            ]
    assert undocumented == []


def test_the_version_is_the_one_of_the_distribution():
    declared = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert declared is not None
    assert declared.group(1) == streamframe.__version__
