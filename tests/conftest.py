"""Settings of the whole test run."""

from hypothesis import settings

# Two cores shared with a broker: how long one example takes says nothing. The examples come from the source of
# the test, so that a green run stays green; `pytest --hypothesis-profile=explore` looks further.
settings.register_profile("streamframe", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("streamframe")
