"""What a waiting person sees."""

import io

from streamframe.broker.progress import ConsoleProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_file_gets_one_line_when_a_step_begins_and_one_when_it_ends():
    stream = io.StringIO()
    progress = ConsoleProgress(stream)
    progress.begin("fetching Kafka 4.1.2", 2_000_000, "bytes")
    for _ in range(20):
        progress.advance(100_000)
    progress.end()
    first, last = stream.getvalue().splitlines()
    assert first == "fetching Kafka 4.1.2 ..."
    assert last.startswith("fetching Kafka 4.1.2: done (2.0 MB, ")


def test_a_terminal_gets_a_bar_that_is_overwritten():
    stream = Terminal()
    progress = ConsoleProgress(stream)
    progress.begin("preparing", 2, "steps")
    progress.advance(1)
    progress.end()
    written = stream.getvalue()
    assert "preparing [                        ] 0 of 2" in written
    assert "############            ] 1 of 2" in written
    assert written.count("\n") == 1


def test_a_note_does_not_run_into_the_bar():
    stream = Terminal()
    progress = ConsoleProgress(stream)
    progress.begin("preparing", 2, "steps")
    progress.note("waiting")
    assert stream.getvalue().endswith("\r\x1b[Kwaiting\n")
