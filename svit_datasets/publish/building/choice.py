"""What is built from which files: configurations, where their records and photos lie, what to watch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from svit_datasets.configs import CONFIGS, IMAGES_CONFIG, task_of_config
from svit_datasets.errors import InputError
from svit_datasets.findings import finding
from svit_datasets.images.joining import OnMissing
from svit_datasets.images.stores import find_places
from svit_datasets.publish.building.recipe import ConfigRecipe, Recipe
from svit_datasets.reading.containers import input_error
from svit_datasets.reading.sources import find_sources, watched_files

PhotosMode = Literal["embed", "separate", "none"]
_TERMS = ("NOTICE", "LICENSE", "LICENCE")
PHOTOS_MODES: tuple[PhotosMode, ...] = ("embed", "separate", "none")


def choose_configs(root: Path, wanted: Sequence[str], photos: PhotosMode) -> tuple[list[ConfigRecipe], list[str]]:
    """Return the configurations to build, and those that ``root`` does not have.

    Args:
        root: Folder with SVIT's files.
        wanted: Configurations; none is all tasks that are there.
        photos: Where photos' bytes go: into every configuration, into ``images`` alone, or nowhere.

    Returns:
        The configurations, in their fixed order, and the names of the tasks that were left out.

    Raises:
        InputError: A configuration that was asked for is not there, or none is.
    """
    is_embedded, is_separate = photos == "embed", photos == PHOTOS_MODES[1]
    found: list[ConfigRecipe] = []
    absent: list[str] = []
    for name in CONFIGS:
        task = task_of_config(name)
        if wanted and name not in wanted and not (is_separate and task is None):
            continue
        if task is None:
            if name in wanted or is_separate:
                found.append(ConfigRecipe(name, str(root), is_embedded or is_separate))
            continue
        try:
            sources = find_sources(root, task, with_files=False)
        except InputError:
            if wanted or not root.is_dir():
                raise
            absent.append(name)
            continue
        found.append(ConfigRecipe(name, str(sources.text), is_embedded))
    if not any(config.has_text for config in found) and not wanted:
        looked = "conversation, complex_reasoning, referring_qa or detail_description, there or under data/"
        raise input_error(finding("input-missing", "no records", file=str(root), expected=looked))
    return found, absent


def find_terms(root: Path) -> list[Path]:
    """Return the files at the top of ``root`` that state terms of their own: notices and licences."""
    return sorted(path for path in root.iterdir() if path.stem.upper() in _TERMS and path.is_file())


def make_recipe(
    root: Path,
    configs: Sequence[ConfigRecipe],
    *,
    on_missing_image: OnMissing,
    check_images: bool,
    coco_captions: tuple[str, ...],
    staging: tuple[Path, Path],
) -> Recipe:
    """Return what the shards are made of.

    Args:
        root: Folder with SVIT's files.
        configs: Its configurations.
        on_missing_image: See ``Recipe``.
        check_images: Likewise.
        coco_captions: Likewise.
        staging: The folders of records and of shards.

    Returns:
        The recipe.

    Raises:
        InputError: Photos are wanted and there are none.
    """
    with_photos = any(config.has_photos for config in configs)
    if with_photos or all(config.name == IMAGES_CONFIG for config in configs):
        find_sources(root, None, with_files=with_photos)  # raises where there are none
    places = find_places(root)
    return Recipe(
        root=root,
        image_roots=(root,) if places.holders or places.image_data else (),
        configs=tuple(configs),
        photos="embed" if with_photos else "none",
        on_missing_image=on_missing_image,
        check_images=check_images,
        coco_captions=coco_captions,
        records=staging[0],
        output=staging[1],
    )


def files_of(recipe: Recipe) -> list[Path]:
    """Return the files and folders that a build reads."""
    captions = [Path(p) for p in recipe.coco_captions]
    found: dict[Path, None] = {}
    for config in recipe.configs:
        with_files = recipe.photos != "none"
        sources = find_sources(recipe.root, task_of_config(config.name), with_files=with_files)
        found |= dict.fromkeys(watched_files(recipe.root, sources, with_files=with_files, more=captions))
    return list(found)
