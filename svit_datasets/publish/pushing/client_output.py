"""What ``huggingface_hub`` itself says while it works: bars on a terminal alone, no token in its log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from svit_datasets.remote.redaction import redact


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        return True


@contextmanager
def quiet_client() -> Iterator[None]:
    """Leave the client's bars out where standard error is no terminal, and tokens out of its log."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    handlers = [*logging.getLogger("huggingface_hub").handlers, *logging.getLogger().handlers]
    filtering = _Redacting()
    has_bars = not are_progress_bars_disabled()
    is_seen = sys.stderr is not None and sys.stderr.isatty()
    for handler in handlers:
        handler.addFilter(filtering)
    if has_bars and not is_seen:
        disable_progress_bars()
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(filtering)
        if has_bars and not is_seen:
            enable_progress_bars()
