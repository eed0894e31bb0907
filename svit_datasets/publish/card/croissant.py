"""Croissant: the published folder's shards and tables as JSON-LD, which other tools read and ``push`` checks by.

Each shard is a file with its size and SHA-256, each configuration a set of records. There is no date in it but SVIT's
own, so that two builds of the same input are the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from svit_datasets import VERSION
from svit_datasets.errors import InputError
from svit_datasets.publish.card.card import main_config, render_card, text_configs
from svit_datasets.publish.card.croissant_fields import record_set, shards_id
from svit_datasets.publish.card.text import layout_summary
from svit_datasets.publish.layout import CROISSANT, DATA, parse_shard
from svit_datasets.publish.release import Config, Release, Shard

_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_VISUAL_GENOME = "Visual Genome"
_KEYWORDS = ("visual instruction tuning", "visual question answering", _VISUAL_GENOME, "LLaVA")
_ABOUT_SVIT: Mapping[str, Any] = {
    "description": "Questions and answers about the photos of Visual Genome, written by GPT-4 from captions, object "
    "boxes and region descriptions. The text is CC BY 4.0; the photos are each under their photographer's licence.",
    "url": "https://github.com/BAAI-DCAI/Visual-Instruction-Tuning",
    "creator": [{"@type": "sc:Person", "name": name} for name in ("Bo Zhao", "Boya Wu", "Muyang He", "Tiejun Huang")],
    "inLanguage": "en",
    "datePublished": "2023-07-09",  # SVIT's own; the day of a build is not told
}
_HELD_OUT = "SVIT's held-out images are the split test, all others the split train."
_PARQUET = "application/x-parquet"
_SPLITS = "splits"
_BIBTEX = re.compile(r"```bibtex\n(.*?)```", re.S)
_SIZE = re.compile(r"([0-9]+) B")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AGAIN = "build the folder again"


class ListedFile(NamedTuple):
    """A file that a published folder's ``croissant.json`` lists.

    Attributes:
        path: Where it stands in the folder, with ``/``.
        sha256: Digest, in hexadecimal.
        size_bytes: Its size.
    """

    path: str
    sha256: str
    size_bytes: int


def render_croissant(release: Release) -> bytes:
    """Return ``croissant.json`` of a published folder.

    Args:
        release: What the build made.

    Returns:
        JSON-LD of Croissant 1.1, the same for the same release.
    """
    files = [_file(shard) for shard in release.shards]
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": release.naming.title,
        "license": release.naming.licence_url,
        "keywords": [word for word in _KEYWORDS if word != _VISUAL_GENOME or release.is_of_visual_genome],
        "isLiveDataset": False,
        **_about(release),
        "version": _version(release.shards),
        "distribution": [*files, *map(_file_set, release.configs)],
        "recordSet": [_splits(release), *(record_set(c, is_svit=release.naming.is_svit) for c in release.configs)],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def _about(release: Release) -> Mapping[str, object]:
    """Return who made a dataset and what of: of one that is not SVIT, the build knows its layout alone."""
    if release.naming.is_svit:
        return {**_ABOUT_SVIT, "citeAs": "".join(_BIBTEX.findall(render_card(release)))}
    has_text, has_boxes = bool(text_configs(release.configs)), main_config(release).has_boxes
    return {"description": layout_summary(has_text=has_text, has_boxes=has_boxes)}


def _version(shards: Iterable[Shard]) -> str:
    """Return this package's version and, as semantic versioning has it, which build it is: one for each content."""
    digest = hashlib.sha256("".join(shard.sha256 for shard in shards).encode())
    return f"{VERSION}+{digest.hexdigest()[:12]}"


def _file(shard: Shard) -> Mapping[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": shard.path,
        "name": shard.path,
        "contentUrl": shard.path,
        "contentSize": f"{shard.counts.shard_bytes} B",
        "encodingFormat": _PARQUET,
        "sha256": shard.sha256,
    }


def _file_set(config: Config) -> Mapping[str, object]:
    return {
        "@type": "cr:FileSet",
        "@id": shards_id(config.name),
        "name": shards_id(config.name),
        "description": f"The shards of {config.name}.",
        "encodingFormat": _PARQUET,
        "includes": f"{DATA}/{config.name}/*.parquet",
    }


def _splits(release: Release) -> Mapping[str, object]:
    return {
        "@type": "cr:RecordSet",
        "@id": _SPLITS,
        "name": _SPLITS,
        "dataType": "cr:Split",
        "description": _HELD_OUT if release.naming.is_svit else "The splits.",
        "key": {"@id": f"{_SPLITS}/name"},
        "field": [{"@type": "cr:Field", "@id": f"{_SPLITS}/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{f"{_SPLITS}/name": split} for split in release.images],
    }


class _Distribution(msgspec.Struct, rename={"kind": "@type", "path": "contentUrl", "size": "contentSize"}):
    kind: str
    path: str = ""
    size: str = ""
    sha256: str = ""


class _Document(msgspec.Struct):
    distribution: list[_Distribution]


def read_croissant(data: bytes) -> list[ListedFile]:
    """Return the files that a published folder's ``croissant.json`` lists.

    Args:
        data: The file's content.

    Returns:
        Path, SHA-256 and size of each shard, in its order.

    Raises:
        InputError: It is not one that a build wrote.

    >>> read_croissant(b"[]")
    Traceback (most recent call last):
    svit_datasets.errors.InputError: croissant.json: Expected `object`, got `array`; build the folder again
    """
    try:
        document = msgspec.json.decode(data, type=_Document)
    except msgspec.DecodeError as error:
        raise InputError(f"{CROISSANT}: {error}; {_AGAIN}") from error
    files = [_listed(entry) for entry in document.distribution if entry.kind == "cr:FileObject"]
    if not files:
        raise InputError(f"{CROISSANT}: it lists no shards; {_AGAIN}")
    twice = next((path for path, n in Counter(file.path for file in files).items() if n > 1), None)
    if twice is not None:
        raise InputError(f"{CROISSANT}: {twice} stands in it twice; {_AGAIN}")
    return files


def _listed(entry: _Distribution) -> ListedFile:
    size = _SIZE.fullmatch(entry.size)
    if parse_shard(entry.path) is None:
        raise InputError(f"{CROISSANT}: {entry.path!r} is no shard's path; {_AGAIN}")
    if size is None or not _SHA256.fullmatch(entry.sha256):
        raise InputError(f"{CROISSANT}: {entry.path} has no size and SHA-256; {_AGAIN}")
    return ListedFile(entry.path, entry.sha256, int(size[1]))
