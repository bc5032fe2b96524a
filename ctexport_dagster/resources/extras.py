"""The optional extras of the package: a destination whose SDK isn't installed says how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager

from ctexport_dagster.core.errors import ConfigurationError, Mistake


@contextmanager
def extra(extra_name: str, name: str) -> Iterator[None]:
    """Around the imports that an extra brings; `name` is the destination's.

    Raises:
        ConfigurationError: the extra isn't installed; the message has the command that installs it.
    """
    try:
        yield
    except ImportError:
        message = f'needs what isn\'t installed: run pip install "ctexport-dagster[{extra_name}]"'
        raise ConfigurationError([Mistake(f"resources/{name}.yaml", 0, "type", message)]) from None
