"""Ask the Hub again after what may pass: too many requests, a fault of its own, a connection that broke."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

from svit_datasets.remote.hub import is_of_client, status_of
from svit_datasets.remote.redaction import redact

WAITS_SECONDS = (1, 2, 4, 8)
PATIENT_SECONDS = (2, 4, 8, 16, 32)  # where much was sent already
LONGEST_WAIT_SECONDS = 300
_PASSING = (408, 429, 500, 502, 503, 504)

Answer = TypeVar("Answer")


def retrying(
    act: Callable[[], Answer],
    name: str = "",
    *,
    tell: Callable[[str], object],
    waits_seconds: tuple[int, ...] = WAITS_SECONDS,
    is_again: Callable[[Exception], bool] = lambda _: True,
    sleep: Callable[[float], object] | None = None,
) -> Answer:
    """Return what ``act`` returns, called again after each wait as long as it fails for what may pass.

    408, 429, 500, 502, 503, 504, connections that break and time-outs may pass; 401, 403, 404, 409 and 412 do not.

    Args:
        act: Asks the Hub.
        name: What it asks for, for messages; '' where that is plain.
        tell: Takes a line before each wait.
        waits_seconds: How long to wait before each further call; the Hub may ask for longer.
        is_again: Whether an error that may pass is a reason to ask again.
        sleep: Waits; ``time.sleep`` by default.

    Returns:
        What it returned.

    Raises:
        Exception: What it raised last.

    >>> answers = iter([ConnectionResetError("reset by peer"), 5])
    >>> def ask():
    ...     answer = next(answers)
    ...     if isinstance(answer, Exception):
    ...         raise answer
    ...     return answer
    >>> retrying(ask, "a.zip", tell=print, sleep=lambda seconds: None)
    a.zip: the connection failed (reset by peer); again in 1 s (2 of 5)
    5
    """
    for number, seconds in enumerate(waits_seconds, 2):
        try:
            return act()
        except Exception as error:
            root = root_of(error)
            if not is_passing(root) or not is_again(root):
                raise
            wait = max(seconds, asked_wait_seconds(root))
            tell(
                f"{name}{': ' * bool(name)}{reason_of(root)}; again in {wait} s ({number} of {len(waits_seconds) + 1})"
            )
            (sleep or time.sleep)(wait)
    return act()


def root_of(error: Exception) -> Exception:
    """Return what stands behind an error of the client that says no more than which file could not be sent.

    >>> try:
    ...     raise RuntimeError("Error while uploading 'a'") from ConnectionResetError("reset")
    ... except RuntimeError as error:
    ...     root_of(error)
    ConnectionResetError('reset')
    """
    cause = error.__cause__
    return root_of(cause) if isinstance(error, RuntimeError) and isinstance(cause, Exception) else error


def is_passing(error: Exception) -> bool:
    """Tell whether an error may be gone at the next call.

    >>> is_passing(ConnectionResetError("reset by peer")), is_passing(ValueError("no number"))
    (True, False)
    """
    from huggingface_hub import constants

    status = status_of(error)
    if status is not None:
        return status in _PASSING
    if constants.HF_HUB_OFFLINE or isinstance(error, ValueError):  # what the client itself refuses
        return False
    return isinstance(error, ConnectionError | TimeoutError) or is_of_client(error)


def is_reached(error: BaseException) -> bool:
    """Tell whether a connection came about before it failed: no refused connection, no unknown host.

    For the first request: nothing says that the Hub can be reached at all, so waiting for it helps nobody.

    >>> is_reached(ConnectionResetError()), is_reached(ConnectionRefusedError())
    (True, False)
    """
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ConnectionRefusedError | socket.gaierror):
            return False
        link = link.__cause__ or link.__context__
    return True


def asked_wait_seconds(error: Exception) -> int:
    """Return how long the Hub asks to wait (``Retry-After``), 0 where it does not, never more than five minutes.

    >>> asked_wait_seconds(ConnectionResetError())
    0
    """
    headers = getattr(getattr(error, "response", None), "headers", {})
    told = str(headers.get("Retry-After", ""))
    return min(int(told), LONGEST_WAIT_SECONDS) if told.isdecimal() else 0


def reason_of(error: Exception) -> str:
    """Return an error in a few words, without a token.

    >>> reason_of(TimeoutError()), reason_of(ConnectionResetError("reset by peer"))
    ('the connection failed (TimeoutError)', 'the connection failed (reset by peer)')
    """
    status = status_of(error)
    if status is not None:
        return f"the Hub answered {status}"
    told = str(error).strip().split("\n")[0][:200] or type(error).__name__
    return f"the connection failed ({redact(told)})"
