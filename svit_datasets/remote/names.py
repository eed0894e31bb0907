"""What the name of a file means: a path of this machine, or the URL of a file in a store that ``fsspec`` knows."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)(?:://|::.+://)")
_CUT = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):/(?!/)")  # what a Path makes of a URL
_QUERY, _USER = re.compile(r"\?[^?]*=.*"), re.compile(r"://[^/@]+@")
_HERE = ("file", "local")
_RECORDS = (".json", ".jsonl", ".gz", ".zip")


def protocol_of(name: str) -> str | None:
    """Return the protocol of a URL that ``fsspec`` knows; None for a path, whatever stands in it.

    >>> protocol_of("s3://bucket/a.json"), protocol_of("a://b.json"), protocol_of("./s3://a.json")
    ('s3', None, None)
    """
    match = _URL.match(name)
    return match[1] if match and match[1] in _protocols() else None


def _protocols() -> set[str]:
    from fsspec import available_protocols, registry

    return {*available_protocols(), *registry}


def local_path(name: str) -> Path | None:
    """Return the path that a name means on this machine, ``file://`` taken off; None for a file in a store.

    >>> local_path("data/a.json"), local_path("s3://bucket/a.json")
    (PosixPath('data/a.json'), None)
    """
    protocol = protocol_of(name)
    if protocol not in _HERE:
        return Path(name) if protocol is None else None
    from fsspec.core import strip_protocol

    return Path(strip_protocol(name))


def path_of(name: str) -> Path:
    """Return the path of a file of this machine, ``file://`` taken off.

    >>> path_of("file:///data/a.json")
    PosixPath('/data/a.json')
    """
    path = local_path(name)
    assert path is not None, name
    return path


def is_remote(name: str | Path) -> bool:
    """Tell whether a name is the URL of a file in a store.

    >>> is_remote("s3://bucket/a.json"), is_remote("file:///a.json"), is_remote("a.json")
    (True, False, False)
    """
    return isinstance(name, str) and local_path(name) is None


def is_records_url(name: str | Path) -> bool:
    """Tell whether a name is the URL of a file of records in a store, by its ending.

    >>> is_records_url("hf://datasets/org/svit/data/referring_qa.json"), is_records_url("hf://datasets/org/svit")
    (True, False)
    """
    return is_remote(name) and shown_name(str(name)).removesuffix("?...").endswith(_RECORDS)


def shown_name(name: str) -> str:
    """Return a name as messages and reports may show it: a URL without password and without what signs it.

    >>> shown_name("https://store/a.json?X-Amz-Signature=5f"), shown_name("sftp://me:secret@host/a.json")
    ('https://store/a.json?...', 'sftp://host/a.json')
    >>> shown_name("what?=.json")
    'what?=.json'
    """
    return _QUERY.sub("?...", hide_user(name)) if _URL.match(name) else name


def hide_user(text: str) -> str:
    """Return a text without user and password in its URLs.

    >>> hide_user("no answer from ftp://me:secret@host/a")
    'no answer from ftp://host/a'
    """
    return _USER.sub("://", text)


def join_name(folder: str | Path, name: str) -> str:
    """Return the name of a file in a folder, which may be the URL of one.

    >>> join_name("s3://bucket/out/", "a.json"), join_name("out/", "a.json")
    ('s3://bucket/out/a.json', 'out/a.json')
    """
    return f"{str(folder).rstrip('/')}/{name}" if is_remote(folder) else str(Path(folder, name))


def address_hint(name: str) -> str | None:
    """Return what may be wrong with a path that looks like a URL; None where nothing does.

    >>> address_hint("s4://bucket/a.json")
    'fsspec knows no protocol s4://; did you mean s3://?'
    """
    url, cut = _URL.match(name), _CUT.match(name)
    if cut and cut[1] in _protocols():
        return f"a Path takes a slash out of {cut[1]}://; pass a str"
    if url is None or url[1] in _protocols():
        return None
    close = get_close_matches(url[1].lower(), sorted(_protocols()), n=1, cutoff=0.5)
    return f"fsspec knows no protocol {url[1]}://" + (f"; did you mean {close[0]}://?" if close else "")
