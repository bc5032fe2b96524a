"""Servers that the tests of sources share, started when the first of them needs one."""

from collections.abc import Iterator

import pytest
from postgres import open_folder, postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An empty database."""
    with open_folder() as folder, postgres(folder) as url:
        yield url
