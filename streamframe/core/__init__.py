"""The words of StreamFrame: identifiers, time, raw batches, errors, settings, metric names.

Everything else imports from here; nothing here imports another package of StreamFrame, touches the
outside world, reads a clock or draws a random number.
"""
