"""The ``datasets`` builder: five configurations of SVIT, joined to Visual Genome's images.

Keep this module free of ``open`` and of paths: ``datasets`` patches both in a builder's module while it streams.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, ClassVar

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError

from svit_datasets import VERSION
from svit_datasets.configs import CONFIGS, find_config
from svit_datasets.errors import InputError, RecordError, SvitError, UsageError
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB
from svit_datasets.remote.hub import REPOSITORY
from svit_datasets.tables.columns import describe, features_of
from svit_datasets.tables.rows import read_tables
from svit_datasets.tables.spec import Share, TableSpec, default_root, make_spec

NAME = "svit"
HOMEPAGE = "https://github.com/BAAI-DCAI/Visual-Instruction-Tuning"
CITATION = """\
@article{zhao2023svit,
  title={SVIT: Scaling up Visual Instruction Tuning},
  author={Zhao, Bo and Wu, Boya and He, Muyang and Huang, Tiejun},
  journal={arXiv preprint arXiv:2307.04087},
  year={2023}
}"""
_MAJOR = datasets.__version__.split(".")[0]  # older versions do not read what newer ones cached
_NOT_ASKED = ("name", "version", "data_files", "description")
_SPLITS = ("train", "test")


class BuildError(SvitError, DatasetGenerationError):  # type: ignore[misc]
    """What went wrong in a build, on its way through ``datasets``, which would hide an ``OSError``."""


class BuildInputError(InputError, DatasetGenerationError):  # type: ignore[misc]
    """A file cannot be used; also what ``datasets`` raises where a build fails."""


class BuildRecordError(RecordError, DatasetGenerationError):  # type: ignore[misc]
    """A record or image is at fault; also what ``datasets`` raises where a build fails."""


@dataclass
class SvitConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """A configuration with its options; ``load_dataset`` takes each as a keyword.

    Attributes:
        images: ``path`` (the file where it lies, read on access), ``embed`` (its bytes in the table) or ``none``.
        granularity: One row an ``image``, a ``conversation`` or a question-answer pair (``qa``).
        on_missing_image: ``error``, ``null`` or ``drop`` for images that are missing or cannot be decoded.
        check_images: Whether every image is decoded once while the table is built.
        on_error: ``raise`` or ``skip`` for faulty records.
        coco_captions: COCO caption files to join.
        columns: Columns to load; all by default.
        max_record_mb: Largest native record, in MiB.
        hub_repo_id: Where to download from without ``data_dir`` and ``SVIT_DATA_DIR``.
        revision: Branch, tag or commit there.
    """

    images: str = "path"
    granularity: str = "image"
    on_missing_image: str = "error"
    check_images: bool = True
    on_error: str = "raise"
    coco_captions: Any = None
    columns: Any = None
    max_record_mb: int = DEFAULT_MAX_RECORD_MB
    hub_repo_id: str = REPOSITORY
    revision: str | None = None

    def spec(self, token: str | bool | None = None) -> TableSpec:
        """Return the options, checked.

        Raises:
            UsageError: An option has none of its values.
        """
        return make_spec(
            config=self.name,
            data_dir=self.data_dir,
            repo_id=self.hub_repo_id,
            revision=self.revision,
            token=token,
            granularity=self.granularity,
            images=self.images,
            on_missing_image=self.on_missing_image,
            check_images=self.check_images,
            on_error=self.on_error,
            coco_captions=self.coco_captions,
            columns=self.columns,
            max_record_mb=self.max_record_mb,
        )

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Return the name under which the built table is cached.

        It changes with the options and with the files that this configuration is made from, not with others.
        """
        del config_kwargs  # the options are told by the configuration itself
        return f"{self.name}-{self.spec().digest(f'{_MAJOR} {custom_features!r}')}"


