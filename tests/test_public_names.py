"""The public face is a short list, sorted and documented."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import streamframe

ROOT = Path(__file__).resolve().parents[1]


def test_all_lists_the_public_names_sorted_and_each_can_be_used():
    assert list(streamframe.__all__) == sorted(streamframe.__all__) == dir(streamframe)
    assert [name for name in streamframe.__all__ if getattr(streamframe, name, None) is None] == []


def test_type_checkers_see_the_same_names_as_the_interpreter():
    tree = ast.parse((ROOT / "streamframe" / "__init__.py").read_text())
    seen = {alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted({name for name in seen if name} | {"__version__"}) == list(streamframe.__all__)


def test_importing_the_package_does_not_import_pandas():
    code = "import sys, streamframe; sys.exit('pandas' in sys.modules or 'pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'sesion'"):
        streamframe.sesion  # noqa: B018


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
