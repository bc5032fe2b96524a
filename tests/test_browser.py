"""Dagit as people see it: a browser on a real `ctexport dev`, from the lineage by a click to a delivered partition.

With CTEXPORT_SCREENSHOTS=1 the export has ten days behind it, and what is seen goes to docs/images.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dev_child import DevServer, dev_server
from left_out import leave_out

from ctexport_dagster import reader
from ctexport_dagster.instance import open_instance
from ctexport_dagster.running.switch import is_on

playwright = pytest.importorskip("playwright.sync_api", reason="*** LEFT OUT: playwright isn't installed ***")

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

CHECKOUT = Path(__file__).parents[1]
IMAGES = CHECKOUT / "docs/images"
SHOOTS = os.environ.get("CTEXPORT_SCREENSHOTS") == "1"
MOST_IMAGE_BYTES = 200_000
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 120_000
"""A machine that runs other tests beside this one is slow; nothing is waited for longer than it takes."""
IDENTITY = "daily_profiles/identity_resolved_profiles"
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w+")


def chromium() -> str:
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    return found or leave_out("chromium", "run tools/test_servers.sh as root, or install it")


@dataclass(frozen=True)
class Opened:
    """A page on a running Dagit, the home that it shows, and every host that the browser wanted to reach."""

    page: "playwright.Page"
    server: DevServer
    home: Path
    hosts: set[str]

    def go(self, path: str) -> None:
        self.page.goto(f"{self.server.url}{path}")

    def sees(self, text: str | re.Pattern[str]) -> None:
        playwright.expect(self.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)

    def shoot(self, name: str) -> None:
        """A screenshot for the documentation, once nothing moves any more."""
        if SHOOTS:
            playwright.expect(self.page.get_by_text("Loading…")).to_have_count(0, timeout=PATIENCE_MS)
            self.page.wait_for_timeout(2000)
            self.page.screenshot(path=IMAGES / f"{name}.png")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, child_environment: Mapping[str, str]) -> Path:
    """A home with the demo's daily export, delivered up to the day before yesterday, and stopped from then on."""
    home = tmp_path_factory.mktemp("browser") / "home"
    (home / "assets").mkdir(parents=True)
    today = datetime.now(UTC).date()
    first = f"start: {today - timedelta(days=11 if SHOOTS else 3)}"
    shutil.copytree(CHECKOUT / "resources", home / "resources", ignore=shutil.ignore_patterns("examples"))
    source = re.sub(r"profiles: \d+", "profiles: 3000", (home / "resources/demo.yaml").read_text())
    (home / "resources/demo.yaml").write_text(re.sub(r"start: \S+", first, source))
    export = (CHECKOUT / "assets/daily_profiles.yaml").read_text()
    (home / "assets/daily_profiles.yaml").write_text(re.sub(r"start: \S+", first, export))
    last = today - timedelta(days=2)
    day = first.removeprefix("start: ")
    for arguments in (["run", "daily_profiles", "--from", day, "--to", str(last)], ["stop", "daily_profiles"]):
        subprocess.run(
            [str(Path(sys.executable).with_name("ctexport")), *arguments],
            cwd=home,
            env={**child_environment, "CTEXPORT_HOME": str(home)},
            check=True,
            capture_output=True,
        )
    return home


@pytest.fixture(scope="module")
def dagit(home: Path, child_environment: Mapping[str, str]) -> Iterator[Opened]:
    browser_path = chromium()
    with (
        dev_server(home, child_environment, home.parent / "dev.log") as server,
        playwright.sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="UTC", locale="en-US")
        hosts: set[str] = set()

        def only_here(route: "playwright.Route") -> None:
            host = urlsplit(route.request.url).hostname or ""
            hosts.add(host)
            if host == "127.0.0.1":
                route.continue_()
            else:
                route.abort()

        context.route("**/*", only_here)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).hostname or ""))
        yield Opened(page, server, home, hosts)
        browser.close()


def test_a_partition_is_delivered_by_clicking_and_tells_everything_of_itself(dagit: Opened) -> None:
    """One journey, for the server takes longer to start than all of it to be seen."""
    assert {"demo/profiles", IDENTITY, "daily_profiles/delivery"} <= dagit.server.asset_keys()
    key = launch_from_the_lineage(dagit)
    wait_for_success(dagit)
    rows = delivered_rows(dagit.home, key)
    see_the_lineage_of_the_delivery(dagit)
    dagit.shoot("lineage")
    see_the_schema(dagit)
    see_rows_and_plot(dagit, key, rows)
    see_the_masked_preview(dagit)
    see_the_column_lineage(dagit)
    see_the_checks(dagit)
    see_the_delivered_files(dagit, key)
    turn_on_what_the_terminal_turned_off(dagit)
    assert dagit.hosts == {"127.0.0.1"}


def launch_from_the_lineage(dagit: Opened) -> str:
    """Materializes the latest partition of the delivery and of all that it stands on; gives its key."""
    dagit.go("/")
    dagit.page.get_by_role("link", name="Lineage").click()
    for group in ("demo", "daily_profiles"):
        dagit.sees(group)
    see_the_lineage_of_the_delivery(dagit)
    dagit.page.get_by_role("button", name=re.compile("Materialize all")).click()
    dagit.sees("Launch runs to materialize 4 assets")
    dagit.page.get_by_role("button", name="Latest").click()
    fields = dagit.page.locator("input").locator("visible=true").all()
    chosen = next(value for field in fields if re.fullmatch(r"\d{4}-\d\d-\d\d", value := field.input_value()))
    dagit.page.get_by_role("button", name=re.compile("Launch")).click()
    playwright.expect(dagit.page.get_by_text("Launch runs to materialize")).to_have_count(0, timeout=PATIENCE_MS)
    return chosen


