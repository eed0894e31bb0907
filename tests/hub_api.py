"""Who asks the loopback Hub, what for, and the requests that deal with a repository as a whole."""

from __future__ import annotations

import re
from urllib.parse import unquote

from hub_answers import Answer, Refused, Request, to_json
from hub_rules import Received, Rules
from hub_store import COMMIT, Commit, Repository, Store


class Api:
    """Answers requests.

    Args:
        store: What the Hub keeps.
        endpoint: The address of the Hub.
        storage: The address of the host that the bytes of LFS objects come from and go to.
    """

    def __init__(self, store: Store, endpoint: str, storage: str) -> None:
        self.store, self.endpoint, self.storage = store, endpoint, storage
        self.rules = Rules()
        self.received: list[Received] = []

    def role(self, request: Request) -> str | None:
        """Return what the sender may: "read", "write", or None for somebody without a token."""
        token = (request.headers["Authorization"] or "").removeprefix("Bearer ")
        tokens = self.rules.tokens
        if token and tokens is not None and token not in tokens:
            raise Refused(401, None, "Invalid credentials in Authorization header")
        return (tokens[token] if tokens is not None else "write") if token else None

    def writer(self, request: Request) -> None:
        """Refuse who may not write."""
        role = self.role(request)
        if role is None:
            raise Refused(401, None, "Invalid username or password.")
        if role != "write":
            raise Refused(403, None, "Forbidden: you must use a write token to upload to a repository.")

    def repository(self, request: Request, kind: str | None, repo_id: str, *, write: bool = False) -> Repository:
        """Return the repository of a request, if the sender may see it, and write to it."""
        role = self.role(request)
        found = self.store.repositories.get(((kind or "models").removesuffix("s"), unquote(repo_id)))
        if found is None or (found.private and role is None):
            raise Refused(
                404 if role and self.rules.tokens is not None else 401, "RepoNotFound", "Repository not found"
            )
        if write:
            self.writer(request)
        return found

    def commit(self, request: Request, match: re.Match[str], *, write: bool = False) -> tuple[Repository, Commit]:
        """Return the repository and the commit that the first three groups of an address name."""
        repository = self.repository(request, match[1], match[2], write=write)
        commit = repository.find(unquote(match[3] or "main"))
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {unquote(match[3])}")
        return repository, commit


def whoami(api: Api, request: Request, _: re.Match[str]) -> Answer:
    role = api.role(request)
    if role is None:
        raise Refused(401, None, "Invalid username or password.")
    access = {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}
    return to_json({"type": "user", "id": "1", "name": "tester", "fullname": "A Tester", "orgs": [], "auth": access})


def create(api: Api, request: Request, _: re.Match[str]) -> Answer:
    asked = request.json()
    api.writer(request)
    repo_id, kind = f"{asked.get('organization') or 'tester'}/{asked['name']}", asked.get("type") or "model"
    url = f"{api.endpoint}/{'' if kind == 'model' else kind + 's/'}{repo_id}"
    with api.store.lock:
        if (kind, repo_id) in api.store.repositories:
            raise Refused(409, None, f"You already created this {kind} repo: {repo_id}", url=url)
        private = asked.get("private") or asked.get("visibility") == "private"
        api.store.create(repo_id, kind=kind, private=bool(private))
    return to_json({"url": url, "name": repo_id, "id": repo_id})


def delete(api: Api, request: Request, _: re.Match[str]) -> Answer:
    asked = request.json()
    repo_id = f"{asked.get('organization') or 'tester'}/{asked['name']}"
    found = api.repository(request, (asked.get("type") or "model") + "s", repo_id, write=True)
    del api.store.repositories[found.kind, found.id]
    return to_json({})


def settings(api: Api, request: Request, match: re.Match[str]) -> Answer:
    asked = request.json()
    repository = api.repository(request, match[1], match[2], write=True)
    repository.private = asked.get("private", asked.get("visibility", repository.private)) in (True, "private")
    return to_json({"private": repository.private})


def check_yaml(api: Api, request: Request, _: re.Match[str]) -> Answer:
    has_head = request.json()["content"].startswith("---")
    warnings = [] if has_head else [{"message": "empty or missing yaml metadata in repo card"}]
    errors = [{"message": message} for message in api.rules.yaml_errors]
    return to_json({"errors": errors, "warnings": warnings}, 400 if errors else 200)


def refs(api: Api, request: Request, match: re.Match[str]) -> Answer:
    found = api.repository(request, match[1], match[2])

    def told(named: dict[str, str], prefix: str) -> list[dict[str, str]]:
        return [{"name": name, "ref": prefix + name, "targetCommit": id} for name, id in named.items()]

    pulls = told(found.pulls, "") if request.query.get("include_prs") else []
    heads = {"main": COMMIT} if found.live else found.branches
    branches, tags = told(heads, "refs/heads/"), told(found.tags, "refs/tags/")
    return to_json({"branches": branches, "tags": tags, "converts": [], "pullRequests": pulls})


def make_branch(api: Api, request: Request, match: re.Match[str]) -> Answer:
    start, name = request.json().get("startingPoint", "main"), unquote(match[3])
    repository = api.repository(request, match[1], match[2], write=True)
    repository.freeze()
    commit = repository.find(start)
    if commit is None:
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {start}")
    if name in repository.branches:
        raise Refused(409, None, f"Reference already exists: refs/heads/{name}")
    repository.branches[name] = commit.id
    return to_json({})


def drop_branch(api: Api, request: Request, match: re.Match[str]) -> Answer:
    repository = api.repository(request, match[1], match[2], write=True)
    if repository.branches.pop(unquote(match[3]), None) is None:
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {unquote(match[3])}")
    return to_json({})


def make_tag(api: Api, request: Request, match: re.Match[str]) -> Answer:
    name = request.json()["tag"]
    repository, commit = api.commit(request, match, write=True)
    repository.freeze()
    if name in repository.tags:
        raise Refused(409, None, f"Tag reference exists already: {name}")
    repository.tags[name] = commit.id
    return to_json({})


def auth_check(api: Api, request: Request, match: re.Match[str]) -> Answer:
    api.repository(request, match[1], match[2], write=match[3] is not None)
    return to_json({})
