"""What a card states: licence, rights, configurations, and how many rows each split has. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from svit_datasets.errors import InputError
from svit_datasets.publish.layout import README

RIGHTS = "Rights and attribution"
_MEND = "put it back, or build again"


class Pattern(NamedTuple):
    """Files that a card names.

    Attributes:
        config: The configuration.
        split: The split.
        glob: Their pattern, with ``/``.
    """

    config: str
    split: str
    glob: str

    def names(self, path: str) -> bool:
        """Tell whether it names a file.

        >>> Pattern("detail", "train", "data/detail/train-*").names("data/detail/train-00000-of-00001.parquet")
        True
        """
        is_deep = "**" in self.glob or path.count("/") == self.glob.count("/")
        return is_deep and fnmatchcase(path, self.glob)


class Stated(NamedTuple):
    """What a card states.

    Attributes:
        licence: Its licence, as in the YAML; empty where it states none.
        rights: Its section on rights and attribution; empty where it has none.
        patterns: The files of each configuration and split.
        rows: Rows by configuration and split.
    """

    licence: str
    rights: str
    patterns: tuple[Pattern, ...]
    rows: Mapping[tuple[str, str], int]


def read_stated(card: str) -> Stated:
    """Return what a card states.

    Args:
        card: The card, Markdown with YAML in front.

    Returns:
        What it states.

    Raises:
        InputError: Its YAML cannot be read, or names no files.

    >>> text = "configs:\\n- config_name: detail\\n  data_files:\\n  - {split: test, path: data/detail/test-*}"
    >>> read_stated(f"---\\nlicense: cc-by-4.0\\n{text}\\n---\\n# A\\n").patterns
    (Pattern(config='detail', split='test', glob='data/detail/test-*'),)
    """
    import msgspec

    match = re.match(r"\ufeff?\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", card, re.S)
    try:
        data = msgspec.yaml.decode(match[1]) if match else None
    except msgspec.DecodeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{README}: its YAML cannot be read ({reason}); mend it, or build again") from error
    if match is None or not isinstance(data, dict):
        raise InputError(f"{README}: has no YAML between two lines ---; {_MEND}")
    try:
        patterns, rows = tuple(_patterns(data)), dict(_rows(data))
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        told = f"{README}: configs or dataset_info is not as `datasets` reads it ({type(error).__name__}: {error})"
        raise InputError(f"{told}; {_MEND}") from error
    if not patterns:
        raise InputError(f"{README}: its YAML names no files under configs; {_MEND}")
    return Stated(_words(data.get("license")), section(card[match.end() :], RIGHTS), patterns, rows)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _patterns(data: Mapping[str, Any]) -> Iterator[Pattern]:
    for config in _list(data.get("configs")):
        for files in _list(config.get("data_files")):
            split, paths = (files["split"], files["path"]) if isinstance(files, dict) else ("train", files)
            for path in _list(paths):
                yield Pattern(str(config["config_name"]), str(split), str(path))


def _rows(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], int]]:
    for told in _list(data.get("dataset_info")):
        for split in _list(told.get("splits")):
            yield (str(told.get("config_name", "default")), str(split["name"])), int(split["num_examples"])


def section(markdown: str, title: str) -> str:
    """Return what stands under a heading, up to the next of its level or above; empty where there is none.

    >>> section("# A\\n## Rights\\nMine.\\n### More\\nYours.\\n## Next\\n", "Rights")
    'Mine.\\n### More\\nYours.'
    """
    lines, inside, level = [], False, 0
    for line in markdown.splitlines():
        heading = re.match(r"(#+)\s+(.*?)\s*#*\s*$", line)
        if heading and inside and len(heading[1]) <= level:
            break
        if heading and not inside and heading[2].casefold() == title.casefold():
            inside, level = True, len(heading[1])
        elif inside:
            lines.append(line.rstrip())
    return "\n".join(lines).strip()
