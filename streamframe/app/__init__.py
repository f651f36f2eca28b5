"""The composition root: the only place where the parts meet.

``application`` is what users hold; ``wiring`` builds the adapters and a worker; ``running`` starts
workers, in this process or under a supervisor; ``preparing`` looks at the broker and makes internal
topics; ``checking``, ``resetting`` and ``state_reading`` serve the command line.
"""
