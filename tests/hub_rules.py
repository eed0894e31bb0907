"""What a test tells the loopback Hub to do, and what the Hub tells the test."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple


class Asked(NamedTuple):
    """A request, and what it carried."""

    method: str
    path: str
    range: str | None
    token: str | None


class Received(NamedTuple):
    """Something that a client sent: the kind, what it is (a path, a SHA-256, or one with its part), and its size.

    Kinds: "file" in a commit, "lfs" a whole object, "part" of an object, "broken" an object that did not arrive whole.
    """

    kind: str
    name: str
    size_bytes: int


@dataclass
class Fault:
    """A fault that the next ``times`` matching requests meet.

    To kill a client in the middle of an upload, kill it in ``on_request`` and give its PUT "cut-request": some MB of
    what it sent may else still arrive from the system's buffers.

    Attributes:
        method: The HTTP method, or "*" for any.
        path_regex: What to find in the path with its query.
        times: How many requests meet it; the rest is answered as usual.
        kind: "status" answers ``status``; "cut-request" closes the connection after ``after_bytes`` of the request's
            body; "cut-response" closes it after ``after_bytes`` of the answer's body; "hang" waits ``seconds`` after
            ``after_bytes`` of the request's body, then goes on; "lost-answer" does what was asked, then closes the
            connection without an answer.
        status: What "status" answers.
        code: Its ``X-Error-Code``.
        retry_after: Its ``Retry-After``.
    """

    method: str
    path_regex: str
    times: int = 1
    kind: str = "status"
    status: int = 503
    code: str | None = None
    retry_after: str | None = None
    after_bytes: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is none of {', '.join(KINDS)}")

    def meets(self, asked: Asked) -> bool:
        """Return whether a request meets it now."""
        return self.times > 0 and self.method in ("*", asked.method) and bool(re.search(self.path_regex, asked.path))


KINDS = ("status", "cut-request", "cut-response", "hang", "lost-answer")


@dataclass
class Rules:
    """How the server answers.

    Attributes:
        refusal: Status and ``X-Error-Code`` of every answer; None serves the files.
        gate: Whether a file without a token is refused as the Hub refuses a gated repository.
        accepted: The tokens whose owners accepted the terms of the gate; None for all.
        cuts: How many further downloads of a file break off in the middle, by its path.
        tokens: What each token may, "read" or "write"; None lets any token write, and knows no name.
        faults: What goes wrong, in order; the first that meets a request is used.
        page_size: Entries in one page of a listing.
        multipart_bytes: LFS objects above this size are sent in parts of it; None for never.
        yaml_errors: What is wrong with every card.
    """

    refusal: tuple[int, str | None] | None = None
    gate: bool = False
    accepted: tuple[str, ...] | None = None
    cuts: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] | None = None
    faults: list[Fault] = field(default_factory=list)
    page_size: int = 1000
    multipart_bytes: int | None = None
    yaml_errors: tuple[str, ...] = ()
