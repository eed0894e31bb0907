"""The card of a folder that holds a part of a repository: its YAML lists what is there, so that it loads.

Plain ``datasets`` loads nothing where a card lists files that are missing. The card as on the Hub is kept aside.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from svit_datasets.errors import InputError
from svit_datasets.publish.card.stated import read_stated
from svit_datasets.publish.fetching.digests import is_same_file
from svit_datasets.publish.fetching.wanted import RemoteFile
from svit_datasets.publish.layout import README

KEPT = ".cache/huggingface/svit-card.md"  # no client uploads what is there, and datasets looks for no files in it
_HEAD = re.compile(r"(\ufeff?\s*---[ \t]*\r?\n)(.*?)(\r?\n---[ \t]*(?:\r?\n|$))", re.S)
_LISTS = ("configs", "dataset_info")


def cut_card(card: str, configs: Collection[str]) -> str:
    """Return a card whose YAML lists some of its configurations alone; the text below stays.

    Args:
        card: Markdown with YAML in front.
        configs: The configurations that stay.

    Returns:
        The card.

    >>> print(cut_card("---\\nconfigs:\\n- config_name: a\\n- config_name: b\\nlicense: mit\\n---\\n# A", ["b"]))
    ---
    configs:
    - config_name: b
    license: mit
    ---
    # A
    """
    import msgspec

    match = _HEAD.match(card)
    if match is None:
        return card
    stated: dict[str, Any] = msgspec.yaml.decode(match[2])
    cut = {key: _cut(value, configs) if key in _LISTS else value for key, value in stated.items()}
    return f"{match[1]}{msgspec.yaml.encode(cut).decode().rstrip()}{match[3]}{card[match.end() :]}"


def _cut(entries: Any, configs: Collection[str]) -> Any:
    listed = entries if isinstance(entries, list) else [entries]
    return [entry for entry in listed if not isinstance(entry, dict) or entry.get("config_name") in configs]


def listed_configs(card: str) -> list[str]:
    """Return the configurations whose files a card lists, in order; none where its YAML cannot be used.

    >>> listed_configs("---\\nconfigs:\\n- {config_name: a, data_files: [{split: train, path: x}]}\\n---\\n")
    ['a']
    >>> listed_configs("# A card without YAML")
    []
    """
    try:
        return list(dict.fromkeys(pattern.config for pattern in read_stated(card).patterns))
    except InputError:
        return []


def configs_there(card: str, files: Iterable[str], there: Collection[str]) -> list[str]:
    """Return the configurations of a card all of whose files are there.

    Args:
        card: The card.
        files: The paths in the repository.
        there: Those of them that are in the folder.

    Returns:
        Their names, in the card's order.

    >>> card = "---\\nconfigs:\\n- {config_name: a, data_files: a/*}\\n- {config_name: b, data_files: b/*}\\n---\\n"
    >>> configs_there(card, ["a/1", "a/2", "b/1"], ["a/1", "b/1"])
    ['b']
    """
    named: dict[str, set[str]] = {config: set() for config in listed_configs(card)}
    paths = list(files)
    for pattern in read_stated(card).patterns if named else ():
        named[pattern.config].update(path for path in paths if pattern.names(path))
    return [config for config, of_config in named.items() if of_config and of_config <= set(there)]


def is_there(root: Path, file: RemoteFile) -> bool:
    """Tell whether a file of the repository is in the folder, byte for byte; of the card, whether cut down from it."""
    path = root / file.path
    if is_same_file(path, file):
        return True
    if file.path != README or not path.is_file() or not is_same_file(root / KEPT, file):
        return False
    here, whole = _read(path), _read(root / KEPT)
    return here is not None and whole is not None and here == cut_card(whole, listed_configs(here))


def settle_card(root: Path, files: Collection[RemoteFile]) -> tuple[str, ...]:
    """Make the card in the folder list what is there; where that is all, it is the Hub's again.

    Args:
        root: The folder, with the card as on the Hub, or cut down from it.
        files: The files of the repository.

    Returns:
        The configurations that it leaves out.

    Raises:
        OSError: The folder cannot be written.
    """
    remote = next((file for file in files if file.path == README), None)
    if remote is None:
        return ()
    is_whole = is_same_file(root / README, remote)
    card = _read(root / (README if is_whole else KEPT))
    if card is None:  # no text; datasets says so
        return ()
    there = [file.path for file in files if _has_size(root / file.path, file.size_bytes)]
    held = configs_there(card, [file.path for file in files], there)
    left_out = tuple(config for config in listed_configs(card) if config not in held)
    if held and left_out:
        _write(root / KEPT, card)
        _write(root / README, cut_card(card, held))
        return left_out
    if not is_whole:
        _write(root / README, card)
    (root / KEPT).unlink(missing_ok=True)
    return ()


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.with_name(f".{path.name}.part")
    begun.write_bytes(content)
    begun.replace(path)