def wait_for_success(dagit: Opened) -> None:
    dagit.page.get_by_role("link", name="Runs").click()
    dagit.page.locator("a[href^='/runs/']").filter(has_text=re.compile(r"^[0-9a-f]{8}$")).first.click()
    ended = dagit.page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    playwright.expect(ended).to_be_visible(timeout=PATIENCE_MS)
    assert ended.inner_text() == "Success"


def delivered_rows(home: Path, key: str) -> int:
    """What the delivery's own manifest says."""
    return reader.open_delivery(home / "exports").partition(key).manifest.rows.exported


def see_the_lineage_of_the_delivery(dagit: Opened) -> None:
    dagit.go("/assets/daily_profiles/delivery?view=lineage&lineageScope=upstream&lineageDepth=3")
    for asset in ("profiles", "identity_resolved_profiles", "formatted_chunks"):
        dagit.sees(re.compile(f"^{asset}$"))


def see_the_schema(dagit: Opened) -> None:
    dagit.go(f"/assets/{IDENTITY}")
    dagit.sees("The first of Identity, Email, Phone, crm_id that a profile has")
    dagit.sees("System property, Phone renamed")
    dagit.sees("growth@example.com")
    dagit.shoot("asset")


def see_rows_and_plot(dagit: Opened, key: str, rows: int) -> None:
    dagit.go(f"/assets/{IDENTITY}?view=events")
    dagit.sees(f"Partition {key}")
    told = dagit.page.locator("tr", has_text="dagster/partition_row_count").first
    playwright.expect(told).to_contain_text(str(rows), timeout=PATIENCE_MS)
    plot = dagit.page.get_by_role("img", name="Rows that the export sends")
    playwright.expect(plot).to_be_visible(timeout=PATIENCE_MS)
    assert plot.evaluate("image => image.naturalWidth") > 0
    dagit.shoot("materialization")


def see_the_masked_preview(dagit: Opened) -> None:
    dialog = opened_from(dagit, "preview (masked)")
    shown = dialog.inner_text()
    assert "all_identities" in shown
    assert "u***@e***." in shown
    assert EMAIL.findall(shown) == []
    dagit.shoot("preview")
    close(dagit, dialog)


def see_the_column_lineage(dagit: Opened) -> None:
    dialog = opened_from(dagit, "column lineage")
    drawing = dialog.get_by_role("img", name="Column lineage")
    assert drawing.evaluate("image => image.naturalWidth") > 0
    assert "the first that there is, in this order" in dialog.inner_text()
    drawing.scroll_into_view_if_needed()
    dagit.shoot("column_lineage")
    close(dagit, dialog)


def opened_from(dagit: Opened, name: str) -> "playwright.Locator":
    """The dialog behind one entry of the metadata."""
    row = dagit.page.locator("tr", has_text=name).first
    row.get_by_text("[Show Markdown]").click()
    dialog = dagit.page.get_by_role("dialog")
    playwright.expect(dialog).to_be_visible(timeout=PATIENCE_MS)
    return dialog


def close(dagit: Opened, dialog: "playwright.Locator") -> None:
    """Closed, and gone: it fades for a while, in which there would be two."""
    dagit.page.keyboard.press("Escape")
    playwright.expect(dialog).to_have_count(0, timeout=PATIENCE_MS)


def see_the_checks(dagit: Opened) -> None:
    dagit.go(f"/assets/{IDENTITY}?view=checks")
    dagit.sees("Checks (5)")
    for check in ("ids_are_unique", "phones_are_e164", "columns_are_as_before", "blanks_are_usual", "volume_is_usual"):
        dagit.sees(check)
    playwright.expect(dagit.page.get_by_text("Succeeded", exact=True)).to_have_count(5, timeout=PATIENCE_MS)
    dagit.page.get_by_text("volume_is_usual").first.click()
    dagit.sees("This is a non-blocking asset check")
    dagit.shoot("checks")


def see_the_delivered_files(dagit: Opened, key: str) -> None:
    dagit.go("/assets/daily_profiles/delivery?view=events")
    dagit.sees(f"Partition {key}")
    dagit.sees(re.compile(rf"{re.escape(str(dagit.home))}/exports/.*\.csv\.gz"))
    dagit.sees(re.compile(rf"{re.escape(str(dagit.home))}/exports/.*daily_profiles-{key}-g1\.manifest\.json"))


def turn_on_what_the_terminal_turned_off(dagit: Opened) -> None:
    """An export's schedule is its switch: off in Dagit since `ctexport stop`, on for the terminal after a click."""
    dagit.go("/locations/ctexport_dagster/schedules/daily_profiles")
    toggle = dagit.page.locator("label", has=dagit.page.get_by_role("checkbox")).first
    playwright.expect(toggle.get_by_role("checkbox")).not_to_be_checked(timeout=PATIENCE_MS)
    toggle.click()
    playwright.expect(toggle.get_by_role("checkbox")).to_be_checked(timeout=PATIENCE_MS)
    with open_instance(dagit.home / ".ctexport/dagster", {}) as instance:
        assert is_on(instance, "daily_profiles")
    dagit.go("/automation")
    for name in ("catch_up", "daily_profiles", "punctuality"):
        dagit.sees(name)
    dagit.shoot("automation")


def test_images_of_the_documentation_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in sorted(IMAGES.glob("*.png"))}
    assert sizes
    assert {name: size for name, size in sizes.items() if size >= MOST_IMAGE_BYTES} == {}
