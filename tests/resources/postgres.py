"""A PostgreSQL server of our own on a free port of the loopback; for root, the user postgres runs it."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "Wombat-4711"


def programs() -> Path | None:
    """The folder of Debian's newest PostgreSQL; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A server with an empty database; gives its URL. `folder` must be one that any user may enter."""
    bin_ = programs()
    if bin_ is None:
        raise RuntimeError("postgresql isn't installed; run tools/test_servers.sh")
    user = "postgres" if os.geteuid() == 0 else None
    data, password = folder / "data", folder / "password"
    password.write_text(PASSWORD)
    if user:
        for path in (folder, password):
            shutil.chown(path, user)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(bin_ / program), *arguments], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120
        )

    run("initdb", "-D", str(data), "-U", "reader", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "-N")
    settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", settings, "start")
    try:
        yield f"postgresql+psycopg://reader:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", str(data), "-w", "-m", "fast", "stop")


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that another user can reach: pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="ctexport-pg-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
