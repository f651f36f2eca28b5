"""The command line as it is typed: help, misspelt words, one clear error, exit codes."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamframe.cli.exit_codes import exit_codes, markdown_table
from streamframe.cli.main import build_parser, command_modules, main
from streamframe.core import errors
from streamframe.core.errors import StreamFrameError
from streamframe.testing import KafkaBroker

ROOT = Path(__file__).resolve().parents[2]
STREAMFRAME = [sys.executable, "-m", "streamframe"]
HELP_SECONDS_MAX = 0.3

PROGRAM = """\
from streamframe.api.windows import tumbling
from streamframe.app.application import App

app = App("counts", commit_interval="100ms")
clicks = app.topic("clicks", schema={"user": "string", "amount": "float64", "ts": "timestamp[ms]"}, event_time="ts")
clicks.groupby("user").window(tumbling("10s")).agg(n="size", name="totals").to_topic("counts", key="user")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "counts.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture(autouse=True)
def _own_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def streamframe(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [*STREAMFRAME, *words], capture_output=True, text=True, env=environment, timeout=120, check=False, cwd=ROOT
    )


# -- help ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"]])
def test_help_answers_at_once(words):
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert streamframe(*words).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    # CPU time, and the best of some tries: other work shares the machine.
    assert min(seconds() for _ in range(5)) < HELP_SECONDS_MAX


def test_help_loads_no_library():
    code = (
        "import sys\n"
        "from streamframe.cli.main import build_parser\n"
        "build_parser().format_help()\n"
        "print(sorted({'pandas', 'pyarrow', 'numpy', 'confluent_kafka', 'multiprocessing'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_process_that_supervises_loads_no_library_for_its_banner():
    code = (
        "import argparse, sys\n"
        "from streamframe.cli import run\n"
        "from streamframe.cli.preflight import look_at_program\n"
        "from streamframe.core.settings import Settings\n"
        "found = look_at_program('topologies/wordcount.py', '')\n"
        "rows = run._banner(argparse.Namespace(program='wordcount', until=None), found, Settings(), 1)\n"
        "assert 'data path' in rows[0][1]\n"
        "print(sorted({'pandas', 'pyarrow', 'numpy', 'confluent_kafka'} & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout == "[]\n"


def every_parser(parser=None, explanation=""):
    """Every parser and what is said about it; a short command may be explained in the list of its parent only."""
    parser = parser or build_parser()
    yield parser, parser.description or explanation
    for action in parser._actions:
        if isinstance(getattr(action, "choices", None), dict):
            helps = {listed.dest: listed.help for listed in action._choices_actions}
            for name, command in action.choices.items():
                yield from every_parser(command, helps[name])


def test_every_command_and_every_option_is_explained():
    for parser, explanation in every_parser():
        assert explanation, parser.prog
        unexplained = [action.dest for action in parser._actions if not action.help and action.dest != "command"]
        unexplained = [name for name in unexplained if not name.endswith("_command")]
        assert not unexplained, (parser.prog, unexplained)


def test_examples_of_the_help_are_understood():
    commands = [
        match.split("  ")[0].split(" | ")[0].split(" > ")[0].split()
        for parser, _ in every_parser()
        for match in re.findall(r"^  streamframe (.*)$", parser.epilog or "", re.MULTILINE)
    ]
    assert len(commands) > 15
    for words in commands:
        if words[0] in command_modules():
            _, unknown = build_parser().parse_known_args(words)
            assert not unknown, words


def test_without_a_command_help_is_printed(capsys):
    assert main([]) == 0
    assert "examples:" in capsys.readouterr().out


# -- misspelt words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message", "hint", "place"),
    [
        (["rnu"], "there is no command 'rnu'", "did you mean 'run'?", "streamframe"),
        (["state", "gett", "x"], "there is no command 'gett'", "did you mean 'get'?", "streamframe state"),
        (["run", "--worker", "2", "x"], "there is no option --worker", "did you mean '--workers'?", "streamframe run"),
        (["run", "x", "--boostrap=b:1"], "there is no option --boostrap", "'--bootstrap'", "streamframe run"),
        (["describe", "x", "--format", "jsn"], "argument --format: invalid choice", "'json'", "streamframe describe"),
        (["describe", "x", "y"], "one argument too many: y", "", "streamframe describe"),
        (["run"], "the following arguments are required: PROGRAM", "", "streamframe run"),
    ],
)
def test_a_misspelt_word_gives_2_and_what_was_meant(capsys, words, message, hint, place):
    with pytest.raises(SystemExit) as ended:
        main(words)
    shown = capsys.readouterr().err
    assert ended.value.code == 2
    assert shown.startswith(f"error: {message}")
    assert hint in shown
    assert shown.endswith(f"see: {place} --help\n")


# -- errors --------------------------------------------------------------------------------------------


def test_an_error_is_one_line_with_a_hint_and_its_exit_code(capsys, tmp_path):
    assert main(["config", "show", "--config", str(tmp_path / "none.toml")]) == 4
    shown = capsys.readouterr().err
    assert shown.startswith("error: a file cannot be read (")
    assert "Traceback" not in shown


def test_debug_shows_the_traceback_wherever_it_is_typed(capsys):
    for words in (["--debug", "config", "show", "-X", "x"], ["config", "show", "-X", "x", "--debug"]):
        assert main(words) == 4
        assert "Traceback" in capsys.readouterr().err


def test_a_wrong_column_names_the_line_of_the_program(capsys, program):
    program.write_text(PROGRAM + '\nclicks.query("amuont > 0").to_topic("x")\n')

    assert main(["describe", str(program)]) == 3
    shown = capsys.readouterr().err
    assert f"{program}:8" in shown
    assert "hint: did you mean 'amount'?" in shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "the program holds no app"),
        ("import nonexistent_library", "nonexistent_library"),
        ("x = (", "the program cannot be imported"),
    ],
)
@pytest.mark.parametrize("command", ["describe", "run"])
def test_a_program_that_cannot_be_loaded_is_one_error_of_its_own_code(capfd, program, text, message, command):
    program.write_text(text)

    assert main([command, str(program)]) == 4
    shown = capfd.readouterr().err
    assert shown.startswith("error: ")
    assert message in shown
    assert "hint: " in shown
    assert "Traceback" not in shown


