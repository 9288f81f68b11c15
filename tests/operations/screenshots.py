"""Takes the screenshots of the README: the traffic page, a slow trace and a failed one, light and dark.

python -m tests.operations.screenshots
"""

import sys
import tempfile
from pathlib import Path

from tests.operations.browser import Scheme, open_browser
from tests.operations.serving import serve_page
from tests.operations.story import Story

IMAGES = Path(__file__).parents[2] / "docs/images"
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def take(folder: Path) -> list[Path]:
    """Takes them; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with tempfile.TemporaryDirectory(prefix="gapura-") as telemetry:
        story = Story(Path(telemetry))
        story.tell()
        pages = {"traffic": "/", "slow-trace": f"/traces/{story.slow}", "failed-trace": f"/traces/{story.failed}"}
        with serve_page(Path(telemetry), story.history) as url:
            for scheme in SCHEMES:
                with open_browser(scheme, sharpness=1.5) as tab:
                    for name, path in pages.items():
                        story.beat()
                        tab.goto(url + path)
                        taken.append(folder / f"{name}-{scheme}.png")
                        tab.screenshot(path=taken[-1], full_page=True)
    return taken


if __name__ == "__main__":
    for path in take(IMAGES):
        sys.stdout.write(f"{path}\n")
