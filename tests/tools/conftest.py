"""Tests that need a program of the system: they are collected where it is installed, and the header says where not."""

import shutil

_TOOL_BY_FILE = {"test_promtool.py": "promtool", "test_page.py": "chromium"}

collect_ignore = [file for file, tool in _TOOL_BY_FILE.items() if shutil.which(tool) is None]


def pytest_report_header() -> list[str]:
    """Say what is left out."""
    return [f"not run, {_TOOL_BY_FILE[file]} is not installed: tests/tools/{file}" for file in collect_ignore]
