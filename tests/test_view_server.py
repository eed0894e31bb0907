"""What the server answers to requests as they go over the wire, those of an attacker among them."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from browser import serving
from helpers_cli import REPOSITORY, record, save_photo

SECRET = "the secret"
ODD_IMAGES = REPOSITORY / "tests" / "fixtures" / "odd_images"
CLIMBING = (
    "../secret.jpg",
    "..\\secret.jpg",
    "/{root}/secret.jpg",
    "vg/../../secret.jpg",
    "%2e%2e/secret.jpg",
    "C:\\secret.jpg",
)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


def ask(url: str, target: str, *, host: str | None = None, method: str = "GET") -> Answer:
    """Send a request exactly as given; a client library would tidy up its path."""
    place = urlsplit(url)
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: {host if host is not None else place.netloc}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as line:
        line.sendall(head.encode())
        raw = b"".join(iter(lambda: line.recv(1 << 16), b""))
    top, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    headers = dict(part.lower().split(": ", 1) for part in lines)
    return Answer(int(status.split()[1]), headers, body)


class Place(NamedTuple):
    url: str
    root: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Serve records whose image paths climb, beside good ones; the secret lies next to the root, a photo itself."""
    from PIL import Image

    top = tmp_path_factory.mktemp("served")
    root = top / "root"
    save_photo(top / "secret.jpg", (64, 48), comment=SECRET.encode())
    save_photo(root / "VG_100K" / "9000001.jpg", (640, 480))
    shutil.copy(ODD_IMAGES / "truncated_jpeg.jpg", root / "VG_100K" / "9000002.jpg")
    (root / "VG_100K" / "9000003.jpg").write_text(SECRET)
    save_photo(root / "plain.txt", (20, 10))
    Image.new("RGB", (20, 10)).save(root / "tiff.jpg", format="TIFF")
    native = top / "referring_qa.json"
    native.write_text(json.dumps([record(9000000 + n) for n in range(1, 5)]))
    paths = [*(path.replace("/{root}", str(top)) for path in CLIMBING), "plain.txt", "none.jpg", "tiff.jpg"]
    rows = [
        {"id": f"r{n}", "image": path, "conversations": [{"from": "human", "value": "Hi"}]}
        for n, path in enumerate(paths)
    ]
    (top / "llava.json").write_text(json.dumps(rows))
    with serving(native, top / "llava.json", images=root) as url:
        yield Place(url, root)


def test_a_photo_comes_as_its_original_bytes_with_what_it_is(place: Place) -> None:
    answer = ask(place.url, "/photo/1")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.body == (place.root / "VG_100K" / "9000001.jpg").read_bytes()


def test_what_is_no_photo_is_never_sent(place: Place) -> None:
    for number in (3, 4, 99, 0):
        answer = ask(place.url, f"/photo/{number}")
        assert (answer.status, answer.value) == (404, {"error": "there is no photo to show"})
    photo = ask(place.url, "/api/records/3").value["photo"]
    assert photo["state"] == "unreadable"
    assert photo["message"].startswith("It cannot be shown: cannot identify image file")
    assert photo["place"] == str(place.root / "VG_100K" / "9000003.jpg")


def test_a_truncated_photo_is_told_with_its_place(place: Place) -> None:
    photo = ask(place.url, "/api/records/2").value["photo"]
    assert (photo["state"], photo["address"]) == ("unreadable", "")
    assert photo["message"].startswith("It cannot be shown: image file is truncated")
    assert photo["place"] == str(place.root / "VG_100K" / "9000002.jpg")


def test_a_missing_photo_is_told_with_the_place_looked_at(place: Place) -> None:
    photo = ask(place.url, "/api/records/4").value["photo"]
    assert (photo["state"], photo["message"]) == ("missing", f"There is no 9000004.jpg under {place.root}.")
    assert ask(place.url, "/api/records/12").value["photo"]["message"] == f"There is no none.jpg under {place.root}."


