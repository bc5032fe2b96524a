"""Where a source or destination is opened: the home that relative paths belong to, and the environment of secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Surroundings:
    """A home's folder, and the environment variables that declared secrets name; its repr shows none of them."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
