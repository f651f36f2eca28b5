"""What the program means: frozen nodes, validation with hints, rewriting, sub-topologies, names.

Rule 1: no batch is looked at here, only schemas.
Rule 2: names of stores and internal topics are derived from step names, never from a counter.
"""
