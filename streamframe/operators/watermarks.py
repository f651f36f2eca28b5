"""Stream time of the input partitions of a task, and the watermarks that follow from it.

Stream time is the running maximum of the event times of a partition. It is saved with the committed offset of
the partition, as text in the offset's metadata, so that both count together. Format: ``1:<microseconds>``.

An idle partition (silent for its topic's ``idle_timeout``) has its stream time raised when the task seals: to the
minimum over the inputs that are not idle, or, when all are silent, by the time that has passed on the clock. From
then on its rows are judged by the raised time, so a window that was closed without it stays closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from streamframe.core.errors import StoreIncompatible
from streamframe.core.ids import TopicPartition
from streamframe.core.time import MICROS_PER_MS, MIN_TIME

Int64Array = npt.NDArray[np.int64]

_VERSION: Final = "1"


class Watermark(NamedTuple):
    """How far an input is.

    Attributes:
        time: No row earlier than this is to come that would not be late.
        flushed: There is nothing more to come at all: everything closes.
    """

    time: int
    flushed: bool = False

    def behind(self, grace: int) -> Watermark:
        """Return the watermark of the results of windows: the last instant of the last window that has closed."""
        if self.time == MIN_TIME:
            return self
        return Watermark(self.time - grace - MICROS_PER_MS, self.flushed)


NOTHING_YET: Final = Watermark(MIN_TIME)


def slowest(watermarks: Iterable[Watermark]) -> Watermark:
    """Return the watermark of inputs read together."""
    all_of_them = list(watermarks)
    if not all_of_them:
        return NOTHING_YET
    return Watermark(min(each.time for each in all_of_them), all(each.flushed for each in all_of_them))


def encode_stream_time(time: int) -> str:
    """Return the metadata text to commit with an input offset.

    Example:
        >>> decode_stream_time(encode_stream_time(1_500_000))
        1500000
    """
    return "" if time == MIN_TIME else f"{_VERSION}:{time}"


def decode_stream_time(text: str) -> int:
    """Return the stream time in the metadata text of a committed offset; empty: no row was ever read.

    Raises:
        StoreIncompatible: The text is of another version, or not ours.
    """
    if not text:
        return MIN_TIME
    version, _, time = text.partition(":")
    try:
        if version == _VERSION:
            return int(time)
    except ValueError:
        pass
    raise StoreIncompatible(
        "the metadata of a committed offset is not of this version",
        hint="another program commits with this group, or a newer version did; reset the application",
        metadata=text[:80],
    )


class StreamClock:
    """Stream times of the input partitions of one task.

    Args:
        idle_timeouts: Every external input partition, and how long it may be silent, or ``None``.
        metadata: Text committed with the input offsets.
    """

    def __init__(
        self, idle_timeouts: Mapping[TopicPartition, int | None], metadata: Mapping[TopicPartition, str]
    ) -> None:
        self.times = {source: decode_stream_time(metadata.get(source, "")) for source in idle_timeouts}
        self._timeouts = {source: timeout for source, timeout in idle_timeouts.items() if timeout is not None}
        self._active: dict[TopicPartition, int] = {}
        self._raised_from: dict[TopicPartition, tuple[int, int]] = {}

    def observe(self, source: TopicPartition, times: Int64Array, now: int) -> Int64Array:
        """Advance a partition by the event times of its next rows; return the stream time at each of them."""
        self._active[source] = now
        self._raised_from.pop(source, None)
        if not len(times):
            return times
        observed = np.maximum.accumulate(times)
        before = self.times[source]
        if before > int(observed[0]):
            observed = np.maximum(observed, before)
        self.times[source] = int(observed[-1])
        return observed

    def raise_idle(self, now: int, other_inputs: Iterable[int] = ()) -> bool:
        """Raise the stream time of idle partitions.

        Args:
            now: Wall clock, microseconds.
            other_inputs: Watermarks of inputs that are no external topics.

        Returns:
            Whether one was raised.
        """
        raised = self._idle_times(now, list(other_inputs))
        self.times.update(raised)
        return bool(raised)

    def would_raise(self, now: int, other_inputs: Iterable[int] = ()) -> bool:
        """Whether idle partitions have fallen behind by their timeout, so that sealing is worth it."""
        raised = self._idle_times(now, list(other_inputs))
        return any(time - self.times[source] >= self._timeouts[source] for source, time in raised.items())

    def _idle_times(self, now: int, others: list[int]) -> dict[TopicPartition, int]:
        if not self._timeouts:
            return {}
        idle = [
            source
            for source, timeout in self._timeouts.items()
            if now - self._active.setdefault(source, now) >= timeout
        ]
        awake = [time for source, time in self.times.items() if source not in idle] + others
        if not idle:
            return {}
        if awake:
            target = min(awake)
        else:
            # Time passes as on the clock since each partition was last heard of.
            known = [self._clocked(source, now) for source in idle if self.times[source] > MIN_TIME]
            # Without any row the clock is all there is; it holds nobody back who has rows.
            target = max(known) if known else min(now - self._timeouts[source] for source in idle)
            # In steps of the timeout: what is sent at each step wakes its readers, and if their commit made the
            # next, smaller step, a program without any input would commit for ever.
            if all(target - self.times[source] < self._timeouts[source] for source in idle):
                return {}
        return {source: target for source in idle if target > self.times[source]}

    def _clocked(self, source: TopicPartition, now: int) -> int:
        time, since = self._raised_from.setdefault(source, (self.times[source], self._active[source]))
        return time + now - since
