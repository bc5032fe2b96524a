"""The local disk: whole files or none, never outside the folder, never over somebody else's file."""

import errno
import hashlib
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from disk_calls import DiskCalls, is_folder
from pydantic import ValidationError

from ctexport_dagster.core.destination import Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.local import LocalDestination, LocalDisk

CONTENT = b"some bytes" * 100


def upload(
    tmp_path: Path, key: str, content: bytes = CONTENT, *, overwrites: bool = False, attempt: str = "a1"
) -> Upload:
    staged = tmp_path / "staged"
    staged.write_bytes(content)
    return Upload(staged, key, len(content), hashlib.sha256(content).hexdigest(), attempt, overwrites)


def disk(tmp_path: Path, prefix: str = "") -> LocalDisk:
    return LocalDisk(tmp_path / "exports", prefix)


def files_under(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def refusal(put_on: LocalDisk, what: Upload) -> tuple[str, str]:
    with pytest.raises(DeliveryError) as caught:
        put_on.put(what)
    return caught.value.failure.whose, caught.value.failure.code


@contextmanager
def unprivileged() -> Iterator[None]:
    """Rights count for nothing to root: the test drops them for a while."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that an unprivileged user can reach, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.req("P1")
def test_a_file_appears_under_its_key_and_nothing_else_does(tmp_path: Path) -> None:
    outcome = disk(tmp_path, "pre/fix").put(upload(tmp_path, "day/a.csv.gz"))
    assert (outcome, files_under(tmp_path / "exports")) == ("written", ["pre/fix/day/a.csv.gz"])
    assert (tmp_path / "exports/pre/fix/day/a.csv.gz").read_bytes() == CONTENT


def test_the_address_is_the_files_path(tmp_path: Path) -> None:
    assert disk(tmp_path, "p").address("day/a.csv") == f"{tmp_path}/exports/p/day/a.csv"


def test_an_older_generations_file_is_replaced(tmp_path: Path) -> None:
    disk(tmp_path).put(upload(tmp_path, "a", b"old"))
    assert disk(tmp_path).put(upload(tmp_path, "a", b"new", overwrites=True)) == "written"
    assert (tmp_path / "exports/a").read_bytes() == b"new"


def test_the_same_bytes_are_already_there(tmp_path: Path) -> None:
    disk(tmp_path).put(upload(tmp_path, "a"))
    assert disk(tmp_path).put(upload(tmp_path, "a")) == "already_there"


def test_a_file_of_others_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports/a").write_bytes(b"precious")
    assert refusal(disk(tmp_path), upload(tmp_path, "a")) == ("customer", "EEXIST")
    assert (tmp_path / "exports/a").read_bytes() == b"precious"


@pytest.mark.parametrize("overwrites", [True, False])
def test_a_folder_under_the_key_is_the_customers_to_move(tmp_path: Path, overwrites: bool) -> None:
    (tmp_path / "exports/a/b").mkdir(parents=True)
    assert refusal(disk(tmp_path), upload(tmp_path, "a", overwrites=overwrites)) == ("customer", "EISDIR")
    assert files_under(tmp_path / "exports") == []


def test_a_file_where_a_folder_is_needed_is_the_customers_to_move(tmp_path: Path) -> None:
    disk(tmp_path).put(upload(tmp_path, "a"))
    assert refusal(disk(tmp_path), upload(tmp_path, "a/b")) == ("customer", "ENOTDIR")


def test_a_staged_file_that_is_not_as_planned_never_appears(tmp_path: Path) -> None:
    planned = upload(tmp_path, "a")
    planned.path.write_bytes(CONTENT[:-1] + b"?")
    assert refusal(disk(tmp_path), planned) == ("ours", "staging")
    assert files_under(tmp_path / "exports") == []


@dataclass
class ForgetfulDisk(DiskCalls):
    """A disk whose first sync of a folder fails: the file has its name, but not for certain."""

    synced: list[str] = field(default_factory=list)

    def fsync(self, fd: int) -> None:
        self.synced.append("folder" if is_folder(fd) else "file")
        if self.synced.count("folder") == 1 and is_folder(fd):
            raise OSError(errno.EIO, "")


@pytest.mark.req("B2")
def test_a_name_that_was_not_made_durable_is_so_by_the_next_try(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    forgetful = ForgetfulDisk()
    put_on = replace(disk(tmp_path), calls=forgetful)
    assert refusal(put_on, upload(tmp_path, "a")) == ("transient", "EIO")
    assert put_on.put(replace(upload(tmp_path, "a"), may_lie_there=True)) == "already_there"
    assert forgetful.synced == ["file", "folder", "folder"]


def test_a_canary_leaves_one_marked_file(tmp_path: Path) -> None:
    assert disk(tmp_path).canary() is None
    assert [name.split("/")[0] for name in files_under(tmp_path / "exports")] == [".ctexport-canary"]


@pytest.mark.req("B3")
def test_reading_without_the_right_says_so(open_folder: Path) -> None:
    disk(open_folder).put(upload(open_folder, "a"))
    (open_folder / "exports/a").chmod(0o200)
    with unprivileged(), pytest.raises(DeliveryError, match="reading is not allowed there"):
        list(disk(open_folder).read("a"))


# Never outside the folder


@pytest.mark.parametrize("key", ["../a", "/a", "b/../../a", "a//b", "./a", "a/", "", "a\0b"])
def test_a_key_that_leads_out_of_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        disk(tmp_path).put(upload(tmp_path, key))


def test_a_link_to_a_folder_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports/day").symlink_to(tmp_path / "elsewhere")
    assert refusal(disk(tmp_path), upload(tmp_path, "day/a")) == ("customer", "ENOTDIR")
    assert files_under(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("overwrites", [True, False])
def test_a_link_under_the_key_never_changes_what_it_points_to(tmp_path: Path, overwrites: bool) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "exports/a").symlink_to(tmp_path / "victim")
    if overwrites:
        disk(tmp_path).put(upload(tmp_path, "a", overwrites=True))
    else:
        assert refusal(disk(tmp_path), upload(tmp_path, "a")) == ("customer", "EEXIST")
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "exports/.a.a1.part").symlink_to(tmp_path / "victim")
    assert refusal(disk(tmp_path), upload(tmp_path, "a")) == ("customer", "ELOOP")
    assert (tmp_path / "victim").read_bytes() == b"precious"


# What dead attempts left


def test_what_a_dead_attempt_left_is_discarded_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "exports/day"
    folder.mkdir(parents=True)
    for name in (".a.csv.dead.part", ".a.csv.other.part", ".b.csv.dead.part", "a.csv"):
        (folder / name).write_bytes(b"")
    disk(tmp_path).discard_unfinished("day/a.csv", "dead")
    assert files_under(folder) == [".a.csv.other.part", ".b.csv.dead.part", "a.csv"]


def test_discarding_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    disk(tmp_path).discard_unfinished("day/a.csv", "dead")
    assert list(tmp_path.iterdir()) == []


def test_a_long_name_and_any_attempt_name_fit_the_disk(tmp_path: Path) -> None:
    name = "ü" * 120 + ".csv.gz"
    long_attempt = "run/ü" * 40
    disk(tmp_path).put(upload(tmp_path, name, attempt=long_attempt))
    disk(tmp_path).discard_unfinished(name, long_attempt)
    assert files_under(tmp_path / "exports") == [name]


# Real refusals of a real disk


def test_a_name_that_the_disk_cannot_hold_is_the_customers_to_shorten(tmp_path: Path) -> None:
    assert refusal(disk(tmp_path), upload(tmp_path, "x" * 256)) == ("customer", "ENAMETOOLONG")


def test_a_file_that_the_disk_takes_only_a_part_of_leaves_nothing(tmp_path: Path) -> None:
    planned = upload(tmp_path, "a", b"x" * 100_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        found = refusal(disk(tmp_path), planned)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (found, files_under(tmp_path / "exports")) == (("customer", "EFBIG"), [])


@pytest.mark.req("P37")
def test_a_folder_without_rights_is_the_customers(open_folder: Path) -> None:
    planned = upload(open_folder, "day/a")
    (open_folder / "exports").mkdir(mode=0o555)
    with unprivileged():
        assert refusal(disk(open_folder), planned) == ("customer", "EACCES")


@pytest.mark.req("P2")
def test_rights_to_write_alone_are_enough(open_folder: Path) -> None:
    planned = upload(open_folder, "day/a")
    (open_folder / "exports/day").mkdir(parents=True)
    for folder in (open_folder / "exports", open_folder / "exports/day"):
        folder.chmod(0o777)
    with unprivileged():
        disk(open_folder).put(planned)
    assert files_under(open_folder / "exports") == ["day/a"]


# The root


def test_an_absolute_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """A disk that isn't mounted must not be replaced by a folder under its mount point."""
    declared = LocalDestination(type="local", name="share", folder=str(tmp_path / "mnt/exports"))
    assert refusal(declared.open(Surroundings(tmp_path)), upload(tmp_path, "a")) == ("customer", "ENOENT")
    assert not (tmp_path / "mnt").exists()


def test_a_relative_folder_belongs_to_the_home_and_is_made_on_first_use(tmp_path: Path) -> None:
    home = tmp_path / "home"
    destination = LocalDestination(type="local", name="local_disk", folder="data/exports").open(Surroundings(home))
    assert not home.exists()
    destination.put(upload(tmp_path, "a"))
    assert files_under(home) == ["data/exports/a"]


@pytest.mark.parametrize("prefix", ["/a", "a/", "../a", "a//b", "."])
def test_a_prefix_that_leads_elsewhere_is_a_mistake(prefix: str) -> None:
    with pytest.raises(ValidationError, match="prefix is a folder"):
        LocalDestination(type="local", name="x", folder="exports", prefix=prefix)


def test_a_check_finds_nothing_wrong_with_a_folder_that_can_be_made(tmp_path: Path) -> None:
    assert (disk(tmp_path).check(), files_under(tmp_path)) == (None, [])


def test_a_check_finds_a_missing_absolute_folder(tmp_path: Path) -> None:
    failure = LocalDisk(tmp_path / "gone", creates_root=False).check()
    assert failure is not None
    assert failure.code == "ENOENT"


def test_a_check_finds_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "exports").write_bytes(b"")
    failure = disk(tmp_path).check()
    assert failure is not None
    assert failure.code == "ENOTDIR"


def test_a_check_finds_missing_rights(open_folder: Path) -> None:
    (open_folder / "exports").mkdir(mode=0o555)
    with unprivileged():
        failure = disk(open_folder).check()
    assert failure is not None
    assert failure.code == "EACCES"
