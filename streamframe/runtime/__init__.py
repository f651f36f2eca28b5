"""The loop: the driver, the performer of commands, the clock, worker processes, signals.

Rule 1: adapters are met through the ports of `streamframe.engine` only.
Rule 2: an outcome of a command is an event of the next turn, never an exception in the engine.
"""
