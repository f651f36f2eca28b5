"""Aggregate functions over state tables.

``values`` turns Arrow columns into numpy arrays and a mask of what counts; the accumulators of the other
modules keep what must be remembered; ``fold`` puts those together that an aggregate needs, shares what
several functions need, and computes the results.
"""
