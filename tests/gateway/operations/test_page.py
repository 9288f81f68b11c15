"""The page tells what happened, to everybody, and repeats no script."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from gateway.operations.history import History
from gateway.operations.page import PAGES
from gateway.telemetry.reading import SheetReader
from tests.operations.serving import serve_page
from tests.operations.story import Story
from tests.operations.telemetry_data import Worker, batch, call

SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Elements(HTMLParser):
    """Reads a page, and sees to it that what is opened is closed.

    Attributes:
        found: Names and attributes of elements, in their order.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        """Returns the attributes of elements of some names."""
        return [attributes for tag, attributes in self.found if tag in tags]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Tells a quarter of an hour."""
    told = Story(tmp_path_factory.mktemp("telemetry"))
    told.tell()
    return told


@pytest.fixture
def url(story: Story) -> Iterator[str]:
    """Serves the page over it."""
    story.beat()
    with serve_page(story.folder, story.history) as address:
        yield address


def get(address: str) -> HTTPResponse:
    """Asks for a page, which may be one that says that there is none."""
    try:
        answer: HTTPResponse = urlopen(address, timeout=60)  # noqa: S310 - an address of ours
    except HTTPError as error:
        return error  # type: ignore[return-value] # it has what is used of an answer
    return answer


def read(address: str) -> str:
    """Returns a page's text."""
    return get(address).read().decode()


def everything(story: Story) -> list[str]:
    """Returns the paths of pages of every kind."""
    return [*PAGES, f"/traces/{story.slow}", f"/traces/{story.failed}", "/traces?show=slow&model=none", "/nowhere"]


def test_every_page_is_readable_by_everybody(story: Story, url: str) -> None:
    for path in everything(story):
        elements = Elements(read(url + path))
        assert elements.named("html") == [{"lang": "en"}], path
        assert len(elements.named("h1")) == len(elements.named("main")) == len(elements.named("title")) == 1
        assert elements.named("a")[0] == {"class": "skip", "href": "#main"}
        assert len(elements.named("caption")) == len(elements.named("table")), path
        assert all(each.get("scope") in ("row", "col") for each in elements.named("th")), path
        named = [each for each in elements.named("svg") if each.get("aria-hidden") != "true"]
        assert all(each["role"] == "img" and each["aria-label"] for each in named), path
        labels = {each["for"] for each in elements.named("label")}
        assert {each["id"] for each in elements.named("select")} == labels


