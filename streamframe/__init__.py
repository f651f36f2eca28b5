"""StreamFrame: streaming pipelines on Kafka, written with pandas verbs.

The public names, sorted, and no other code.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
