"""The page in a real browser, without JavaScript: clicks lead from a figure to what explains it."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.operations.browser import open_browser
from tests.operations.screenshots import take
from tests.operations.serving import serve_page
from tests.operations.story import Story

PNG = b"\x89PNG"


def test_an_error_rate_leads_to_the_trace_that_explains_it(tab: Page, url: str, story: Story) -> None:
    tab.goto(url)
    line = tab.get_by_role("row", name="team3_credit_scoring challenger")
    line.get_by_role("link", name="%").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Traces")
    expect(tab.get_by_role("row").filter(has_text="INTERNAL")).to_have_count(4)
    tab.locator(f'a[href="/traces/{story.failed}"]').click()
    expect(tab.get_by_text("negative age in row 4").first).to_be_visible()
    expect(tab.get_by_text("It ended in the stage inference.")).to_be_visible()
    tab.get_by_role("link", name=re.compile("^Batch ")).click()
    expect(tab.get_by_role("heading", level=2)).to_contain_text("Batch of team3_credit_scoring")
    expect(tab.locator(f'a[href="/traces/{story.failed}"]')).to_be_visible()


def test_a_percentile_leads_to_the_slowest_call(tab: Page, url: str, story: Story) -> None:
    tab.goto(url)
    line = tab.get_by_role("row", name="team3_credit_scoring champion")
    line.get_by_role("link", name="ms").click()
    tab.get_by_role("row").nth(1).get_by_role("link").click()
    expect(tab).to_have_url(f"{url}/traces/{story.slow}")
    stages = tab.get_by_role("table", name="Stages").get_by_role("rowheader")
    expect(stages).to_have_count(13)
    expect(stages.filter(has_text="no answer within 200 ms")).to_be_visible()


def test_filters_work_without_script(tab: Page, url: str) -> None:
    tab.goto(f"{url}/traces")
    tab.get_by_role("combobox", name="Tenant").select_option("globex")
    tab.get_by_role("combobox", name="Code").select_option("OK")
    tab.get_by_role("button", name="Filter").click()
    rows = tab.locator("tbody tr")
    assert rows.count() > 3
    expect(rows.filter(has_text="globex")).to_have_count(rows.count())


def test_the_keyboard_reaches_the_content_and_every_page(tab: Page, url: str) -> None:
    tab.goto(url)
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(tab.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    for _ in range(3):
        tab.keyboard.press("Tab")
    expect(tab.get_by_role("link", name="Traces")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Traces")


def test_no_page_asks_for_anything_that_its_policy_refuses(tab: Page, url: str, story: Story) -> None:
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(url)
    for name in ("Traces", "Experiments", "Drift", "Nodes", "Tenants", "Catalog", "Logs", "Traffic"):
        tab.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(tab.get_by_role("navigation").get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
    tab.goto(f"{url}/traces/{story.slow}")
    assert said == []
    assert all(each.startswith((url, "data:")) for each in asked)


def test_a_page_is_as_wide_as_its_window_even_on_a_telephone(tab: Page, url: str, story: Story) -> None:
    tab.set_viewport_size({"width": 390, "height": 800})
    for path in ("/", "/traces", f"/traces/{story.slow}", "/experiments", "/tenants", "/nodes", "/drift"):
        tab.goto(url + path)
        box = tab.locator("html").bounding_box()
        main = tab.locator("main").bounding_box()
        assert box is not None
        assert main is not None
        assert main["width"] <= box["width"] <= 390, path


def test_a_token_lets_a_browser_in(story: Story) -> None:
    token = "correct horse battery"  # noqa: S105 - of a test
    with serve_page(story.folder, story.history, token) as url, open_browser(token=token) as tab:
        tab.goto(url)
        expect(tab.get_by_role("heading", level=1)).to_have_text("Traffic")


def test_screenshots_are_taken_light_and_dark(tmp_path: Path) -> None:
    taken = take(tmp_path)
    assert [path.stem for path in taken] == [
        f"{name}-{scheme}" for scheme in ("light", "dark") for name in ("traffic", "slow-trace", "failed-trace")
    ]
    contents = [path.read_bytes() for path in taken]
    assert all(content.startswith(PNG) and len(content) > 50_000 for content in contents)
    assert len(set(contents)) == len(contents)
