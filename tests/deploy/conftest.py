"""The rehearsal needs an address for each replica: it is collected where there are some; the header says where not."""

from grafana.live.compose import can_rehearse

collect_ignore = [] if can_rehearse() else ["test_rehearsal.py"]


def pytest_report_header() -> list[str]:
    """Say what is left out."""
    return [f"not run, this system has one loopback address only: tests/deploy/{file}" for file in collect_ignore]
