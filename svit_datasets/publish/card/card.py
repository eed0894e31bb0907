"""The card of a published folder: the template ``dataset_card.md``, filled in from what the build counted.

Its YAML tells ``datasets`` and the Hub what to load; every number in it is computed from the shards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, NamedTuple

from svit_datasets import VERSION
from svit_datasets.configs import IMAGES_CONFIG, task_of_config
from svit_datasets.publish.card.features import features_yaml
from svit_datasets.publish.card.text import (
    ABOUT,
    ABOUT_UNPICTURED,
    column_row,
    counted,
    example_text,
    layout_summary,
    line_text,
    number_text,
    size_category,
    size_text,
)
from svit_datasets.publish.layout import glob_of
from svit_datasets.publish.release import Config, Counts, Release
from svit_datasets.tables.columns import Column
from svit_datasets.validation.answers import KNOWN_BROKEN_IDS, KNOWN_BROKEN_TASK

PLACEHOLDER = "org/svit"
_TEMPLATE = "dataset_card.md"
_PLACES = re.compile(rf'(?<="){PLACEHOLDER}(?=")|(?<=hf://datasets/){PLACEHOLDER}(?=/)')
_CAPTIONS = "captions"


class Count(NamedTuple):
    """A column of the card's table of splits.

    Attributes:
        title: What it counts.
        field: The field of ``Counts``.
    """

    title: str
    field: str

    def text(self, counts: Counts) -> str:
        """Return the number.

        >>> Count("rows", "rows").text(Counts(rows=1234))
        '1,234'
        """
        return number_text(getattr(counts, self.field))


_COUNTS = (
    *(Count(field, field) for field in ("rows", "conversations", "pairs")),
    Count("marked phrases", "phrases"),
    Count("boxes of marked phrases", "boxes"),
    Count("photos", "photos"),
)

_KNOWN: Mapping[str, object] = {
    "counted": counted,
    "example_text": example_text,
    "known_broken": sorted(KNOWN_BROKEN_IDS),
    "number_text": number_text,
    "placeholder": PLACEHOLDER,
    "size_text": size_text,
    "version": VERSION,
}


def read_template() -> str:
    """Return the card's template, as it is installed."""
    return (files("svit_datasets") / _TEMPLATE).read_text("utf-8")


def render_card(release: Release) -> str:
    """Return the card of a published folder.

    Args:
        release: What the build made.

    Returns:
        Markdown with YAML in front; the repository is called ``PLACEHOLDER`` in it.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # Markdown, not HTML: cells are escaped where they are made
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined, autoescape=False
    )
    return environment.from_string(read_template()).render(**_KNOWN, **_computed(release))


def with_repo_id(card: str, repo_id: str) -> str:
    """Return the card of a folder that goes to ``repo_id``.

    Args:
        card: The card as built, or as edited since.
        repo_id: The repository, ``org/name``.

    Returns:
        The card with the repository's name where its examples load it; all other text stays.

    >>> with_repo_id('load_dataset("org/svit", "detail")  # of-org/svit-2', "me/mine")
    'load_dataset("me/mine", "detail")  # of-org/svit-2'
    """
    return _PLACES.sub(lambda _: repo_id, card)


def _computed(release: Release) -> dict[str, Any]:
    """Return what the template knows of a release."""
    main = main_config(release)
    names = {column.name for config in release.configs for column in config.columns}
    return {
        **_of_columns(release.configs),
        **_of_naming(release),
        "about": {**ABOUT, **(ABOUT_UNPICTURED if not release.has_photos else {})},
        "boxed": main.has_boxes,
        "broken": sorted({image_id for shard in release.shards for image_id in shard.broken}),
        "captioned": _CAPTIONS in names,
        "computed_yaml": _yaml(release.configs),
        "configs": release.configs,
        "counts": release.counts,
        "counts_told": [count for count in _COUNTS if getattr(release.counts, count.field)],
        "has_known_broken": any(task_of_config(config.name) == KNOWN_BROKEN_TASK for config in release.configs),
        "image_count": sum(release.images.values()),
        "images": release.images,
        "left_out": release.left_out,
        "main": main,
        "main_split": next(iter(main.splits)),
        "pictured": [config for config in release.configs if config.has_photos],
        "size_category": size_category(release.counts.rows),
        "texts": text_configs(release.configs),
        "unpictured": [c for c in release.configs if c.has_photos and c.counts.rows > c.counts.photos],
    }


def _of_naming(release: Release) -> Mapping[str, object]:
    """Return what the template knows of a dataset's name, licence and origin."""
    naming = release.naming
    has_text, has_boxes = bool(text_configs(release.configs)), main_config(release).has_boxes
    return {
        "column_row": partial(column_row, is_svit=naming.is_svit),
        "is_of_visual_genome": release.is_of_visual_genome,
        "is_svit": naming.is_svit,
        "licence": naming.licence,
        "named_yaml": "\n".join((_yaml_of(pretty_name=naming.title), _yaml_of(license=naming.licence))),
        "summary": layout_summary(has_text=has_text, has_boxes=has_boxes),
        "title": line_text(naming.title),
    }


def _yaml_of(**entry: Any) -> str:
    """Return entries of the card's YAML, quoted where that takes quotes."""
    from huggingface_hub import DatasetCardData

    return str(DatasetCardData(**entry).to_yaml())


def _of_columns(configs: Sequence[Config]) -> Mapping[str, object]:
    """Return the columns that configurations share, by who shares them, and those that each has beyond."""
    of_all = _shared(configs)
    of_texts = [column for column in _shared(text_configs(configs)) if column not in of_all]
    shared = {"Every configuration has": of_all, "Every configuration with text has": of_texts}
    told = [*of_all, *of_texts]
    return {
        "shared": {title: columns for title, columns in shared.items() if columns},
        "own": {config.name: [c for c in config.columns if c not in told] for config in configs},
    }


def text_configs(configs: Sequence[Config]) -> list[Config]:
    """Return the configurations with text.

    >>> [c.name for c in text_configs([Config("detail", (), {}, {}), Config("images", (), {}, {})])]
    ['detail']
    """
    return [config for config in configs if config.name != IMAGES_CONFIG]


def main_config(release: Release) -> Config:
    """Return the configuration that examples load: the one with boxes, or else the first."""
    return next((config for config in release.configs if config.has_boxes), release.configs[0])


def _shared(configs: Sequence[Config]) -> list[Column]:
    """Return the columns that all of several configurations have."""
    if len(configs) < 2:
        return []
    return [column for column in configs[0].columns if all(column in config.columns for config in configs)]


def _yaml(configs: tuple[Config, ...]) -> str:
    """Return the part of the card's YAML that tells what there is to load."""
    return _yaml_of(configs=list(map(_files, configs)), dataset_info=list(map(_info, configs)))


def _files(config: Config) -> Mapping[str, object]:
    data_files = [{"split": split, "path": glob_of(config.name, split)} for split in config.splits]
    return {"config_name": config.name, "data_files": data_files}


def _info(config: Config) -> Mapping[str, object]:
    splits = [
        {"name": split, "num_bytes": held.arrow_bytes, "num_examples": held.rows}
        for split, held in config.splits.items()
    ]
    return {
        "config_name": config.name,
        "features": features_yaml(config.columns),
        "splits": splits,
        "download_size": config.counts.shard_bytes,
        "dataset_size": config.counts.arrow_bytes,
    }
