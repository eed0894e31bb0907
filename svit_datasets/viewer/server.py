"""Run the page on this machine: bound to 127.0.0.1, stopped cleanly, nothing left behind."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from svit_datasets.errors import UsageError
from svit_datasets.reading.entries import Given
from svit_datasets.viewer.app import HOSTS, make_app
from svit_datasets.viewer.data import Data, Source, as_roots, open_data
from svit_datasets.viewer.filters import Filter
from svit_datasets.viewer.framing import Frame

if TYPE_CHECKING:
    from starlette.applications import Starlette

HOST = HOSTS[0]
_LOOK_SECONDS = 0.2


class Running(NamedTuple):
    """A page that is being served.

    Attributes:
        url: Its address.
        thread: Ends when the server does.
    """

    url: str
    thread: Thread


def serve(
    inputs: Any,
    *,
    images: Iterable[str | Path] | str | Path = (),
    layout: Given = "auto",
    task: str | None = None,
    coordinates: Frame = "padded",
    port: int = 0,
    ready: Callable[[str], object] = print,
) -> None:
    """Show records in a browser until interrupted.

    Args:
        inputs: One input or several, as in ``read_entries``.
        images: Where photos are looked for, as in ``Photos``.
        layout: Layout of the files; ``auto`` looks at the first record of each.
        task: Task of native inputs, where their names do not say it.
        coordinates: The frame of LLaVA records' boxes.
        port: Port on 127.0.0.1; 0 takes a free one.
        ready: Is told the page's address.

    Raises:
        UsageError: The port is taken, or an option has none of its values.
        InputError: An input or a root does not exist, or cannot be opened.
    """
    source = Source(inputs, as_roots(images), layout, task, coordinates)
    with open_data(source) as data:
        serve_data(data, port=port, ready=ready)


def serve_data(data: Data, *, port: int, ready: Callable[[str], object]) -> None:
    """Show records that were read already until interrupted; the arguments are those of ``serve``."""
    app = make_app(data.index, data.photos, coordinates=data.coordinates)
    with suppress(KeyboardInterrupt), run_app(app, port=port) as running:
        ready(running.url)
        while running.thread.is_alive():
            time.sleep(_LOOK_SECONDS)


@contextmanager
def run_app(app: Starlette, *, port: int = 0) -> Iterator[Running]:
    """Serve an application on 127.0.0.1 while the block runs.

    It runs in a thread of its own, so that a notebook or a test can go on and signals stay with the main thread.

    Args:
        app: The application.
        port: The port; 0 takes a free one.

    Yields:
        Its address and its thread.

    Raises:
        UsageError: The port cannot be had.
    """
    import uvicorn

    listener = _listen(port)
    settings = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(settings)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="svit-view", daemon=True)
    thread.start()
    try:
        yield Running(f"http://{HOST}:{listener.getsockname()[1]}/", thread)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"port {port}: {reason}; name another, or 0 for any free one") from error
    listener.listen()
    return listener


def to_address(url: str, asked: Filter) -> str:
    """Return the address of the page with a filter set.

    >>> to_address("http://127.0.0.1:8000/", Filter(text="red dog"))
    'http://127.0.0.1:8000/?text=red+dog'
    """
    query = urlencode(asked.to_query())
    return f"{url}?{query}" if query else url
