"""What happens next: events in, commands out.

Rule 1: no I/O, clock, chance or thread; if one is needed, an event or a command is missing.
Rule 2: an answer to a stale question is ignored.
"""
