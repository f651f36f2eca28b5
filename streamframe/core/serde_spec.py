"""A serde as a value: its name and its options.

Frames and topics carry a ``SerdeSpec``; the package ``serde`` turns one into a decoder or an encoder.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SerdeSpec:
    """How the bytes of a topic are read and written.

    Attributes:
        name: The serde: ``"json"``, ``"raw"`` or ``"string"``.
        options: Its options as sorted pairs of name and value, so that equal specs compare equal.

    Example:
        >>> str(SerdeSpec("json", (("iso", True),)))
        'json(iso=True)'
    """

    name: str
    options: tuple[tuple[str, object], ...] = ()

    def option(self, name: str, default: object = None) -> object:
        """Return the value of an option, or ``default`` when it was not given."""
        return next((value for key, value in self.options if key == name), default)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.options)})"
