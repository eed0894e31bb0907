"""``retrying``: what is asked again, how often, how long it waits, and what it says."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from svit_datasets.remote.redaction import has_secret, redact
from svit_datasets.remote.retrying import PATIENT_SECONDS, is_reached, reason_of, retrying


class Answered(Exception):  # noqa: N818
    """An answer of the Hub, as the client raises it."""

    def __init__(self, status: int, retry_after: str | None = None) -> None:
        super().__init__(f"{status} for url")
        headers = {"Retry-After": retry_after} if retry_after else {}
        self.response = type("Response", (), {"status_code": status, "headers": headers})()


class Asking:
    """Fails with each of some errors, then answers; keeps what was said and waited."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.said: list[str] = []
        self.waited: list[float] = []
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def run(self, is_again: Callable[[Exception], bool] | None = None) -> str:
        again = {} if is_again is None else {"is_again": is_again}
        return retrying(self, tell=self.said.append, waits_seconds=PATIENT_SECONDS, sleep=self.waited.append, **again)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(status: int) -> None:
    asking = Asking(Answered(status), Answered(status))
    assert asking.run() == "done"
    assert asking.waited == [2, 4]
    assert asking.said == [
        f"the Hub answered {status}; again in 2 s (2 of 6)",
        f"the Hub answered {status}; again in 4 s (3 of 6)",
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412])
def test_what_does_not_pass_is_not(status: int) -> None:
    asking = Asking(Answered(status))
    with pytest.raises(Answered, match=f"{status} for url"):
        asking.run()
    assert (asking.calls, asking.waited, asking.said) == (1, [], [])


@pytest.mark.parametrize("error", [ValueError("Invalid metadata"), FileNotFoundError("gone"), KeyError("x")])
def test_what_is_no_matter_of_the_hub_is_not(error: Exception) -> None:
    asking = Asking(error)
    with pytest.raises(type(error)):
        asking.run()
    assert asking.calls == 1


def test_it_gives_up_after_six_tries() -> None:
    asking = Asking(*[Answered(503) for _ in range(20)])
    with pytest.raises(Answered, match="503"):
        asking.run()
    assert (asking.calls, asking.waited) == (6, list(PATIENT_SECONDS)) == (6, [2, 4, 8, 16, 32])


def test_the_hub_may_ask_for_longer_but_not_for_ever() -> None:
    asking = Asking(Answered(429, "30"), Answered(429, "1"), Answered(429, "99999"), Answered(429, "tomorrow"))
    assert asking.run() == "done"
    assert asking.waited == [30, 4, 300, 16]


def test_connections_and_what_the_client_wraps_them_in() -> None:
    wrapped = RuntimeError("Error while uploading 'x'")
    wrapped.__cause__ = ConnectionResetError("reset by peer")
    asking = Asking(TimeoutError(), wrapped)
    assert asking.run() == "done"
    assert asking.said == [
        "the connection failed (TimeoutError); again in 2 s (2 of 6)",
        "the connection failed (reset by peer); again in 4 s (3 of 6)",
    ]


def test_a_caller_may_rule_an_error_out() -> None:
    asking = Asking(Answered(500))
    with pytest.raises(Answered, match="500"):
        asking.run(is_again=lambda error: not error.args)
    assert asking.calls == 1


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
@pytest.mark.parametrize("root", [ConnectionRefusedError("refused"), socket.gaierror(-2, "unknown host")])
def test_a_hub_that_is_not_reached_is_told_apart(link: str, root: Exception) -> None:
    outer = ConnectionError("failed")
    setattr(outer, link, root)
    asking = Asking(outer)
    with pytest.raises(ConnectionError, match="failed"):
        asking.run(is_again=is_reached)
    assert (asking.calls, asking.waited, asking.said) == (1, [], [])
    assert Asking(ConnectionResetError("reset"), Answered(503)).run(is_again=is_reached) == "done"


def test_no_message_has_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "api_org_oddOldToken")
    texts = ("x api_org_oddOldToken y", "Bearer abcdef", "hf_abcdefgh", "https://s3/o?X-Amz-Signature=abc&b=c end")
    assert [redact(text) for text in texts] == ["x hf_*** y", "Bearer hf_***", "hf_***", "https://s3/o?... end"]
    assert redact("load the shelf_of_books") == "load the shelf_of_books"
    error = ConnectionError("Illegal header value b'Bearer api_org_oddOldToken '")
    assert reason_of(error) == "the connection failed (Illegal header value b'Bearer hf_*** ')"
    outer = ValueError("outer")
    outer.__cause__ = error
    assert has_secret(outer)
    assert not has_secret(ValueError("plain"))