@pytest.mark.parametrize("number", range(5, 5 + len(CLIMBING)))
def test_a_record_whose_path_climbs_gets_no_photo(place: Place, number: int) -> None:
    answer = ask(place.url, f"/photo/{number}")
    assert (answer.status, answer.value) == (404, {"error": "there is no photo to show"})
    photo = ask(place.url, f"/api/records/{number}").value["photo"]
    is_path_plain = photo["name"].startswith("%2e")  # no web address: a folder of that name would be below the root
    assert photo["state"] == ("missing" if is_path_plain else "refused")
    if not is_path_plain:
        assert photo["message"] == (
            "Its path leads out of the image folder, so it is not looked for. Make the path relative, without '..'."
        )


def test_a_photo_is_told_by_its_content_not_its_name(place: Place) -> None:
    answer = ask(place.url, "/photo/11")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")


def test_a_photo_that_no_browser_shows_is_told(place: Place) -> None:
    assert ask(place.url, "/photo/13").status == 404
    photo = ask(place.url, "/api/records/13").value["photo"]
    assert (photo["state"], photo["message"]) == (
        "unreadable",
        "Pillow opens it, but browsers do not show files of its kind.",
    )


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.jpg",
        "/%2e%2e/secret.jpg",
        "/photo/../../secret.jpg",
        "/photo/%2e%2e%2fsecret.jpg",
        "/photo/..%5csecret.jpg",
        "//secret.jpg",
        "/page/../command.py",
        "/page/%2e%2e%2fcommand.py",
        "/page/..%2f..%2fcli.py",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/app.py",
        "/page/index.html%00.js",
        "/etc/passwd",
        "/photo/1/../../secret.jpg",
        "/photo/-1",
        "/photo/1e0",
        "/photo/" + "9" * 5000,
        "/api/records/" + "9" * 5000,
    ],
)
def test_a_request_that_names_a_path_gets_nothing(place: Place, target: str) -> None:
    answer = ask(place.url, target)
    assert answer.status == 404
    assert SECRET.encode() not in answer.body
    assert b"import" not in answer.body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "0.0.0.0", "", "192.168.0.1"]
)
def test_a_foreign_host_is_refused(place: Place, host: str) -> None:
    for target in ("/", "/api/facts", "/photo/1", "/page/main.js"):
        answer = ask(place.url, target, host=host)
        assert (answer.status, answer.body) == (400, b"Invalid host header")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:1234"])
def test_the_own_names_are_answered(place: Place, host: str) -> None:
    assert ask(place.url, "/api/facts", host=host).status == 200


@pytest.mark.parametrize(
    "target", ["/", "/page/main.js", "/api/facts", "/api/records", "/api/records/1", "/photo/1", "/none"]
)
def test_every_answer_has_the_headers_that_keep_it_in_the_page(place: Place, target: str) -> None:
    headers = ask(place.url, target).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_reading_is_answered(place: Place, method: str) -> None:
    assert ask(place.url, "/api/facts", method=method).status == 405


def test_only_the_loopback_address_is_bound(place: Place) -> None:
    port = urlsplit(place.url).port or 0
    others = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in sorted((others | {"127.0.0.2"}) - {"127.0.0.1"}):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port), timeout=5)


def test_records_are_filtered_and_odd_parameters_are_harmless(place: Place) -> None:
    assert ask(place.url, "/api/records?task=referring_qa").value["total"] == 4
    assert ask(place.url, "/api/records?image_id=9000002").value["lines"][0]["number"] == 2
    listing = ask(place.url, "/api/records?page=-3&around=x&text=%27%20OR%201%3D1&code=%25&task=*").value
    assert (listing["total"], listing["page"]) == (0, 0)
    assert ask(place.url, "/api/find?id=r1").value == {"number": 6}
    assert ask(place.url, "/api/find?id=zz").value == {"number": None}


def test_many_requests_at_once_are_all_answered(place: Place) -> None:
    found: list[int] = []
    targets = ["/photo/1", "/api/records?text=why", "/api/records/1", "/api/facts"] * 10
    threads = [threading.Thread(target=lambda t=t: found.append(ask(place.url, t).status)) for t in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * len(targets)