class Svit(datasets.ArrowBasedBuilder):  # type: ignore[misc]
    """SVIT: conversation, complex_reasoning, referring, detail, and the images alone.

    Args:
        cache_dir: Where tables are cached.
        dataset_name: Their name there.
        config_name: One of the configurations; file stems and ``-`` for ``_`` are understood.
        hash: Part of their name there.
        data_dir: Folder with SVIT's files; ``SVIT_DATA_DIR`` by default, else they come from the Hub.
        data_files: Not taken: ``data_dir`` names the folder.
        options: Options of ``SvitConfig``, and what ``datasets`` passes.

    Raises:
        UsageError: A name or an option is unknown.
        InputError: The files are not there.
    """

    BUILDER_CONFIG_CLASS = SvitConfig
    BUILDER_CONFIGS: ClassVar[list[SvitConfig]] = [SvitConfig(name=name, version=VERSION) for name in CONFIGS]

    def __init__(
        self,
        cache_dir: str | None = None,
        dataset_name: str | None = None,
        config_name: str | None = None,
        hash: str | None = None,
        *,
        data_dir: Any = None,
        data_files: Any = None,
        **options: Any,
    ) -> None:
        if data_files is not None:
            raise UsageError("data_files is not taken; name the folder with SVIT's files in data_dir")
        _check_options(options)
        for name in ("coco_captions", "columns"):  # they are looked at more than once
            if isinstance(options.get(name), Iterable) and not isinstance(options[name], str):
                options[name] = list(options[name])
        super().__init__(
            cache_dir=cache_dir,
            dataset_name=dataset_name or NAME,
            config_name=find_config(config_name),
            hash=hash or VERSION,
            data_dir=default_root(data_dir),
            **options,
        )

    def _info(self) -> datasets.DatasetInfo:
        columns = self.config.spec().make_columns()
        return datasets.DatasetInfo(
            description=describe(self.config.name, columns),
            features=features_of(columns),
            homepage=HOMEPAGE,
            license="cc-by-4.0",
            citation=CITATION,
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        spec = self.config.spec(self.token)
        if spec.root is None and not dl_manager.is_streaming:
            spec = replace(spec, root=spec.find_root())
        if spec.root is not None:
            spec = replace(spec, token=None)  # it is of no use any more, and is not for pickles
        shares = spec.make_shares()
        spec = replace(spec, expected_stamp=None if spec.root is None else spec.stamp())
        given = {"shares": shares, "is_stream": dl_manager.is_streaming}
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={**given, "spec": replace(spec, is_test=is_test)})
            for split, is_test in zip(_SPLITS, (False, True), strict=True)
        ]

    def _generate_tables(
        self, shares: Sequence[Share], is_stream: bool, spec: TableSpec
    ) -> Iterator[tuple[Any, pa.Table]]:
        make_key = getattr(datasets.builder, "Key", lambda *key: key)  # older versions take any key
        try:
            for number, (first, table) in enumerate(read_tables(spec, list(shares))):
                yield make_key(first, number), table
        except GeneratorExit:
            raise
        except SvitError as error:
            if is_stream:
                raise
            raise BuildError(error.message, error.finding) from error

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build the table, where it is not built yet; see ``datasets.DatasetBuilder``.

        Raises:
            InputError: A file cannot be used, or cannot be fetched.
            RecordError: A record or an image is at fault.
        """
        try:
            super().download_and_prepare(*args, **kwargs)
        except BuildError as error:
            is_file = error.finding is None or error.finding.code.startswith("input-")
            kind = BuildInputError if is_file else BuildRecordError
            raise kind(error.message, error.finding) from None

    def as_dataset(self, split: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return the built split, or all that have rows.

        A split without rows (a part of SVIT without held-out images, say) is an empty dataset rather than an error when
        it is asked for, and is left out of a ``DatasetDict``, which could not be saved and loaded with it.
        """
        known = self.info.splits or {}
        if split is None and known:
            names = [name for name in known if known[name].num_examples] or list(known)
            return datasets.DatasetDict({name: self.as_dataset(name, *args, **kwargs) for name in names})
        if isinstance(split, list | tuple):
            return [self.as_dataset(one, *args, **kwargs) for one in split]
        name = str(split).split("[")[0]
        if name in known and not known[name].num_examples and "+" not in str(split):
            table = self.info.features.arrow_schema.empty_table()
            return datasets.Dataset(table, info=self.info.copy(), split=datasets.NamedSplit(str(split)))
        return super().as_dataset(split, *args, **kwargs)


def _check_options(options: Iterable[str]) -> None:
    """Raise where an option is none of SvitConfig's and none of the builder's of ``datasets``."""
    own = [field.name for field in fields(SvitConfig) if field.name not in _NOT_ASKED]
    known = {*own, *inspect.signature(datasets.DatasetBuilder.__init__).parameters}
    for name in options:
        if name not in known:
            close = get_close_matches(name, own, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise UsageError(f"{name}: no such option; there are {', '.join(own)}{hint}")
