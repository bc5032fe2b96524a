"""Uploads overlap, and memory stays flat: whole chunks never stand in memory."""

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from cases import KINDS
from memory_child import Task
from session_cases import Cases

from ctexport_dagster.core.delivery.request import StagedFile

CHUNK_BYTES = 50_000_000
CHUNKS = 4
MOST_BYTES = 64 << 20
HERE = Path(__file__).parent


@pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for kind, name in KINDS.items()])
def test_four_large_chunks_at_once_add_less_than_64_mib(
    cases: Cases, kind: str, tmp_path: Path, prefix: str, child_environment: Mapping[str, str]
) -> None:
    case, path = cases.of(kind), tmp_path / "chunk"
    path.write_bytes(os.urandom(CHUNK_BYTES))
    staged = StagedFile(path, "", 1, CHUNK_BYTES, hashlib.sha256(path.read_bytes()).hexdigest())
    task = Task(tmp_path / "state", case.declaration(prefix=prefix), case.surroundings, staged, CHUNKS)
    paths = [HERE, HERE.parent, HERE.parent / "core", HERE.parents[1]]
    done = subprocess.run(
        [sys.executable, "memory_child.py"],
        input=pickle.dumps(task),
        cwd=HERE,
        env={**child_environment, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout.split()[-1]) < MOST_BYTES