def test_a_program_that_ends_the_process_is_an_error(capfd, program):
    program.write_text("import os; os._exit(0)")

    assert main(["run", str(program)]) == 1
    assert "importing the program ended the process" in capfd.readouterr().err


def test_a_program_that_does_not_exist_is_an_error(capfd):
    assert main(["run", "nowhere.py"]) == 4
    assert "there is no such program" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "0"], "positive whole number"),
        (["--flush"], "--flush is for bounded runs"),
        (["--commit-interval", "soon"], "a setting has a value without meaning"),
        (["--guarantee", "exactly_onec"], "did you mean 'exactly_once'?"),
    ],
)
def test_a_wrong_option_is_told_before_the_program_is_loaded(capsys, words, message):
    assert main(["run", "nowhere.py", *words]) == 4
    assert message in capsys.readouterr().err


def test_a_broker_that_cannot_be_reached_is_one_clear_error(program):
    ended = streamframe("run", str(program), "-b", "localhost:1", "-X", "kafka.request_timeout_ms=1s", "--quiet")

    assert ended.returncode == 9
    assert "error: no answer from the broker (bootstrap='localhost:1')" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_reader_that_has_seen_enough_is_no_error(program):
    pipe = subprocess.run(
        f"{sys.executable} -m streamframe config show | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert pipe.stderr == ""


# -- commands without a broker -------------------------------------------------------------------------


def test_describe_has_three_forms(capsys, program):
    assert main(["describe", str(program)]) == 0
    assert "counts-totals-changelog" in capsys.readouterr().out
    assert main(["describe", str(program), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["application"] == "counts"
    assert main(["describe", str(program), "--format", "mermaid"]) == 0
    assert "flowchart" in capsys.readouterr().out


def test_check_offline_needs_no_broker(capsys, program):
    assert main(["check", str(program), "--offline", "-b", "localhost:1"]) == 0
    assert "ok    the program is right" in capsys.readouterr().out


def test_config_show_says_where_a_value_comes_from_and_masks_secrets(capsys, program, monkeypatch):
    monkeypatch.setenv("STREAMFRAME_KAFKA_CLIENT_SASL_PASSWORD", "hunter2")
    words = ["config", "show", str(program), "--changed", "-X", "ssl.key.pem=hunter3", "-b", "b:1", "--format", "json"]
    assert main(words) == 0
    shown = capsys.readouterr().out

    assert "hunter" not in shown
    assert {row["setting"]: row["source"] for row in map(json.loads, shown.splitlines())} == {
        "kafka.bootstrap": "--bootstrap",
        "kafka.client.sasl.password": "STREAMFRAME_KAFKA_CLIENT_SASL_PASSWORD",
        "kafka.client.ssl.key.pem": "-X",
        "commit.interval": "App(...)",
    }


def test_version_is_that_of_the_package_and_verbose_names_what_matters(capsys):
    assert main(["version"]) == main(["--version"]) == 0
    assert len(set(capsys.readouterr().out.split("\n")[:2])) == 1
    assert main(["version", "--verbose"]) == 0
    assert {"python", "pandas", "librdkafka", "java", "data"} <= {
        line.split()[0] for line in capsys.readouterr().out.splitlines()
    }


# -- exit codes ----------------------------------------------------------------------------------------


def test_exit_codes_are_documented_from_the_code():
    page = (ROOT / "docs" / "errors.md").read_text()
    begin, end = "<!-- exit codes: begin -->\n", "\n<!-- exit codes: end -->"
    assert page[page.index(begin) + len(begin) : page.index(end)].strip() == markdown_table()


def test_every_type_of_error_has_a_documented_code_of_its_own():
    declared = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, StreamFrameError)
    }
    codes = [code for code, *_ in exit_codes()]
    assert declared <= set(codes)
    assert len(codes) == len(set(codes))


# -- with a broker -------------------------------------------------------------------------------------


def produce(bootstrap: str, rows: list[dict[str, object]]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for row in rows:
        producer.produce("clicks", json.dumps(row).encode())
    assert producer.flush(30) == 0


def lines_of(*words: str) -> list[str]:
    """What a command prints that succeeds."""
    done = streamframe(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def look_at_state(program: str, *connection: str) -> None:
    stores = [json.loads(line) for line in lines_of("state", "ls", program, *connection, "--format", "json")]
    assert [(store["store"], store["task"]) for store in stores] == [("totals", "1_0"), ("totals", "1_1")]
    assert sum(store.get("windows", 0) for store in stores) >= 1

    ann = lines_of("state", "get", program, "totals", "user=ann", *connection, "--format", "json")
    assert [json.loads(line)["n"] for line in ann] == [2]

    scanned = lines_of("state", "scan", program, "totals", "--limit", "1", *connection)
    assert scanned[0].split() == ["user", "window_start", "window_end", "n"]
    assert len(scanned) == 2

    nobody = streamframe("state", "get", program, "totals", "user=eve", *connection)
    assert (nobody.returncode, nobody.stderr) == (1, "no rows\n")
    unknown = streamframe("state", "scan", program, "total", *connection)
    assert unknown.returncode == 4
    assert "did you mean 'totals'?" in unknown.stderr


@pytest.mark.kafka
def test_a_program_runs_is_looked_at_and_is_reset(program, tmp_path):
    with KafkaBroker() as broker:
        connection = ("-b", broker.bootstrap)
        missing = streamframe("run", str(program), *connection, "--quiet")
        assert missing.returncode == 5
        assert "topics of the program do not exist" in missing.stderr

        broker.create_topic("clicks", partitions=2)
        broker.create_topic("counts", partitions=2)
        produce(broker.bootstrap, [{"user": user, "amount": 1.0, "ts": 1_000} for user in ("ann", "bob", "ann")])
        bounded = streamframe("run", str(program), *connection, "--workers", "2", "--until", "now")
        assert bounded.returncode == 0, bounded.stderr
        assert "finished" in bounded.stderr
        look_at_state(str(program), *connection)
        flushed = streamframe("run", str(program), *connection, "--until", "now", "--flush")
        assert "out=2 " in flushed.stderr

        checked = streamframe("check", str(program), *connection)
        assert checked.returncode == 0, checked.stdout

        shown = streamframe("reset", str(program), *connection)
        assert "topic counts-totals-changelog" in shown.stdout
        assert "dry run" in shown.stderr
        assert streamframe("reset", str(program), *connection, "--yes").returncode == 0
        assert "nothing to delete" in streamframe("reset", str(program), *connection).stderr


@pytest.mark.kafka
def test_a_running_program_survives_the_kill_of_a_worker_and_stops_on_sigterm(program):
    with KafkaBroker() as broker:
        broker.create_topic("clicks", partitions=2)
        broker.create_topic("counts", partitions=2)
        running = subprocess.Popen(
            [*STREAMFRAME, "run", str(program), "-b", broker.bootstrap, "--log-format", "json"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert running.stderr is not None
        starts = 0
        for line in running.stderr:
            event = json.loads(line)
            if event["event"] == "worker_started":
                starts += 1
                os.kill(event["pid"] if starts == 1 else running.pid, signal.SIGKILL if starts == 1 else signal.SIGTERM)
            if event["event"] == "end":
                assert event["restarts"] == 1
        running.stderr.close()
        assert running.wait(60) == 0
        assert starts == 2


@pytest.mark.parametrize("words", [("config", "show"), ("describe", "PROGRAM"), ("metrics", "list")])
def test_json_is_asked_for_by_the_same_word_everywhere(words, program, capsys):
    words = [str(program) if word == "PROGRAM" else word for word in words]
    assert main([*words, "--json"]) == 0
    short = capsys.readouterr().out
    assert main([*words, "--format", "json"]) == 0

    assert short == capsys.readouterr().out
    assert json.loads(short if words[0] == "describe" else short.splitlines()[0])
