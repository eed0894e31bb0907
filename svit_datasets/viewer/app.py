"""The web application: the page's own files, records as JSON, photos. It reads and never writes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec

import svit_datasets
from svit_datasets.drawing import CLIP_MEAN_RGB, PALETTE
from svit_datasets.images.photos import Photos
from svit_datasets.viewer.filters import from_query
from svit_datasets.viewer.framing import Frame
from svit_datasets.viewer.index import Index, Stored
from svit_datasets.viewer.photo import find_photo, read_photo
from svit_datasets.viewer.present import present
from svit_datasets.viewer.shapes import Facts, Photo, Start

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
PAGE_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",  # another run may show other data under the same address
}


def page_files() -> dict[str, bytes]:
    """Return the files of the page by name.

    >>> sorted(name for name in page_files() if name.endswith(".html"))
    ['index.html']
    """
    folder = files("svit_datasets.viewer") / "page"
    found = sorted((path.name, path) for path in folder.iterdir() if path.name.endswith(tuple(PAGE_TYPES)))
    return {name: path.read_bytes() for name, path in found}


def start_with(facts: Facts) -> Start:
    """Return what the page begins with.

    >>> start_with(Facts(0, 0, [], [], [])).pad_rgb
    (122, 116, 104)
    """
    return Start(facts=facts, palette=PALETTE, pad_rgb=CLIP_MEAN_RGB, version=svit_datasets.VERSION)


class Handlers:
    """What answers requests.

    Args:
        index: The records.
        photos: Their photos.
        coordinates: The frame of LLaVA records' boxes.
    """

    def __init__(self, index: Index, photos: Photos, coordinates: Frame) -> None:
        self._index, self._photos, self._coordinates = index, photos, coordinates
        self._pages = page_files()

    def page(self, request: Request) -> Response:
        """Send a file of the page; the names are those of a table, so that no path is ever followed."""
        name = request.path_params.get("name", "index.html")
        content = self._pages.get(name)
        if content is None:
            return _missing(f"the page has no file {name}")
        return _response(content, PAGE_TYPES[name[name.rindex(".") :]])

    def facts(self, _: Request) -> Response:
        """Send what the inputs hold, and the colours of the page."""
        return _json(start_with(self._index.facts()))

    def records(self, request: Request) -> Response:
        """Send one page of the records that a filter leaves."""
        query: Mapping[str, str] = request.query_params
        around = _number(query.get("around", ""))
        return _json(self._index.page(from_query(query), page=_number(query.get("page", "")) or 0, around=around))

    def record(self, request: Request) -> Response:
        """Send one record in full."""
        stored = self._stored(request)
        if stored is None:
            return _missing(f"there is no record {request.path_params['number']}")
        return _json(present(stored, self._photos, coordinates=self._coordinates))

    def _stored(self, request: Request) -> Stored | None:
        number = _number(request.path_params["number"])
        return None if number is None else self._index.get(number)

    def find(self, request: Request) -> Response:
        """Send the number of the first record with an id, null where there is none."""
        return _json({"number": self._index.find(request.query_params.get("id", ""))})

    def photo(self, request: Request) -> Response:
        """Send a record's photo: its original bytes, once Pillow has recognised them."""
        stored = self._stored(request)
        place = find_photo(stored, self._photos) if stored else None
        file = None if place is None or isinstance(place, Photo) else read_photo(place)
        return _response(*file) if file else _missing("there is no photo to show")


def make_app(index: Index, photos: Photos, *, coordinates: Frame = "padded") -> Starlette:
    """Return the web application.

    It answers ``GET`` alone, under the names ``127.0.0.1`` and ``localhost`` alone, so that no other site can reach it
    through a name of its own. A photo is asked for by its record's number; no request names a path.

    Args:
        index: The records.
        photos: Their photos.
        coordinates: The frame of LLaVA records' boxes.

    Returns:
        The application.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    handlers = Handlers(index, photos, coordinates)
    routes = [
        Route("/", handlers.page),
        Route("/page/{name}", handlers.page),
        Route("/api/facts", handlers.facts),
        Route("/api/records", handlers.records),
        Route("/api/records/{number}", handlers.record),
        Route("/api/find", handlers.find),
        Route("/photo/{number}", handlers.photo),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)
    return Starlette(routes=routes, middleware=[Middleware(_Headers), hosts])


class _Headers:
    """Adds ``HEADERS`` to every response, those of the framework too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._added]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def _json(value: Any) -> Response:
    return _response(msgspec.json.encode(value), "application/json")


def _missing(message: str) -> Response:
    return _response(msgspec.json.encode({"error": message}), "application/json", status=404)


def _response(content: bytes, content_type: str, status: int = 200) -> Response:
    from starlette.responses import Response

    return Response(content, status, {"Content-Type": content_type})