def test_pages_need_no_script_no_inline_style_and_nothing_from_elsewhere(story: Story, url: str) -> None:
    for path in everything(story):
        answer = get(url + path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        elements = Elements(answer.read().decode())
        assert not elements.named("script", "style", "iframe", "img")
        for tag, attributes in elements.found:
            assert not [name for name in attributes if name == "style" or name.startswith("on")], (path, tag)
            target = attributes.get("href") or attributes.get("action") or "/"
            assert target.startswith(("/", "#", "data:,")), (path, target)


def test_every_link_of_every_page_leads_somewhere(story: Story, url: str) -> None:
    known = {
        target
        for path in everything(story)
        for each in Elements(read(url + path)).named("a")
        if (target := each["href"])
    }
    for target in sorted(known - {"#main"}):
        assert get(url + target).status == 200, target


def test_error_rate_and_percentile_lead_to_the_traces_that_explain_them(url: str) -> None:
    links = {each["href"] or "" for each in Elements(read(url)).named("a")}
    assert "/traces?show=failed&model=team3_credit_scoring&arm=challenger" in links
    assert "/traces?show=slow&model=team3_credit_scoring&arm=champion" in links
    assert not [link for link in links if "show=failed" in link and "globex" in link]


def test_lists_show_what_is_asked_for(story: Story, url: str) -> None:
    failed = read(f"{url}/traces?show=failed")
    assert story.failed in failed
    assert story.slow not in failed
    assert "4 kept" in failed
    slow = read(f"{url}/traces?show=slow&tenant=acme")
    assert slow.index(story.slow) == min(slow.index(f"/traces/{each}") for each in traces_in(slow)) + len("/traces/")
    assert "No kept trace" in read(f"{url}/traces?model=none")


def traces_in(text: str) -> list[str]:
    """Returns the traces to which a page leads, in their order."""
    links = [each["href"] or "" for each in Elements(text).named("a")]
    return [link.removeprefix("/traces/") for link in links if link.startswith("/traces/")]


def test_a_call_leads_to_its_batch_and_the_batch_to_all_its_calls(story: Story, url: str) -> None:
    call_page = read(f"{url}/traces/{story.slow}")
    assert "no answer within 200 ms" in call_page
    assert "The stages add up to 412 ms of 412 ms." in call_page
    (carried,) = set(traces_in(call_page))
    batch_page = read(f"{url}/traces/{carried}")
    assert len(set(traces_in(batch_page))) == 2
    assert story.slow in traces_in(batch_page)


def test_a_failed_call_says_where_and_why(story: Story, url: str) -> None:
    text = read(f"{url}/traces/{story.failed}")
    assert "MODEL_FAILED" in text
    assert "negative age in row 4" in text
    assert "It ended in the stage inference." in text


def test_window_and_refresh_stay_from_page_to_page(url: str) -> None:
    text = read(f"{url}/nodes?window=15&refresh=5")
    assert '<meta http-equiv="refresh" content="5">' in text
    assert 'href="/tenants?window=15&amp;refresh=5"' in text
    assert "http-equiv" not in read(f"{url}/nodes?refresh=0&window=x")


def test_arms_of_an_experiment_stand_side_by_side_and_a_halt_says_why(url: str) -> None:
    text = read(f"{url}/experiments")
    assert "bolder_limits" in text
    assert re.search(r'class="bad wrap">p99 is 3.1 times the champion&#39;s<', text)
    table = text[text.index("bolder_limits") : text.index("</table>")]
    rows = dict(re.findall(r'<th scope="row">([^<]+)</th>(.*?)</tr>', table, re.DOTALL))
    cells = {
        name: [plain(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)] for name, row in rows.items()
    }
    assert cells["Share"] == ["50.0 %", "halted of 30.0 % planned", "20.0 %"]
    assert cells["Share of calls"] == ["50.0 %", "25.0 %", "25.0 %"]
    assert cells["Failed"] == ["0 %", "10.0 %", "0 %"]
    assert cells["Mean score"] == ["0.25", "0.50 +100 %", "0.25 ±0 %"]
    assert cells["p50"][1] == "12.0 ms +217 %"


def plain(cell: str) -> str:
    """Returns what is read of a piece of a page."""
    return " ".join(re.sub(r"<[^>]*>", "", cell).split())


def test_a_shadow_is_shown_with_what_it_decides_otherwise_and_how_its_scores_shift(url: str) -> None:
    text = read(f"{url}/experiments")
    row = text[text.index("<caption>Shadows") :]
    shadow = row[row.index("rival") : row.index("</tr>", row.index("rival"))]
    cells = [plain(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", "<td>" + shadow, re.DOTALL)]
    assert cells[:8] == ["rival version 3", "50.0 %", "900", "10.0 %", "0 %", "24", "20.0 %", "0.025"]
    assert "900 scores: 50.0 % within 0.01, 225 lower, 225 higher; the bars reach from -1.00 to 1.00" in shadow


def test_scripts_get_the_live_view_as_json(url: str) -> None:
    told = json.loads(read(f"{url}/live.json?window=1"))
    arms = {(each["model"], each["arm"]): each for each in told["arms"]}
    assert told["window_seconds"] >= 60
    assert arms["team3_credit_scoring", "champion"]["rate"] > 20
    assert told["calls_in_flight"] == 9
    assert [each["worker"] for each in told["processes"]] == ["gateway-0", "gateway-1"]


@pytest.mark.parametrize("trace", ["0" * 32, "x", "../style.css", "A" * 32, "%00", "<script>"])
def test_a_trace_that_is_not_known_is_said_to_be_so(url: str, trace: str) -> None:
    answer = get(f"{url}/traces/{quote(trace)}")
    assert answer.status == 404
    assert "<script>" not in answer.read().decode()


def test_what_callers_wrote_is_shown_and_never_run(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    history, reader = History(), SheetReader(tmp_path)
    history.add(reader.take(0))
    told = {"tenant": SCRIPT, "model": SCRIPT, "arm": SCRIPT}
    worker.count(0.1, code="INTERNAL", reason=SCRIPT, **told)  # type: ignore[arg-type] # texts, all of them
    worker.beat()
    words = {"path": f"/{SCRIPT}/{SCRIPT}", "message": SCRIPT, "reason": SCRIPT, "state": SCRIPT, "worker": SCRIPT}
    hostile = call(1, 0.1, "INTERNAL", features=[[SCRIPT, SCRIPT]], **told, **words)
    carried = batch(2, hostile, failed=SCRIPT, tries=[[SCRIPT, 0.0, 0.1, SCRIPT]])
    worker.keep(hostile, carried)
    arm = {"name": SCRIPT, "version": 1}
    model = {"name": SCRIPT, "policy": {SCRIPT: [SCRIPT]}, "arms": [arm, {**arm, "name": "b"}], "versions": [1]}
    experiment = {"name": SCRIPT, "shares": {SCRIPT: 10_000}, "halts": {SCRIPT: SCRIPT}, "tenants": [SCRIPT]}
    experiment |= {"conditions": {SCRIPT: [SCRIPT]}, "exclusion": SCRIPT}
    model |= {"experiments": [experiment], "shadows": [arm]}
    generation = {"generation": 3, "changes": [SCRIPT]}
    worker.tell(
        address=SCRIPT,
        log_level=SCRIPT,
        catalog={"generation": 3, "models": [model], "history": [generation]},
        nodes=[{"address": SCRIPT, "model": SCRIPT, "problem": SCRIPT}],
        lanes=[{"model": SCRIPT}],
        tenants=[{"name": SCRIPT, "priority": SCRIPT}],
    )
    history.add(reader.take(60))
    with serve_page(tmp_path, history) as url:
        for path in (
            *PAGES,
            f"/traces/{hostile['trace']}",
            f"/traces/{carried['trace']}",
            f"/traces?model={quote(SCRIPT)}",
        ):
            text = read(url + path)
            assert "&lt;script&gt;" in text, path
            assert "<script" not in text, path
            assert "<img" not in text, path


def test_a_folder_without_anything_makes_pages_that_say_so(tmp_path: Path) -> None:
    with serve_page(tmp_path / "none") as url:
        for path in PAGES:
            answer = get(url + path)
            assert answer.status == 200
            Elements(answer.read().decode())
        assert json.loads(read(f"{url}/live.json"))["total"] is None
