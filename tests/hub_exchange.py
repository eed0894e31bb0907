"""A connection to the loopback Hub: reads a request, lets the test's faults happen, sends the answer."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from hub_answers import Answer, Body, Cut, Refused, to_refusal, to_request
from hub_routes import answer
from hub_rules import Asked, Fault
from hub_store import COMMIT

if TYPE_CHECKING:
    from hub_server import HubServer


def to_handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    """Return the handler of a Hub's connections."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            del format, args

        def _handle(self) -> None:
            try:
                self._exchange()
            except ConnectionError as error:
                self._hang_up(is_hard=isinstance(error, Cut))
            except Exception as error:  # noqa: BLE001 - the test that ends shows it
                hub.failures.append(error)
                self._hang_up(is_hard=True)

        do_HEAD = do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

        def _hang_up(self, *, is_hard: bool) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):  # the client may be gone
                if is_hard:
                    self.connection.shutdown(socket.SHUT_RDWR)

        def _exchange(self) -> None:
            asked = Asked(self.command, self.path, self.headers["Range"], self.headers["Authorization"])
            hub.asked.append(asked)
            if hub.on_request:
                hub.on_request(asked)
            fault = hub.take_fault(asked)
            body = self._body(fault)
            if not self.headers["Content-Length"] and not self.headers["Transfer-Encoding"]:
                body.drain()  # what a fault does comes before the answer
            told = self._answer(asked, fault, body)
            body.drain()
            if fault and fault.kind == "lost-answer":
                raise Cut
            self._send(told, fault.after_bytes if fault and fault.kind == "cut-response" else None)

        def _body(self, fault: Fault | None) -> Body:
            is_chunked = self.headers["Transfer-Encoding"] == "chunked"
            length = None if is_chunked else int(self.headers["Content-Length"] or 0)
            if fault is None:
                return Body(cast(BinaryIO, self.rfile), length)

            def cut() -> None:
                raise Cut

            actions = {"cut-request": cut, "hang": lambda: hub.closing.wait(fault.seconds)}
            action = actions.get(fault.kind)
            return Body(cast(BinaryIO, self.rfile), length, (fault.after_bytes, action) if action else None)

        def _answer(self, asked: Asked, fault: Fault | None, body: Body) -> Answer:
            if fault and fault.kind == "status":
                later = {"Retry-After": fault.retry_after} if fault.retry_after else {}
                refusal = to_refusal(fault.status, fault.code)
                return refusal._replace(headers={**refusal.headers, **later})
            if hub.rules.refusal and not asked.path.startswith(("/cdn/", "/lfs/")):
                refusal = to_refusal(*hub.rules.refusal)
                return refusal._replace(headers={**refusal.headers, "X-Repo-Commit": COMMIT})
            try:
                return answer(hub.api, to_request(self.command, self.path, self.headers, body))
            except Refused as refused:
                return to_refusal(refused.status, refused.code, refused.message, refused.more)

        def _send(self, answer: Answer, cut_after_bytes: int | None) -> None:
            self.send_response(answer.status)
            headers: Mapping[str, Any] = {**answer.headers, "Content-Length": answer.size_bytes}
            for name, value in headers.items():
                self.send_header(name, str(value))
            self.end_headers()
            if self.command == "HEAD":
                return
            if hub.rules.cuts.get(answer.name, 0) > 0:
                hub.rules.cuts[answer.name] -= 1
                cut_after_bytes = answer.size_bytes // 2
            size_bytes = answer.size_bytes if cut_after_bytes is None else cut_after_bytes
            for piece in answer._replace(size_bytes=size_bytes).chunks():
                self.wfile.write(piece)
            if cut_after_bytes is not None:
                raise Cut

    return Handler
