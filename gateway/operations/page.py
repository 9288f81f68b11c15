"""The page: which address shows what, and what every answer says to browsers."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.errors import ConfigurationError
from gateway.operations import wording
from gateway.operations.access import Access
from gateway.operations.http import Answer, Request, tell
from gateway.operations.live import describe
from gateway.operations.log_level import write_level
from gateway.operations.look import Look, Sources
from gateway.operations.metrics import PATH, Metrics
from gateway.operations.views import catalog, drift, experiments, logs, nodes, tenants, traces, traffic

HTML = "text/html; charset=utf-8"
JSON = "application/json"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STYLE = "/style.css"
TRACE = "/traces/"
MINUTES = (1, 5, 15)
REFRESHES = (2, 5, 15)
WORDINGS = ("seconds", "rate", "count", "percent", "change", "span", "moment", "clock", "score")

View = Callable[[Look], dict[str, Any]]
PAGES: Mapping[str, tuple[str, View]] = {
    "/": ("traffic", traffic.show),
    "/traces": ("traces", traces.show_list),
    "/experiments": ("experiments", experiments.show),
    "/drift": ("drift", drift.show),
    "/nodes": ("nodes", nodes.show),
    "/tenants": ("tenants", tenants.show),
    "/catalog": ("catalog", catalog.show),
    "/logs": ("logs", logs.show),
}


class Page:
    """Answers browsers and scripts.

    Args:
        sources: Where everything is read.
        metrics: What Prometheus reads.
        access: Lets requests in.
    """

    def __init__(self, sources: Sources, metrics: Metrics, access: Access) -> None:
        self._sources = sources
        self._metrics = metrics
        self._access = access
        self._style = files("gateway.operations").joinpath("style.css").read_bytes()
        self._templates = Environment(
            loader=PackageLoader("gateway.operations"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {name: getattr(wording, name) for name in WORDINGS}
        names = {path: name for path, (name, _) in PAGES.items()}
        choices = {"all_minutes": MINUTES, "all_refreshes": REFRESHES}
        self._templates.globals |= {"version": version("gapura"), "pages": names, **choices}

    def answer(self, request: Request) -> Answer:
        """Answers a request."""
        if request.path == "/healthz" and request.method == "GET":
            answer = tell(HTTPStatus.OK, "ok")
        else:
            answer = self._access.refuse(request) or self._answer(request)
        return Answer(answer.status, answer.content, answer.kind, {**answer.headers, **HEADERS})

    def _answer(self, request: Request) -> Answer:
        if request.path == "/log-level":
            return self._set_level(request)
        if request.method != "GET":
            return tell(HTTPStatus.METHOD_NOT_ALLOWED, "nothing but the log level is put")
        if request.path == STYLE:
            return Answer(HTTPStatus.OK, self._style, "text/css; charset=utf-8")
        if request.path == PATH:
            return self._metrics.answer(request)
        return self._show(request)

    def _set_level(self, request: Request) -> Answer:
        """Takes the log level: by PUT, which no page of another site can send."""
        if request.method != "PUT":
            return tell(HTTPStatus.METHOD_NOT_ALLOWED, "put a word here, such as: curl -X PUT -d debug .../log-level")
        level = request.body.decode("utf-8", "replace").strip().lower()
        try:
            write_level(self._sources.telemetry, level)
        except ConfigurationError as error:
            return tell(HTTPStatus.BAD_REQUEST, error.message)
        return tell(HTTPStatus.OK, level)

    def _show(self, request: Request) -> Answer:
        """Looks, and shows what was seen."""
        look = Look(self._sources, request.query, chosen(request.query, "window", MINUTES) or 5)
        if request.path == "/live.json":
            return Answer(HTTPStatus.OK, json.dumps(describe(look)).encode(), JSON)
        if request.path.startswith(TRACE):
            found = traces.show_one(look, request.path.removeprefix(TRACE))
            if found is not None:
                return self._render("trace", look, "/traces", found)
            return self._render("missing", look, "/traces", {"what": "trace"}, HTTPStatus.NOT_FOUND)
        if request.path not in PAGES:
            return self._render("missing", look, "", {"what": "page"}, HTTPStatus.NOT_FOUND)
        name, view = PAGES[request.path]
        return self._render(name, look, request.path, view(look))

    def _render(
        self, name: str, look: Look, path: str, shown: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK
    ) -> Answer:
        refresh = chosen(look.query, "refresh", REFRESHES)

        def link(target: str, **changes: object) -> str:
            """Returns an address that keeps window and refresh."""
            kept = {"window": look.minutes if "window" in look.query else None, "refresh": refresh}
            told = {key: value for key, value in {**kept, **changes}.items() if value not in (None, "")}
            return f"{target}?{urlencode(told)}" if told else target

        context = {"look": look, "path": path, "refresh": refresh, "link": link, **shown}
        return Answer(status, self._templates.get_template(f"{name}.html").render(context).encode(), HTML)


def chosen(query: Mapping[str, str], name: str, choices: tuple[int, ...]) -> int | None:
    """Returns a number of the query; None if it is not one of the choices."""
    told = query.get(name, "")
    return int(told) if told in map(str, choices) else None
