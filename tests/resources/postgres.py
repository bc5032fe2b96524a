"""A PostgreSQL server of our own on a free port of the loopback; for root, the user postgres runs it."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from left_out import leave_out
from waiting import comes_true

PASSWORD = "Wombat-4711"
START_SECONDS, STOP_SECONDS = 120, 60
UNTIL_OUR_END = '"$@" </dev/null & server=$!; read -r _; kill -INT $server; wait $server'
"""Its end is the end of the pipe to it, which comes even when we are killed."""


def programs() -> Path | None:
    """The folder of Debian's newest PostgreSQL; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A server with an empty database; gives its URL. `folder` must be one that any user may enter."""
    bin_ = programs()
    if bin_ is None:
        leave_out("postgresql", "run tools/test_servers.sh as root, or: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else None
    data, password = folder / "data", folder / "password"
    password.write_text(PASSWORD)
    if user:
        for path in (folder, password):
            shutil.chown(path, user)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    create = ["-D", data, "-U", "reader", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "-N"]
    subprocess.run([bin_ / "initdb", *create], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    settings = ["-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    server = subprocess.Popen(
        ["sh", "-c", UNTIL_OUR_END, "sh", bin_ / "postgres", "-D", data, *settings],
        user=user,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        accepts = [bin_ / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        assert comes_true(lambda: subprocess.run(accepts, check=False).returncode == 0, START_SECONDS)
        yield f"postgresql+psycopg://reader:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        server.communicate(timeout=STOP_SECONDS)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that another user can reach: pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="ctexport-pg-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
