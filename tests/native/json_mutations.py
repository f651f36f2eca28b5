"""Seeded JSON records, good, odd and broken: what the two readers of JSON are compared on.

``python -m tests.native.json_mutations 2000000`` compares them on that many records, with new seeds, half of them
mutations of the corpus. ``--keep`` adds to the corpus what was met for the first time: a verdict with a new wording, or
a good record that the native reader left to the pure one, unusual in a new way.

The corpus, ``json_corpus.txt``, has a record on each line, as a Python literal of bytes; the tests compare
all of it each time.
"""

import ast
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

CORPUS = Path(__file__).with_name("json_corpus.txt")
CORPUS_MAX = 1_000
"""Records kept; more would only cost time."""

UNUSUAL = (rb"\\u", rb"\\[^u]", rb"-0\b", rb"[0-9][eE]", rb"[0-9]{19}", rb":..Z", rb"[\x80-\xff]", rb'("\w+"):.*\1:')
"""What may make the native reader leave a good record; which of these are in it tells one kind from another."""

SCHEMA = pa.schema(
    [
        pa.field("s", pa.large_string()),
        pa.field("i", pa.int64()),
        pa.field("f", pa.float64()),
        pa.field("b", pa.bool_()),
        pa.field("t", pa.timestamp("ms")),
        pa.field("u", pa.timestamp("us")),
        pa.field("n", pa.timestamp("ns")),
        pa.field("sec", pa.timestamp("s")),
        pa.field("d", pa.duration("ms")),
        pa.field("i8", pa.int8()),
        pa.field("u16", pa.uint16()),
        pa.field("i32", pa.int32()),
        pa.field("u64", pa.uint64()),
        pa.field("f32", pa.float32()),
        pa.field("é", pa.large_string()),
        pa.field("needed", pa.int64(), nullable=False),
    ]
)

TEXTS = [
    '""', '"a"', '"user-1"', '"\\n\\t\\"\\\\\\/\\b\\f\\r"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00x"',
    '"\\ud83d\\u0041"', '"é€😀"', '"\\u0000"', '"\\x"', '"\\u12g4"', '"\x01"', '"\x7f"', '"' + "x" * 300 + '"',
]  # fmt: skip
NUMBERS = [
    "0", "-0", "1", "-1", "01", "-01", "1.", ".5", "1.5", "-1.5", "1e5", "1E5", "1e+5", "1e-5", "1e", "1e+", "-", "+1",
    "3.0", "1.0e2", "127", "128", "-128", "-129", "65535", "65536", "2147483647", "2147483648", "-2147483649",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "4611686018427387904", "4611686018427387", "4611686018427388",
    "4611686018427", "9007199254740993", "0.1", "123456789.123456789123456789", "1e308", "1e309", "-1e309", "1e400",
    "1e-400", "2.2250738585072011e-308", "4.9e-324", "3.4028235e38", "3.4028236e38", "3.5e38", "1e9999999999",
    "0.30000000000000004", "1234567890123456789012345678901234567890", "Infinity", "-Infinity", "NaN", "0x10", "1_000",
]  # fmt: skip
TIMES = [
    '"2026-01-31T12:34:56Z"', '"2026-01-31T12:34:56.7Z"', '"2026-01-31T12:34:56.789Z"', '"2026-01-31T12:34:56.789012Z"',
    '"2026-01-31T12:34:56.789012345Z"', '"2026-01-31T12:34:56+02:00"', '"2026-01-31T12:34:56"', '"2026-01-31"',
    '"2026-01-31 12:34:56Z"', '"2026-02-29T00:00:00Z"', '"2024-02-29T00:00:00Z"', '"1969-12-31T23:59:59.999999Z"',
    '"0001-01-01T00:00:00Z"', '"0000-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999999Z"', '"2026-01-31T24:00:00Z"',
    '"2026-01-31T23:59:60Z"', '"2026-01-31T12:34:56.Z"', '"2026-01-31t12:34:56z"', '"2026-1-31T12:34:56Z"',
    '"yesterday"', '"1767225600000"', '"1677-09-21T00:12:43Z"', '"2262-04-12T00:00:00Z"',
]  # fmt: skip
OTHERS = [
    "true", "false", "null", "True", "nul", "[]", "{}", '[1,[2,{"a":null}]]', '{"x":{"y":[]}}', "[1,]", "[,1]", '{"x"}',
    '{"x":1,}', "[" * 30 + "]" * 30, "[" * 300 + "]" * 300, '"\\ud800', "'a'", "", "/**/1", "[\x0c]", "[\xa0]",
]  # fmt: skip
NAMES = [*SCHEMA.names, "other", "", "S", "s ", "\\u0073", "needed", "i", "x\\ny", 'x\\"y', "\\ud800"]
BLANKS = ["", "", "", "", " ", "\n", "\t\r ", "\x0b", "\x0c", "\x00", "\xa0", "\ufeff"]


