"""This machine's paths in what is about to leave it: how they are told from other text."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import quote

# A path begins where no name, number or other path runs into it; behind "http:" two slashes begin a host.
_BEFORE = r"(?<![\w.~%+/\-])(?:(?<!:)/*|(?!//(?!/))/*)"
_AFTER = r"(?![\w\-~%+])(?!\.\w)"
_BELOW = r"/+[^\s/\"'<>\\]"
_FLAT = 1  # parts of a path such as /den, which is told only with something below it
_NO_NAME, _SOMETHING, _ANYTHING = re.compile(_AFTER.encode()), re.compile(rb"[\x21-\x7e]{2}"), re.compile(b"")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


def machine_places(folder: Path, sources: Iterable[str | Path] = ()) -> tuple[str, ...]:
    """Return the folders of this machine that must not be told: the user's own, and where the data lies.

    Args:
        folder: The folder to push.
        sources: What it was built from.

    Returns:
        Absolute paths; none lies below another.
    """
    wide = []
    for find in (Path.home, Path.cwd, lambda: Path(tempfile.gettempdir())):
        with suppress(OSError, RuntimeError):
            wide.append(find())
    own = [place for path in (folder, *map(Path, sources)) for place in (path.absolute(), path.resolve())]
    parents = [parent for path in own for parent in path.parents if len(parent.parts) - 1 > _FLAT]
    found = [place for path in (*wide, *own, *parents) for place in (path.absolute(), path.resolve())]
    return outermost(str(place) for place in found)


def outermost(places: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that lie below no other; those of one part, told in fewer cases, stand for none but themselves.

    >>> outermost(["/Users/ann/out", "/Users/ann", "/scratch/x/y", "/scratch", "/", "/Users/anna/b"])
    ('/Users/ann', '/Users/anna/b', '/scratch', '/scratch/x/y')
    """
    paths = sorted({PurePosixPath(place) for place in places if PurePosixPath(place).parts[1:]})
    deep = [path for path in paths if not is_flat(str(path))]
    return tuple(str(path) for path in paths if not any(path.is_relative_to(o) and path != o for o in deep))


def is_flat(place: str) -> bool:
    """Tell whether a path has one part alone, so that it may be a word: ``/den``.

    >>> is_flat("/den"), is_flat("/Users/ann")
    (True, False)
    """
    return len(PurePosixPath(place).parts) - 1 <= _FLAT


@cache
def spellings(place: str) -> tuple[str, ...]:
    r"""Return how a path may be written: as it is, in an address, in JSON.

    >>> spellings("/Users/ann/d t"), spellings("/Users/é/x")
    (('/Users/ann/d t', '/Users/ann/d%20t'), ('/Users/é/x', '/Users/%C3%A9/x', '/Users/\\u00e9/x'))
    """
    raw = place.encode("utf-8", "surrogateescape")
    return tuple(dict.fromkeys((place, quote(raw), json.dumps(place)[1:-1])))


@cache
def needles(place: str) -> tuple[str, ...]:
    """Return what every text has in it that tells a path; few others have it.

    >>> needles("/den"), needles("/Users/ann")
    (('/den/',), ('/Users/ann',))
    """
    return tuple(form + "/" for form in spellings(place)) if is_flat(place) else spellings(place)


@cache
def _pattern(place: str) -> re.Pattern[str]:
    written = "|".join(map(re.escape, spellings(place)))
    return re.compile(f"{_BEFORE}(?:{written}){_BELOW if is_flat(place) else _AFTER}", re.ASCII)


def find_place(text: str, places: Iterable[str]) -> str | None:
    """Return the first of some paths that a text tells as a whole path or the beginning of one.

    >>> places = ("/den", "/Users/ann")
    >>> find_place("the garden/den vegetables, the /den cause", places)
    >>> find_place("see file:///Users/ann/a.jpg", places), find_place("in /den/svit.", places)
    ('/Users/ann', '/den')
    >>> find_place("/Users/anna, /Users/ann.old, https://Users/ann and b/Users/ann", places)
    """
    for place in places:
        if any(needle in text for needle in needles(place)) and _pattern(place).search(text):
            return place
    return None


def fault_of_image_path(path: str) -> str:
    """Return what is wrong with the path of a photo in a row; nothing where it is relative and plain.

    >>> [fault_of_image_path(p) for p in ("5.jpg", "VG_100K/5.jpg", "/data/5.jpg", "C:/5.jpg", "a/../5.jpg")]
    ['', '', 'is absolute', 'names a drive or a scheme', "climbs with '..'"]
    >>> fault_of_image_path("zip://5.jpg::x.zip"), fault_of_image_path("~/5.jpg")
    ('names a drive or a scheme', 'begins at a home folder')
    """
    parts = re.split(r"[/\\]", path)
    faults = (
        (path.startswith(("/", "\\")), "is absolute"),
        (_SCHEME.match(path) is not None or "::" in path, "names a drive or a scheme"),
        (".." in parts, "climbs with '..'"),
        (path.startswith("~"), "begins at a home folder"),
    )
    return next((told for is_so, told in faults if is_so), "")


class ByteSearch:
    """Looks for paths in bytes that come piece by piece; what is packed in them is not seen.

    A path of one part counts with something below it: its few bytes alone may stand in any photo. Photos' own notes may
    be in UTF-16.

    Args:
        places: Absolute paths.
    """

    def __init__(self, places: Iterable[str]) -> None:
        self._forms: dict[bytes, tuple[str, re.Pattern[bytes]]] = {}
        for place in places:
            end, after = ("/", _SOMETHING) if is_flat(place) else ("", _NO_NAME)
            for form in spellings(place):
                self._forms[f"{form}{end}".encode("utf-8", "surrogateescape")] = place, after
            self._forms[f"{place}/".encode("utf-16-le", "surrogatepass")] = place, _ANYTHING
        self._kept_bytes = max(map(len, self._forms), default=0) + 2
        self._rest = b""
        self.found: str | None = None

    def feed(self, piece: bytes) -> None:
        """Take the next piece; ``found`` is the first path that was in any.

        >>> search = ByteSearch(["/Users/ann"])
        >>> for piece in (b"../Us", b"ers/an", b"n/a.jpg"):
        ...     search.feed(piece)
        >>> search.found
        '/Users/ann'
        """
        text = self._rest + piece
        self._look(text, len(text) - 2)  # what comes behind the last bytes is not known yet
        self._rest = text[-self._kept_bytes :]

    def close(self) -> str | None:
        """Return the first path that was found, now that no piece follows."""
        self._look(self._rest, len(self._rest))
        return self.found

    def _look(self, text: bytes, end: int) -> None:
        for form, (place, after) in self._forms.items():
            start = 0
            while self.found is None and (at := text.find(form, start)) >= 0:
                start = at + len(form)
                if start <= end and after.match(text, start):
                    self.found = place
