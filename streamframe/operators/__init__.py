"""How a batch is transformed: event time, lateness, keys, windows, joins.

Rule 1: the batch is invisible; time is decided row by row, so cutting the input elsewhere changes nothing.
Rule 2: no Python loop over rows.
"""
