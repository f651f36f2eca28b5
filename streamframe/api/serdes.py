"""How the values of a topic are read and written, as users name it: ``value=sf.json(iso=True)``."""

from streamframe.serde.registry import json_serde as json
from streamframe.serde.registry import raw_serde as raw
from streamframe.serde.registry import string_serde as string

__all__ = ["json", "raw", "string"]
