"""What the loopback Hub takes: LFS objects, whole or in parts, and commits."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from hub_answers import Answer, Body, Refused, Request, to_json
from hub_api import Api
from hub_rules import Received
from hub_store import Blob, Repository, lfs_blob, needs_lfs, to_blob


def preupload(api: Api, request: Request, match: re.Match[str]) -> Answer:
    files = request.json()["files"]
    _, commit = api.commit(request, match, write=True)
    told = []
    for file in files:
        is_lfs = needs_lfs(file["path"], file["size"], base64.b64decode(file["sample"]))
        there = commit.tree.get(file["path"])
        mode = {"path": file["path"], "uploadMode": "lfs" if is_lfs else "regular", "shouldIgnore": False}
        told.append({**mode, **({"oid": there.etag} if there else {})})
    return to_json({"files": told})


def add_commit(api: Api, request: Request, match: re.Match[str]) -> Answer:
    lines = [json.loads(line) for line in request.body.read().splitlines() if line.strip()]
    head, changes = lines[0]["value"], lines[1:]
    with api.store.lock:
        repository, base = api.commit(request, match, write=True)
        is_pull = request.is_true("create_pr")
        ref, parent = unquote(match[3]), head.get("parentCommit")
        if parent and not is_pull and parent != base.id:
            raise Refused(412, None, "A commit has happened since. Please refresh and try again.")
        if not is_pull and ref not in repository.branches and ref not in repository.pulls and not repository.live:
            raise Refused(400, None, f"Invalid reference for a commit: {ref}")
        base = (repository.find(parent) or base) if parent else base
        files, sent = _changed(repository, dict(base.tree), changes)
        number = len(repository.pulls) + 1
        ref = f"refs/pr/{number}" if is_pull else ref
        made = repository.add(ref, files, head["summary"], head.get("description", ""), base.id)
        api.received.extend(sent)
    url = f"{api.endpoint}/{'' if match[1] == 'models' else match[1] + '/'}{repository.id}"
    pull = {"pullRequestUrl": f"{url}/discussions/{number}"} if is_pull else {}
    return to_json(
        {"success": True, "commitOid": made.id, "commitUrl": f"{url}/commit/{made.id}", "hookOutput": "", **pull}
    )


def _changed(
    repository: Repository, files: dict[str, Blob], changes: list[dict[str, Any]]
) -> tuple[dict[str, Blob], list[Received]]:
    """Return the tree after a commit's changes, and what the commit carried."""
    sent = []
    for change in changes:
        key, value = change["key"], change["value"]
        path = value["path"]
        if key == "file":
            content = base64.b64decode(value["content"])
            files[path] = to_blob(content, is_lfs=False)
            sent.append(Received("file", path, len(content)))
        elif key == "lfsFile":
            kept = repository.lfs.get(value["oid"])
            if kept is None:
                raise Refused(400, None, f"LFS pointer pointed to a file that does not exist: {path}")
            files[path] = lfs_blob(value["oid"], kept.stat().st_size, kept)
        elif key == "deletedFile":
            if files.pop(path, None) is None:
                raise Refused(404, "EntryNotFound", f"A file with this name doesn't exist: {path}")
        elif key == "deletedFolder":
            files = {p: b for p, b in files.items() if not p.startswith(path.rstrip("/") + "/")}
        else:
            raise Refused(400, None, f"Unknown change in a commit: {key}")
    return files, sent


def batch(api: Api, request: Request, match: re.Match[str]) -> Answer:
    asked = request.json()
    repository = api.repository(request, match[1], match[2], write=True)
    repository.freeze()
    told = [{"oid": o["oid"], "size": o["size"], **_actions(api, request, repository, o)} for o in asked["objects"]]
    return to_json({"transfer": "basic", "objects": told})


def _actions(api: Api, request: Request, repository: Repository, asked: dict[str, Any]) -> dict[str, Any]:
    oid, size, limit = asked["oid"], asked["size"], api.rules.multipart_bytes
    if oid in repository.lfs:
        return {}
    base = f"{api.storage}/lfs/{repository.kind}s/{repository.id}/{oid}"
    verify = {"href": f"{api.endpoint}{request.path.removesuffix('batch')}verify"}
    if limit is None or size <= limit:
        return {"actions": {"upload": {"href": base, "header": {}}, "verify": verify}}
    parts = {str(n + 1): f"{base}/{n + 1}" for n in range(-(-size // limit))}
    complete = f"{api.endpoint}/lfs/{repository.kind}s/{repository.id}/{oid}/complete"
    return {"actions": {"upload": {"href": complete, "header": {"chunk_size": str(limit), **parts}}, "verify": verify}}


def verify(api: Api, request: Request, match: re.Match[str]) -> Answer:
    asked = request.json()
    repository = api.repository(request, match[1], match[2], write=True)
    path = repository.lfs.get(asked["oid"])
    if path is None or path.stat().st_size != asked["size"]:
        raise Refused(404, None, "the object is not there")
    return to_json({})


def put_object(api: Api, request: Request, match: re.Match[str]) -> Answer:
    repository = api.store.repositories[match[1].removesuffix("s"), match[2]]
    path, sha256 = _receive(api, request.body, match[3])
    if sha256 != match[3]:
        path.unlink()
        raise Refused(400, None, "the bytes are not those of the object")
    _keep(api, repository, path, sha256)
    return to_json({}, ETag=f'"{sha256}"')


def _receive(api: Api, body: Body, name: str) -> tuple[Path, str]:
    """Write a body to a file of its own; return where it is, and its SHA-256."""
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=api.store.folder, prefix="arriving-", delete=False) as file:
        try:
            for piece in body.chunks():
                digest.update(piece)
                file.write(piece)
        except OSError:
            Path(file.name).unlink()
            api.received.append(Received("broken", name, body.read_bytes))
            raise
    return Path(file.name), digest.hexdigest()


def _keep(api: Api, repository: Repository, path: Path, sha256: str) -> None:
    with api.store.lock:
        api.received.append(Received("lfs", sha256, path.stat().st_size))
        repository.lfs[sha256] = path.replace(api.store.lfs_path(sha256))


def put_part(api: Api, request: Request, match: re.Match[str]) -> Answer:
    path, sha256 = _receive(api, request.body, f"{match[2]}.{match[3]}")
    api.received.append(Received("part", f"{match[2]}.{match[3]}", path.stat().st_size))
    path.replace(api.store.folder / f"{match[2]}.{match[3]}")
    return to_json({}, ETag=f'"{sha256}"')


def complete(api: Api, request: Request, match: re.Match[str]) -> Answer:
    numbers = [part["partNumber"] for part in request.json()["parts"]]
    repository = api.store.repositories[match[1].removesuffix("s"), match[2]]
    digest = hashlib.sha256()
    whole = api.store.folder / f"arriving-{match[3]}"
    parts = [api.store.folder / f"{match[3]}.{number}" for number in numbers]
    with whole.open("wb") as file:
        for part in parts:
            content = part.read_bytes()
            digest.update(content)
            file.write(content)
            part.unlink()
    if digest.hexdigest() != match[3]:
        whole.unlink()
        raise Refused(400, None, "the parts are not those of the object")
    _keep(api, repository, whole, match[3])
    return to_json({})
