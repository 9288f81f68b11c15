"""A real browser: Debian's headless Chromium, with JavaScript turned off."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Page, sync_playwright

from tests.debian_chromium import debian_chromium

Scheme = Literal["light", "dark"]

WIDTH, HEIGHT = 1280, 800
SLOW_MS = 60_000


@contextmanager
def open_browser(
    scheme: Literal["light", "dark"] = "light", *, token: str = "", sharpness: float = 1
) -> Iterator[Page]:
    """Yields an empty tab.

    Args:
        scheme: Colours that its user prefers.
        token: Password that it knows, of whatever user.
        sharpness: Pixels of a screenshot for each pixel of the page.
    """
    program, environment = debian_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, env=environment, args=["--no-sandbox"], timeout=SLOW_MS
        )
        tab = browser.new_page(
            java_script_enabled=False,
            color_scheme=scheme,
            viewport={"width": WIDTH, "height": HEIGHT},
            device_scale_factor=sharpness,
            http_credentials={"username": "operator", "password": token} if token else None,
        )
        tab.set_default_timeout(SLOW_MS)
        yield tab
        browser.close()
