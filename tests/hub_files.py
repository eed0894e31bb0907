"""What the loopback Hub tells of the files of a revision, and their bytes."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

from hub_answers import Answer, Refused, Request, to_file_answer, to_json, to_refusal
from hub_api import Api
from hub_store import Blob, Commit, digest_tree, lfs_blob


def info(api: Api, request: Request, match: re.Match[str]) -> Answer:
    repository, commit = api.commit(request, match)
    siblings = [_sibling(path, blob, "blobs" in request.query) for path, blob in sorted(commit.tree.items())]
    told = {
        "_id": "1", "id": repository.id, "author": repository.id.split("/")[0], "sha": commit.id, "disabled": False,
        "lastModified": commit.date, "createdAt": commit.date, "private": repository.private, "likes": 0,
        "gated": "auto" if api.rules.gate else False, "tags": [], "downloads": 0, "siblings": siblings,
    }  # fmt: skip
    return to_json(told, X_Repo_Commit=commit.id)


def _sibling(path: str, blob: Blob, is_full: bool) -> dict[str, Any]:
    if not is_full:
        return {"rfilename": path}
    lfs = {"lfs": {"sha256": blob.sha256, "size": blob.size_bytes, "pointerSize": 134}} if blob.is_lfs else {}
    return {"rfilename": path, "size": blob.size_bytes, "blobId": blob.oid, **lfs}


def commits(api: Api, request: Request, match: re.Match[str]) -> Answer:
    repository, commit = api.commit(request, match)
    told = [
        {"id": c.id, "title": c.title, "message": c.description, "date": c.date, "authors": [{"user": "tester"}]}
        for c in repository.history(commit)
    ]
    return to_json(told)


def _entries(commit: Commit, *, has_expand: bool) -> dict[str, dict[str, Any]]:
    """Return every file and folder of a commit as the Hub lists it, by its path."""
    last = {"lastCommit": {"id": commit.id, "title": commit.title, "date": commit.date}} if has_expand else {}
    told: dict[str, dict[str, Any]] = {}
    for path, blob in sorted(commit.tree.items()):
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            folder = str(parent)
            within = {p: b for p, b in commit.tree.items() if p.startswith(folder + "/")} if folder not in told else {}
            told.setdefault(
                folder, {"type": "directory", "oid": digest_tree(within), "size": 0, "path": folder, **last}
            )
        lfs = {"lfs": {"oid": blob.sha256, "size": blob.size_bytes, "pointerSize": 134}} if blob.is_lfs else {}
        told[path] = {"type": "file", "oid": blob.oid, "size": blob.size_bytes, "path": path, **lfs, **last}
    return told


def tree(api: Api, request: Request, match: re.Match[str]) -> Answer:
    _, commit = api.commit(request, match)
    told = _entries(commit, has_expand=request.is_true("expand"))
    folder = unquote(match[4] or "").strip("/")
    if folder and told.get(folder, {}).get("type") != "directory":
        raise Refused(404, "EntryNotFound", f'{folder} does not exist on "{unquote(match[3])}"')
    is_deep = request.is_true("recursive")
    start = folder + "/" if folder else ""
    kept = [v for p, v in told.items() if p.startswith(start) and (is_deep or "/" not in p[len(start) :])]
    page_size = min(api.rules.page_size, 50) if request.is_true("expand") else api.rules.page_size
    first = int(request.query.get("cursor", ["0"])[0])
    end = first + int(request.query.get("limit", [str(page_size)])[0])
    query = "&".join(f"{k}={quote(v[0])}" for k, v in request.query.items() if k != "cursor")
    following = f'<{api.endpoint}{request.path}?{query}&cursor={end}>; rel="next"'
    return to_json(kept[first:end], 200, **({"Link": following} if end < len(kept) else {}))


def paths_info(api: Api, request: Request, match: re.Match[str]) -> Answer:
    asked = request.form()
    _, commit = api.commit(request, match)
    told = _entries(commit, has_expand=asked.get("expand", ["false"])[0].lower() == "true")
    return to_json([told[path.strip("/")] for path in asked.get("paths", []) if path.strip("/") in told])


def resolve(api: Api, request: Request, match: re.Match[str]) -> Answer:
    repository, commit = api.commit(request, match)
    token = (request.headers["Authorization"] or "").removeprefix("Bearer ")
    if api.rules.gate and not token:
        raise Refused(401, "GatedRepo", f"Access to dataset {repository.id} is restricted.")
    if api.rules.gate and api.rules.accepted is not None and token not in api.rules.accepted:
        raise Refused(403, "GatedRepo", f"Access to dataset {repository.id} is restricted.")
    path = unquote(match[4])
    told = {"X-Repo-Commit": commit.id}
    if path not in commit.tree:
        missing = to_refusal(404, "EntryNotFound", "Entry not found")
        return missing._replace(headers={**missing.headers, **told})
    blob = commit.tree[path]
    if not blob.is_lfs:
        return to_file_answer(blob, request.headers["Range"], path, told)
    place = "" if repository.live else f"sha256/{blob.sha256}/"
    linked = {"X-Linked-Size": str(blob.size_bytes), "X-Linked-ETag": f'"{blob.sha256}"'}
    return Answer(302, {"Location": f"{api.storage}/cdn/{place}{quote(path)}", **told, **linked}, b"", 0, 0)


def cdn_object(api: Api, request: Request, match: re.Match[str]) -> Answer:
    paths = [r.lfs[match[1]] for r in api.store.repositories.values() if match[1] in r.lfs]
    if not paths:
        raise Refused(404)
    blob = lfs_blob(match[1], paths[0].stat().st_size, paths[0])
    return to_file_answer(blob, request.headers["Range"], unquote(match[2]), {})


def cdn_live(api: Api, request: Request, match: re.Match[str]) -> Answer:
    path = unquote(match[1])
    for repository in api.store.repositories.values():
        commit = repository.find("main") if repository.live else None
        if commit and path in commit.tree:
            return to_file_answer(commit.tree[path], request.headers["Range"], path, {"X-Repo-Commit": commit.id})
    raise Refused(404)
