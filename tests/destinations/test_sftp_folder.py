"""A folder on an SFTP server: whole files or none, never over somebody else's, with the right to write alone."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sftp_process import WRITE_ONLY, Server, folder_on

from ctexport_dagster.core.destination import Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.resources.sftp.folder import SftpFolder
from ctexport_dagster.resources.sftp.protocol import NO_SUCH_FILE, Refused

CONTENT = b"some bytes" * 10_000
WITHOUT_REPLACING = f"{WRITE_ONLY},posix-rename"
MORE_ANSWERS_THAN_A_PUT_HAS = 24
OUTCOMES_OF_A_BROKEN_TRY = [("transient", {}), ("transient", {"day/a": CONTENT}), (None, {"day/a": CONTENT})]
DISCARDED = ".ctexport-discarded.part"


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(exports: Path) -> Iterator[SftpFolder]:
    with folder_on(Server(), exports) as made:
        yield made


@pytest.fixture
def plain_folder(exports: Path) -> Iterator[SftpFolder]:
    """On a server that can't rename over a file."""
    with folder_on(Server(denied=WITHOUT_REPLACING), exports) as made:
        yield made


@pytest.fixture
def upload(tmp_path: Path) -> "Staging":
    return Staging(tmp_path / "staged")


class Staging:
    """Stages a file and says where it goes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(
        self,
        key: str,
        content: bytes = CONTENT,
        *,
        attempt: str = "a1",
        overwrites: bool = False,
        may_lie_there: bool = False,
    ) -> Upload:
        self.path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return Upload(self.path, key, len(content), sha256, attempt, overwrites, may_lie_there)


def files_under(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def visible_under(root: Path) -> dict[str, bytes]:
    return {name: content for name, content in files_under(root).items() if not name.endswith(".part")}


def class_of_failure(folder: SftpFolder, what: Upload) -> str | None:
    try:
        folder.put(what)
    except DeliveryError as error:
        return error.failure.whose
    return None


def refusal(folder: SftpFolder, what: Upload) -> tuple[str, str]:
    with pytest.raises(DeliveryError) as caught:
        folder.put(what)
    return caught.value.failure.whose, caught.value.failure.code


@pytest.mark.req("P1", "P2")
def test_a_file_appears_under_its_key_and_nothing_else_does(exports: Path, upload: Staging) -> None:
    with folder_on(Server(), exports, "pre/fix") as folder:
        outcome = folder.put(upload("day/a.csv.gz"))
    assert (outcome, files_under(exports)) == ("written", {"pre/fix/day/a.csv.gz": CONTENT})


@pytest.mark.parametrize("denied", ["fstat", "fsync", "fstat,fsync,stat,lstat,realpath,setstat,fsetstat,read"])
@pytest.mark.req("P2")
def test_what_a_delivery_can_do_without_may_be_forbidden(exports: Path, upload: Staging, denied: str) -> None:
    with folder_on(Server(denied=f"{WRITE_ONLY},{denied}"), exports) as folder:
        folder.put(upload("day/a"))
        folder.put(upload("day/a", b"new", overwrites=True))
    assert files_under(exports) == {"day/a": b"new"}


@pytest.mark.parametrize("size", [0, 1, 32_000, 32_001, 5_000_000])
def test_a_file_of_any_size_arrives_whole(folder: SftpFolder, exports: Path, upload: Staging, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    folder.put(upload("a", content))
    assert files_under(exports) == {"a": content}


def test_names_of_all_scripts_arrive(folder: SftpFolder, exports: Path, upload: Staging) -> None:
    folder.put(upload("día/प्रोफ़ाइल-😀.csv.gz"))
    assert files_under(exports) == {"día/प्रोफ़ाइल-😀.csv.gz": CONTENT}


def test_an_older_generations_file_is_replaced(folder: SftpFolder, exports: Path, upload: Staging) -> None:
    folder.put(upload("a", b"old"))
    assert folder.put(upload("a", b"new", overwrites=True)) == "written"
    assert files_under(exports) == {"a": b"new"}


def test_a_file_of_others_is_never_overwritten(folder: SftpFolder, exports: Path, upload: Staging) -> None:
    (exports / "a").write_bytes(b"precious")
    assert refusal(folder, upload("a")) == ("customer", "name taken")
    assert files_under(exports) == {"a": b"precious", DISCARDED: b""}


@pytest.mark.parametrize(("overwrites", "code"), [(True, "SSH_FX_FAILURE on posix-rename"), (False, "name taken")])
def test_a_folder_under_the_key_is_the_customers_to_move(
    folder: SftpFolder, exports: Path, upload: Staging, overwrites: bool, code: str
) -> None:
    (exports / "a/b").mkdir(parents=True)
    assert refusal(folder, upload("a", overwrites=overwrites)) == ("customer", code)


def test_a_file_where_a_folder_is_needed_is_the_customers_to_move(folder: SftpFolder, upload: Staging) -> None:
    folder.put(upload("a"))
    assert refusal(folder, upload("a/b/c"))[0] == "customer"


def test_a_link_that_leads_nowhere_in_a_folders_place_is_the_customers(
    folder: SftpFolder, exports: Path, upload: Staging
) -> None:
    (exports / "day").symlink_to(exports / "nowhere")
    assert refusal(folder, upload("day/b/c"))[0] == "customer"


def test_the_destinations_own_folder_is_never_made(tmp_path: Path, upload: Staging) -> None:
    with folder_on(Server(), tmp_path / "exports", "pre") as folder:
        assert refusal(folder, upload("day/a")) == ("customer", NO_SUCH_FILE)
    assert not (tmp_path / "exports").exists()


@pytest.mark.req("P37")
def test_a_right_to_write_that_is_missing_is_the_customers(exports: Path, upload: Staging) -> None:
    with folder_on(Server(denied="write"), exports) as folder:
        assert refusal(folder, upload("a")) == ("customer", "SSH_FX_PERMISSION_DENIED")
    assert set(files_under(exports)) <= {DISCARDED}


def test_a_disk_that_takes_only_a_part_of_a_file_keeps_none_of_it(exports: Path, upload: Staging) -> None:
    server = Server(largest_file_bytes=50_000)
    with folder_on(server, exports) as folder:
        assert refusal(folder, upload("a", bytes(500_000))) == ("customer", "SSH_FX_FAILURE")
        assert files_under(exports) == {DISCARDED: b""}
        folder.put(upload("b", b"small"))
    assert files_under(exports) == {DISCARDED: b"", "b": b"small"}


def test_a_refusal_does_not_cost_the_connection(exports: Path, upload: Staging) -> None:
    server = Server(largest_file_bytes=50_000)
    with folder_on(server, exports) as folder:
        refusal(folder, upload("a", bytes(500_000)))
        folder.put(upload("b", b"small"))
    assert len(server.made) == 1


def test_a_name_that_the_disk_cannot_hold_is_the_customers_to_shorten(folder: SftpFolder, upload: Staging) -> None:
    assert refusal(folder, upload("x" * 256)) == ("customer", "SSH_FX_BAD_MESSAGE")


def test_a_staged_file_that_is_not_as_planned_never_appears(folder: SftpFolder, exports: Path, upload: Staging) -> None:
    planned = upload("a")
    planned.path.write_bytes(CONTENT[:-1] + b"?")
    assert refusal(folder, planned) == ("ours", "staging")
    assert files_under(exports) == {DISCARDED: b""}


@pytest.mark.parametrize("key", ["../a", "/a", "b/../../a", "a//b", "./a", "a/", "", "a\0b"])
def test_a_key_that_leads_out_of_the_folder_is_refused(folder: SftpFolder, upload: Staging, key: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        folder.put(upload(key))


# A server that can't rename over a file


def test_a_server_that_cannot_replace_takes_new_files(plain_folder: SftpFolder, exports: Path, upload: Staging) -> None:
    assert plain_folder.put(upload("day/a", overwrites=True)) == "written"
    assert files_under(exports) == {"day/a": CONTENT}


def test_a_server_that_cannot_replace_says_so(plain_folder: SftpFolder, exports: Path, upload: Staging) -> None:
    plain_folder.put(upload("a", b"old"))
    assert refusal(plain_folder, upload("a", b"new", overwrites=True)) == ("customer", "no posix-rename")
    assert files_under(exports)["a"] == b"old"


def test_where_replacing_is_not_possible_our_own_file_is_already_there(
    plain_folder: SftpFolder, exports: Path, upload: Staging
) -> None:
    plain_folder.put(upload("a"))
    assert plain_folder.put(upload("a", may_lie_there=True)) == "already_there"
    assert files_under(exports)["a"] == CONTENT


# What dead attempts left


def test_what_a_dead_attempt_left_is_taken_away_and_nothing_else(folder: SftpFolder, exports: Path) -> None:
    (exports / "day").mkdir()
    left = {f"day/{name}": b"x" for name in (".a.csv.dead.part", ".a.csv.other.part", ".b.csv.dead.part", "a.csv")}
    for name, content in left.items():
        (exports / name).write_bytes(content)
    folder.discard_unfinished("day/a.csv", "dead")
    del left["day/.a.csv.dead.part"]
    assert files_under(exports) == {**left, f"day/{DISCARDED}": b""}


def test_any_number_of_dead_attempts_leave_one_empty_file(folder: SftpFolder, exports: Path) -> None:
    for number in range(5):
        (exports / f".a.dead{number}.part").write_bytes(b"x")
        folder.discard_unfinished("a", f"dead{number}")
    assert files_under(exports) == {DISCARDED: b""}


def test_a_server_that_cannot_replace_keeps_what_a_dead_attempt_left_but_empty(
    plain_folder: SftpFolder, exports: Path
) -> None:
    (exports / ".a.dead.part").write_bytes(b"x")
    plain_folder.discard_unfinished("a", "dead")
    assert files_under(exports) == {".a.dead.part": b""}


def test_discarding_what_is_not_there_leaves_nothing(folder: SftpFolder, exports: Path) -> None:
    folder.discard_unfinished("day/a.csv", "dead")
    assert list(exports.iterdir()) == []


def test_the_rename_of_a_dead_try_that_arrives_late_finds_nothing(
    folder: SftpFolder, exports: Path, upload: Staging
) -> None:
    dead = Server().connect()
    dead.session.close(dead.session.create(str(exports / ".a.a1.part")))
    folder.put(upload("a", may_lie_there=True))
    with pytest.raises(Refused, match=NO_SUCH_FILE):
        dead.session.replace(str(exports / ".a.a1.part"), str(exports / "a"))
    dead.close()
    assert files_under(exports)["a"] == CONTENT


def test_a_try_of_the_same_attempt_is_not_hindered_by_what_it_left(
    folder: SftpFolder, exports: Path, upload: Staging
) -> None:
    (exports / ".a.a1.part").write_bytes(CONTENT * 2)
    folder.put(upload("a"))
    assert files_under(exports) == {"a": CONTENT, DISCARDED: b""}


# Connections that break


@pytest.mark.req("B2", "A12")
@pytest.mark.parametrize("denied", [WRITE_ONLY, WITHOUT_REPLACING])
@pytest.mark.parametrize("answers", range(1, MORE_ANSWERS_THAN_A_PUT_HAS, 2))
def test_whichever_answer_is_lost_the_next_try_completes_the_file(
    exports: Path, upload: Staging, answers: int, denied: str
) -> None:
    with folder_on(Server(denied=denied, first_breaks_after=answers), exports) as folder:
        whose = class_of_failure(folder, upload("day/a"))
    assert (whose, visible_under(exports)) in OUTCOMES_OF_A_BROKEN_TRY
    with folder_on(Server(denied=denied), exports) as folder:
        folder.put(upload("day/a", may_lie_there=True))
    assert visible_under(exports) == {"day/a": CONTENT}


def test_one_connection_serves_one_file_after_the_other(exports: Path, upload: Staging) -> None:
    server = Server()
    with folder_on(server, exports) as folder:
        for number in range(3):
            folder.put(upload(f"a{number}"))
    assert len(server.made) == 1


def test_a_connection_that_died_while_idle_is_made_anew(exports: Path, upload: Staging) -> None:
    server = Server()
    with folder_on(server, exports) as folder:
        folder.put(upload("a"))
        server.made[0].close()
        folder.put(upload("b"))
    assert len(server.made) == 2


def test_connections_end_with_their_destination(exports: Path, upload: Staging) -> None:
    server = Server()
    with folder_on(server, exports) as folder:
        folder.put(upload("a"))
    assert [process.is_alive for process in server.made] == [False]


# Reading, checking


@pytest.mark.req("B3")
def test_a_file_is_read_back_in_blocks(folder: SftpFolder, upload: Staging) -> None:
    content = bytes(range(256)) * 5_000
    folder.put(upload("a", content))
    assert b"".join(folder.read("a")) == content


def test_reading_what_is_not_there_is_a_missing_file(folder: SftpFolder) -> None:
    with pytest.raises(FileNotFoundError, match="sftp://me@here"):
        list(folder.read("day/a"))


def test_a_canary_leaves_one_marked_file(folder: SftpFolder, exports: Path) -> None:
    assert folder.canary() is None
    assert [name.split("/")[0] for name in files_under(exports)] == [".ctexport-canary"]


def test_a_canary_tells_which_right_is_missing(exports: Path) -> None:
    with folder_on(Server(denied="mkdir"), exports) as folder:
        failure = folder.canary()
    assert failure is not None
    assert (failure.whose, failure.code) == ("customer", "SSH_FX_PERMISSION_DENIED")
