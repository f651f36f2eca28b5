"""Healthcare: the newest reading of each patient and signal, and how it went minute by minute.

    readings ──> plausible ──┬──> per patient and signal, no window ──> vitals-latest
                             └──> per patient and signal, 1 min ──────> vitals-by-minute
                                                  └── too late ──> late-readings

Monitors buffer while they are out of reach and send everything at once when they come back, so readings arrive out
of order. `last` means last by the time of the reading, not by its arrival: an old reading that comes in later does
not replace a newer one.
"""

import pandas as pd

import streamframe as sf

# Outside these limits a sensor has fallen off; the reading says nothing about the patient.
PLAUSIBLE = {"heart_rate": (20.0, 300.0), "spo2": (40.0, 100.0), "temperature": (25.0, 45.0)}


def is_plausible(readings: pd.DataFrame) -> pd.Series:
    """Tell for each reading whether a patient can have it. Signals that are not listed are kept."""
    low = readings["signal"].map({signal: low for signal, (low, _) in PLAUSIBLE.items()})
    high = readings["signal"].map({signal: high for signal, (_, high) in PLAUSIBLE.items()})
    return ~(readings["value"] < low) & ~(readings["value"] > high)


app = sf.App("vitals", dead_letters="vitals-dead-letters")

readings = app.topic(
    "readings",
    schema={"patient": "string", "signal": "string", "value": "float64", "taken_at": "timestamp[ms]"},
    event_time="taken_at",
    key="patient",
    # A ward that sleeps must not hold back the others: after a minute of silence a partition no longer keeps the
    # windows of its patients open.
    idle_timeout="1min",
)

by_signal = readings.filter(is_plausible).groupby("patient", "signal")

# A table: one row for each patient and signal, sent again whenever it has changed.
latest = by_signal.agg(value=("value", "last"), taken_at=("taken_at", "max"), readings="size", name="latest")
latest.to_topic("vitals-latest", key=["patient", "signal"])

# Windows: one row for each patient, signal and minute, sent once, when the minute is over.
by_minute = by_signal.window(sf.tumbling("1min", grace="15s")).agg(
    mean=("value", "mean"),
    low=("value", "min"),
    high=("value", "max"),
    spread=("value", "std"),
    readings="size",
    name="by-minute",
)
by_minute.to_topic("vitals-by-minute", key="patient")
by_minute.late.to_topic("late-readings", key="patient")

if __name__ == "__main__":
    app.run()
