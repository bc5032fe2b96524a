"""The commands that only look: check, show, list and schema."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app

ROOT = Path(__file__).parents[2]
SOURCE = "type: demo\nprofiles: 10\nstart: 2026-11-18\n"
EXPORT = """\
owner: growth@example.com
source: demo
destination: disk
account_id: 100000000
format: {format}
files: {{name: 'e{number}-{{{{Export-id}}}}'}}
schedule: {{every: 24h}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve exports of two formats, one source, one destination."""
    root = tmp_path_factory.mktemp("home")
    (root / "assets").mkdir(), (root / "resources").mkdir()
    (root / "resources/demo.yaml").write_text(SOURCE)
    (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    for number in range(12):
        text = EXPORT.format(number=number, format="csv" if number % 3 else "parquet")
        (root / f"assets/e{number:02}.yaml").write_text(text)
    return root


def run(home: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"CTEXPORT_HOME": str(home), "COLUMNS": "200"})
    return result.exit_code, result.output


def document(home: Path, *arguments: str) -> dict:
    code, output = run(home, *arguments, "--json")
    assert code == 0
    return json.loads(output)


def process(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from ctexport_dagster.cli.app import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"CTEXPORT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_lists_everything_that_is_right(home: Path) -> None:
    code, output = run(home, "check")
    assert (code, output.splitlines()[-1]) == (0, f"14 declared files are right, in {home}")


def test_check_tells_of_a_file_in_a_folder_that_is_not_read(tmp_path: Path) -> None:
    for folder in ("assets/team", "resources"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "resources/demo.yaml").write_text(SOURCE)
    (tmp_path / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    for name in ("daily", "team/weekly"):
        (tmp_path / f"assets/{name}.yaml").write_text(EXPORT.format(number=0, format="csv"))
    code, output = run(tmp_path, "check")
    assert (code, "warning: assets/team/weekly.yaml isn't read: exports are declared in assets/" in output) == (0, True)
    assert document(tmp_path, "check")["unread"] == ["assets/team/weekly.yaml"]


def test_check_of_names_lists_these_alone(home: Path) -> None:
    assert [one["name"] for one in document(home, "check", "demo", "e01")["declared"]] == ["e01", "demo"]


def test_check_of_an_unknown_name_is_wrong_usage_with_a_suggestion(home: Path) -> None:
    code, output = run(home, "check", "demmo")
    assert (code, "did you mean demo?" in output) == (2, True)


def test_check_prints_mistakes_by_file_and_line_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/one.yaml").write_text("ownr: a@example.com\n")
    done = process(tmp_path, "check")
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, "assets/one.yaml:1: ownr: unknown key; did you mean owner?" in lines) == (
        2,
        "",
        True,
    )


def test_check_gives_mistakes_as_json(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/one.yaml").write_text("a: [\n")
    code, output = run(tmp_path, "check", "--json")
    found = json.loads(output)
    assert (code, found["ok"], [m["file"] for m in found["mistakes"]]) == (2, False, ["assets/one.yaml"])


def test_check_fails_where_a_source_or_destination_cannot_be_reached(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir(), (tmp_path / "resources").mkdir()
    (tmp_path / "assets/one.yaml").write_text(EXPORT.format(number=1, format="csv"))
    (tmp_path / "resources/demo.yaml").write_text("type: files\nprofiles: data/{{Partition}}.csv\nstart: 2026-11-18\n")
    (tmp_path / "resources/disk.yaml").write_text("type: local\nfolder: /nonexistent/disk\n")
    code, output = run(tmp_path, "check", "--json")
    problems = {one["name"]: len(one["problems"]) for one in json.loads(output)["declared"]}
    assert (code, problems) == (1, {"one": 0, "demo": 1, "disk": 1})


def test_check_tells_the_warnings_of_a_plan(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir(), (tmp_path / "resources").mkdir()
    text = EXPORT.format(number="{{Run-id}}", format="{type: parquet, wrap: gzip}")
    (tmp_path / "assets/one.yaml").write_text(text)
    (tmp_path / "resources/demo.yaml").write_text(SOURCE)
    (tmp_path / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    warnings = document(tmp_path, "check", "one")["declared"][0]["warnings"]
    assert [warning.split(" ")[0] for warning in warnings] == ["{{Run-id}}", "most"]


def test_show_fills_in_defaults(home: Path) -> None:
    declaration = document(home, "show", "e01")["declaration"]
    assert (declaration["identity"]["order"], declaration["files"]["chunk_size"], declaration["schedule"]["at"]) == (
        ["Identity", "Email", "Phone"],
        "100 MB",
        "00:00",
    )


@pytest.mark.req("P3")
def test_show_gives_windows_and_keys(home: Path) -> None:
    shown = document(home, "show", "e01")
    key = f"e1-{shown['export_id']}-1795046400"
    assert (shown["windows"][0], shown["keys"], shown["manifest"]) == (
        {
            "partition": "2026-11-18",
            "start": "2026-11-18T00:00Z",
            "end": "2026-11-19T00:00Z",
            "runs_at": "2026-11-19T00:00Z",
        },
        {
            "instance 0, chunk 0": f"{key}-0.csv.gz",
            "instance 0, chunk 1": f"{key}-1-0.csv.gz",
            "instance 1, chunk 0": f"{key}-1.csv.gz",
        },
        "e01-2026-11-18-g1.manifest.json",
    )


def test_show_for_people_has_the_same(home: Path) -> None:
    code, output = run(home, "show", "e01")
    shown = document(home, "show", "e01")
    wanted = [shown["content_version"], shown["keys"]["instance 0, chunk 1"], "chunk_size: 100 MB"]
    assert (code, [text in output for text in wanted]) == (0, [True, True, True])


@pytest.mark.req("S9")
@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ([], 12),
        (["--format", "parquet"], 4),
        (["--format", "json"], 0),
        (["--partner", "local"], 12),
        (["--partner", "s3"], 0),
        (["--type", "profiles"], 12),
        (["--frequency", "daily"], 12),
        (["--frequency", "6h"], 0),
    ],
)
def test_list_filters(home: Path, filters: list[str], count: int) -> None:
    assert document(home, "list", *filters)["total"] == count


@pytest.mark.req("S9")
def test_list_shows_pages(home: Path) -> None:
    pages = [document(home, "list", "--per-page", "10", "--page", page) for page in ("1", "2", "3")]
    assert [len(page["exports"]) for page in pages] == [10, 2, 0]


@pytest.mark.req("S9")
def test_list_shows_twenty_by_default_and_no_odd_sizes(home: Path) -> None:
    assert (len(document(home, "list")["exports"]), run(home, "list", "--per-page", "15")[0]) == (12, 2)


def test_list_for_people_ends_with_the_page(home: Path) -> None:
    assert run(home, "list")[1].splitlines()[-1] == "page 1 of 1, 12 exports"


@pytest.mark.parametrize("of", ["export", "resource"])
def test_schema_prints_the_schema(home: Path, of: str) -> None:
    assert run(home, "schema", of)[1] == (ROOT / f"schemas/{of}.schema.json").read_text()


def test_the_light_commands_need_no_dagster(home: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from ctexport_dagster.cli.app import app;"
        "codes = [CliRunner().invoke(app, a).exit_code for a in (['check'], ['list'], ['show', 'e01'])];"
        "print(codes, 'dagster' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"CTEXPORT_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[0, 0, 0] False\n", "")
