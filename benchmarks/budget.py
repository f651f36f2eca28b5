"""The budget of a record in ``docs/performance.md``: its table, from the result files.

The stages were measured in memory, the threads on a broker. What a job costs beyond both is the loop: records and
results handed to and from the client, commits, the changelog, the supervisor.
"""

from __future__ import annotations

from benchmarks.charts import DOCS
from benchmarks.results_files import PATHS, load
from benchmarks.stages import WHOLE_JOB
from benchmarks.tables import machine, table
from benchmarks.threads import OF_CLIENT, OTHERS, WORKING

PAGE = DOCS / "performance.md"
BEGIN, END = "<!-- generated from benchmarks/results: budget -->", "<!-- end -->"
PROGRAM = "tumbling, 10000 users"
STAGES = {
    "decode JSON, find event time": (
        "JSON to columns, event time",
        "only fields that the program uses; the others are checked for syntax and skipped",
    ),
    "keys to slots, fold": ("keys to slots, fold", "a hash table of key bytes, then vectors: whole columns at once"),
    "close, emit, encode, seal": ("close, emit, seal", "per record of input, with a result for about every four"),
    "encode JSON": ("results to JSON", "the same"),
}


def write_budget() -> None:
    """Replace the table between the two marks of the page."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, f"{PAGE} has no place for the budget"
    PAGE.write_text(f"{before}{BEGIN}\n\n{budget()}\n\n{END}{after}")


def budget() -> str:
    """Return the table: nanoseconds of processor time per record by stage, for both data paths."""
    found = {path: measured for path in PATHS if (measured := load("stages", path)) is not None}
    columns = {path: _column(each["measured"]) for path, each in found.items()}
    names = {
        "client": ("threads of the Kafka client", "fetch, decompress, check; compress and send results: librdkafka"),
        **STAGES,
        "loop": ("the loop", "records to batches, results to the client, commits, changelog"),
        "others": ("other threads, supervisor", "metrics, the page, waiting for signals"),
    }
    rows = [
        [title, *(_shown(columns[path].get(stage)) for path in columns), what] for stage, (title, what) in names.items()
    ]
    sums = [_shown(sum(column.values())) for column in columns.values()]
    rows.append(["**all**", *(f"**{value}**" for value in sums), "a thousandth of CPU seconds per million"])
    machines = [line for each in found.values() for line in (machine(each), "")]
    return "\n".join([table(["stage", *columns, "what it is"], rows), "", *machines]).rstrip()


def _column(measured: dict[str, dict[str, float]]) -> dict[str, float]:
    stages = {stage: measured[PROGRAM][stage] for stage in STAGES if stage in measured[PROGRAM]}
    whole = measured.get(WHOLE_JOB)
    if whole is None:
        return stages
    loop = max(0.0, whole[WORKING] - sum(stages.values()))
    return {"client": whole[OF_CLIENT], **stages, "loop": loop, "others": whole[OTHERS]}


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
