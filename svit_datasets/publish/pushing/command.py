"""The command ``svit-convert push``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from svit_datasets.errors import UsageError
from svit_datasets.publish.building.command import BUILD_OPTIONS, build_keywords, build_options, close, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from svit_datasets.publish.pushing.pushed import Pushed

_INTERRUPTED = 130
_HOW = (
    *("revision", "create_pr", "public", "licence_ok", "dry_run", "overwrite", "stale_ok"),
    "commit_message",
)


def lower_first(sentence: str) -> str:
    """Return a sentence as it goes on behind a colon; a first word of capitals stays as it is.

    Args:
        sentence: The sentence.

    >>> lower_first("Split to build."), lower_first("COCO caption file.")
    ('split to build.', 'COCO caption file.')
    """
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--repo-id", required=True, metavar="ORG/NAME", help="Dataset repository; it is made, private, where it is not there.")  # fmt: skip
@click.option("--revision", metavar="R", help="Branch to push to, made from main where it is not there, or an open pull request as refs/pr/N; main by default.")  # fmt: skip
@click.option("--create-pr", is_flag=True, help="Open a pull request, which may replace what differs: main stays as it is until it is merged. Each run opens another: go on in one that is open with --revision refs/pr/N.")  # fmt: skip
@click.option("--public", is_flag=True, help="Make a new repository public. One that is there stays as it is.")
@click.option("--licence-ok", is_flag=True, help="You have looked at the photos' rights, which the command shows, and may send them. Text alone needs no such word.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Change nothing: list what would be sent, and its size.")
@click.option("--overwrite", is_flag=True, help="Replace files of the repository that have other content, and delete shards that the new card does not load.")  # fmt: skip
@click.option("--stale-ok", is_flag=True, help="Push a folder whose source has changed since it was built.")
@click.option("--commit-message", metavar="M", help="What the commits are called.")
@click.option("-o", "--output", metavar="FOLDER", help="Build: where DIR is built, if it is SVIT's files; it stays there. By default a place in the client's cache, removed when all is sent.")  # fmt: skip
@build_options
@click.pass_context
def push(context: click.Context, /, folder: str, repo_id: str, **given: Any) -> None:
    """Send a folder that build made to the Hugging Face Hub; what is there already is not sent again.

    DIR is such a folder, or one with SVIT's files, which is built first: options whose help begins with "Build:" are
    for that.

    The token is the one of HF_TOKEN or `hf auth login`. Nothing is sent before the folder was looked through: for
    damaged shards, for counts on the card that are not the shards', for paths of this machine.

    \b
    svit-convert push svit-hub --repo-id org/svit --licence-ok --dry-run
    """
    from svit_datasets.publish.pushing.push import check_access
    from svit_datasets.publish.pushing.push import push as run
    from svit_datasets.publish.pushing.source import built_folder, check_source, is_built

    how = {name: given[name] for name in _HOW}
    options, is_trial = build_keywords(given), given["dry_run"]
    try:
        if is_built(Path(folder)):
            _refuse_build_options(context, folder)
        else:
            check_source(folder, options)
            _check_rights(folder, given)
        check_access(repo_id, given["revision"], create_pr=given["create_pr"], tell=say)  # before what takes long
        with built_folder(folder, given["output"], options, close, tell=say, is_trial=is_trial) as built:
            pushed = run(built, repo_id, tell=say, **how)
    except KeyboardInterrupt:
        click.echo("interrupted; run this again to go on", err=True)
        sys.exit(_INTERRUPTED)
    if given["dry_run"]:
        for line in table_of(pushed):
            click.echo(line)
        return
    for line in closing_of(pushed):
        click.echo(line, err=True)


for _parameter in push.params:
    if _parameter.name in BUILD_OPTIONS and isinstance(_parameter, click.Option):
        _parameter.help = f"Build: {lower_first(str(_parameter.help))}"


def _refuse_build_options(context: click.Context, folder: str) -> None:
    """Raise where an option of build is given with a folder that is built already."""
    for parameter in context.command.params:
        name = str(parameter.name)
        if name in BUILD_OPTIONS and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"{folder}: is built already, so {parameter.opts[0]} comes too late; build it again with it"
            )


def _check_rights(folder: str, given: dict[str, Any]) -> None:
    """Raise before a long build whose result could not be pushed."""
    from svit_datasets.publish.pushing.push import WHY_RIGHTS

    if given["images"] != "none" and not given["licence_ok"]:
        raise UsageError(f"{folder}: photos would be sent, and --licence-ok is not given: {WHY_RIGHTS}")


def table_of(pushed: Pushed) -> Iterator[str]:
    """Yield what a push would do, file by file, and the sum."""
    from svit_datasets.publish.pushing.pushed import privacy
    from svit_datasets.publish.pushing.repository import NEW, REPLACED
    from svit_datasets.sizes import show_size

    width = max(len(item.path) for item in pushed.items)
    for item in pushed.items:
        size = show_size(item.size_bytes) if item.size_bytes else "-"
        yield f"{item.path:<{width}}  {size:>8}  {item.state}"
    sent = [item.size_bytes for item in pushed.items if item.state in (NEW, REPLACED)]
    yield f"to send: {len(sent):,} files, {show_size(sum(sent))}, to {pushed.url} ({privacy(pushed.private)})"
    if pushed.left_alone:
        yield f"left alone there: {', '.join(pushed.left_alone)}"
    yield "nothing was sent: --dry-run"


def closing_of(pushed: Pushed) -> Iterator[str]:
    """Yield what a push did, where it is, and how to load it."""
    from svit_datasets.publish.pushing.pushed import privacy
    from svit_datasets.publish.pushing.repository import DELETED, NEW, REPLACED, THERE
    from svit_datasets.sizes import show_size

    found = pushed.found or ()
    sent = [i.size_bytes for i in pushed.items if i.state in (NEW, REPLACED) and i.path not in found]
    there = [i.size_bytes for i in pushed.items if i.state == THERE or i.path in found]
    gone = [item.path for item in pushed.items if item.state == DELETED]
    told = f"push: {len(sent):,} files, {show_size(sum(sent))}; there already {len(there):,}"
    told += f", {show_size(sum(there))}" if there else ""
    told += " (by Xet, which leaves out what the Hub has of them)" if pushed.found is None else ""
    yield told + (f"; deleted {', '.join(gone)}" if gone else "")
    if pushed.left_alone:
        yield f"left alone there: {', '.join(pushed.left_alone)}"
    if pushed.pull_url:
        yield f"pull request: {pushed.pull_url} (to go on in it: --revision {pushed.revision})"
    elif pushed.commit_url:
        yield f"commit: {pushed.commit_url}"
    yield f"repository: {pushed.url} ({privacy(pushed.private)})"
    yield f"load it: {pushed.load}"
