"""A browser, and a story to look at."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.operations.browser import open_browser
from tests.operations.serving import serve_page
from tests.operations.story import Story


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


@pytest.fixture
def tab() -> Iterator[Page]:
    """Opens a tab without JavaScript."""
    with open_browser() as opened:
        yield opened