def good_value(rng: random.Random, kind: pa.DataType) -> str:
    """A value that fits a field, as text."""
    if pa.types.is_large_string(kind):
        return rng.choice([*TEXTS[:6], TEXTS[9], f'"u{rng.randrange(10_000)}"'])
    if pa.types.is_boolean(kind):
        return rng.choice(["true", "false"])
    if pa.types.is_floating(kind):
        return repr(
            rng.choice([rng.random(), rng.uniform(-1e9, 1e9), rng.lognormvariate(0, 20), float(rng.randrange(99))])
        )
    if pa.types.is_timestamp(kind) and rng.random() < 0.3:
        return rng.choice(TIMES[:4])
    return str(rng.randrange(128))


def record(rng: random.Random) -> bytes | None:
    """One record, or a null."""
    if rng.random() < 0.01:
        return None
    oddness = rng.choice([0.0, 0.0, 0.02, 0.2])
    blanks = BLANKS[:7] if rng.random() < 0.95 else BLANKS
    members = []
    fields = [field for field in SCHEMA if rng.random() < 0.8 or not field.nullable]
    if rng.random() < 0.3:
        rng.shuffle(fields)
    for field in fields:
        name = field.name if rng.random() >= oddness / 4 else rng.choice(NAMES)
        value = good_value(rng, field.type)
        if rng.random() < oddness:
            value = rng.choice(rng.choice([TEXTS, NUMBERS, TIMES, OTHERS]))
        gaps = [rng.choice(blanks) if rng.random() < 0.2 else "" for _ in range(4)]
        members.append(f'{gaps[0]}"{name}"{gaps[1]}:{gaps[2]}{value}{gaps[3]}')
        if rng.random() < 0.1:
            members.append(f'"other":{rng.choice(rng.choice([TEXTS, NUMBERS, TIMES, OTHERS]))}')
    text = "{" + ",".join(members) + "}"
    if rng.random() < 0.05:
        text = rng.choice(blanks) + text + rng.choice([*blanks, "{}", "x"])
    return mutated(rng, text.encode("utf-8", "surrogatepass"))


def mutated(rng: random.Random, content: bytes, *, always: bool = False) -> bytes:
    """The same bytes, one time in four (or always) with a few changes."""
    if not content or (not always and rng.random() < 0.75):
        return content
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(5):
            case 0:
                changed[at:at] = bytes([rng.choice(b'{}[]",:\\\x00\x1f 0123456789eE+-.tfn\x80\xc3\xe2\xf0\xff')])
            case 1:
                del changed[at : at + rng.choice([1, 1, 2, 8])]
            case 2:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 3:
                changed = changed[:at]
            case _:
                start = rng.randrange(len(changed) + 1)
                changed[at:at] = changed[start : start + rng.randrange(12)]
    return bytes(changed)


def odd_records() -> list[bytes]:
    """Every odd value at every field, one at a time, in a record that is good otherwise."""
    return [
        f'{{"needed":1,"{field.name}":{value}}}'.encode("utf-8", "surrogatepass")
        for field in SCHEMA
        if field.name != "needed"
        for value in [*TEXTS, *NUMBERS, *TIMES, *OTHERS]
    ]


def corpus() -> list[bytes]:
    """The records that were kept."""
    return [ast.literal_eval(line) for line in CORPUS.read_text("ascii").splitlines()]


