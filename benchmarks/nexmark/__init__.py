"""Nexmark: an auction house as a stream, and queries over it (https://github.com/nexmark/nexmark).

``generator`` makes the events, ``queries`` are the programs as a user would write them, ``oracles`` say in plain
pandas what must come out, ``cases`` puts them together for the harness.
"""