def batches(seed: int, rows: int, kept: list[bytes] | None = None) -> Iterator[list[bytes | None]]:
    """Batches of records for ever; equal seeds give equal ones. Half of them are mutations of ``kept``."""
    rng = random.Random(seed)
    while True:
        yield [
            mutated(rng, rng.choice(kept), always=True) if kept and rng.random() < 0.5 else record(rng)
            for _ in range(rows)
        ]


def novelties(values: list[bytes | None], known: set[str]) -> list[bytes]:
    """Return the records whose verdict is worded in a new way, and add the wordings to ``known``."""
    from streamframe.serde.json_decode import JsonDecoder
    from streamframe.serde.json_native import NativeJsonDecoder, json_decoder

    chosen = json_decoder(SCHEMA, SCHEMA.names)
    assert isinstance(chosen, NativeJsonDecoder)
    _, unsure, _ = chosen._reader.read(values)
    verdicts = {error.row: error for error in JsonDecoder(SCHEMA, SCHEMA.names).decode(values).errors}
    found = []
    for row in unsure:
        value, error = values[row], verdicts.get(row)
        assert value is not None
        unusual = [mark for mark in UNUSUAL if re.search(mark, value)]
        wording = f"{error.kind} {error.message}" if error else f"good {unusual}"
        signature = re.sub(r"[0-9]+|'.*?'", "#", wording)[:80]
        if signature not in known and len(value) < 2_000:
            known.add(signature)
            found.append(value)
    return found


def difference(values: list[bytes | None], fields: list[str]) -> str:
    """Say where the two readers differ over a batch; nothing when they do not."""
    from streamframe.serde.json_decode import JsonDecoder
    from streamframe.serde.json_native import NativeJsonDecoder, json_decoder

    chosen = json_decoder(SCHEMA, fields)
    assert isinstance(chosen, NativeJsonDecoder)
    pure, fast = JsonDecoder(SCHEMA, fields).decode(values), chosen.decode(values)
    if pure.errors != fast.errors:
        other = next(iter(set(pure.errors) ^ set(fast.errors)))
        return f"errors: {other} of {values[other.row]!r}"
    if (pure.rows is None) != (fast.rows is None) or pure.null_rows.tolist() != fast.null_rows.tolist():
        return "rows"
    if pure.rows is not None and fast.rows is not None and pure.rows.tolist() != fast.rows.tolist():
        return "rows"
    rows = range(len(values)) if pure.rows is None else pure.rows.tolist()
    for name in fields:
        fast.columns[name].validate(full=True)
        if not _bits(pure.columns[name]).equals(_bits(fast.columns[name])):
            pairs = zip(rows, pure.columns[name].to_pylist(), fast.columns[name].to_pylist(), strict=True)
            return f"column {name}: " + next(
                (f"{one!r} or {two!r} of {values[row]!r}" for row, one, two in pairs if one != two), "representation"
            )
    return ""


def _bits(column: pa.Array) -> pa.Array:
    """Floats as integers: Arrow takes 0.0 and -0.0 for equal."""
    if pa.types.is_floating(column.type):
        return column.view(pa.int32() if column.type.bit_width == 32 else pa.int64())
    return column


def say(*words: object) -> None:
    """Write a line at once: a run takes minutes."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Compare on as many records as the command line says."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    total, seed = numbers[0], numbers[1] if len(numbers) > 1 else random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    kept = corpus() if CORPUS.exists() else []
    known: set[str] = set()
    novelties(list(kept), known)
    say("seed", seed, "corpus", len(kept))
    done = 0
    for values in batches(seed, 1_000, list(kept)):
        wanted = rng.sample(SCHEMA.names, rng.randrange(1, len(SCHEMA)))
        found = difference(values, wanted)
        if found:
            say(done, wanted, found)
        if "--keep" in sys.argv and len(kept) < CORPUS_MAX:
            kept += novelties(values, known)
        done += len(values)
        if done >= total:
            break
    if "--keep" in sys.argv:
        CORPUS.write_text("".join(f"{value!r}\n" for value in kept[:CORPUS_MAX]), "ascii")
    say("compared", done, "corpus", len(kept))


if __name__ == "__main__":
    main()
