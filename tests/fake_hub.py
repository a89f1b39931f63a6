"""A Hugging Face Hub on this machine: as much of its HTTP interface as pushing and fetching a checkpoint needs."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_writer"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
Files = dict[str, bytes]


@dataclass
class FakeHub:
    """Repositories by name: branch -> file -> content. `locked` ones may be written by nobody."""

    address: str = ""
    repositories: dict[str, dict[str, Files]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    locked: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)


class HubServer(ThreadingHTTPServer):
    """Serves one hub."""

    hub: FakeHub


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002 (http.server's word)
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Like GET, without the content."""
        self.do_GET()

    def do_GET(self) -> None:
        """Models, trees, files."""
        self.server.hub.calls.append(f"{self.command} {self.path}")
        parts = unquote(urlparse(self.path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            return self._model("/".join(parts[2:4]), parts[4:])
        if "resolve" in parts:
            place = parts.index("resolve")
            return self._file("/".join(parts[:place]), parts[place + 1], "/".join(parts[place + 2 :]))
        return self._send(404, {})

    def do_POST(self) -> None:
        """Repositories made, branches, commits."""
        self.server.hub.calls.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = unquote(urlparse(self.path).path).strip("/").split("/")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(401, {"error": "log in"})
        if parts == ["api", "repos", "create"]:
            return self._create(json.loads(body))
        if parts == ["api", "validate-yaml"]:
            return self._send(200, {"errors": [], "warnings": []})
        branches = self.server.hub.repositories["/".join(parts[2:4])]
        if parts[4] == "branch":
            branches[parts[5]] = dict(branches["main"])
            return self._send(200, {})
        if parts[4] == "preupload":
            files = [{**file, "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(body)["files"]]
            return self._send(200, {"files": files, "commitOid": COMMIT})
        return self._commit(branches[parts[5]], body)

    def _create(self, asked: dict[str, Any]) -> None:
        hub = self.server.hub
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        if name in hub.locked:
            return self._send(403, {"error": "not yours"})
        hub.repositories.setdefault(name, {"main": {}})
        return self._send(200, {"url": f"{hub.address}/{name}", "name": name})

    def _commit(self, files: Files, body: bytes) -> None:
        for item in map(json.loads, body.decode().splitlines()):
            if item["key"] == "file":
                files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
        self._send(200, {"commitUrl": f"{self.server.hub.address}/a/b/commit/{COMMIT}", "commitOid": COMMIT})

    def _branches(self, name: str) -> dict[str, Files] | None:
        hub = self.server.hub
        hidden = name in hub.private and self.headers.get("Authorization") != f"Bearer {TOKEN}"
        return None if hidden else hub.repositories.get(name)

    def _model(self, name: str, rest: list[str]) -> None:
        branches = self._branches(name)
        if branches is None:
            return self._send(401, {"error": "hidden"}, {"X-Error-Code": "RepoNotFound"})
        named = [part for before, part in pairwise(rest) if before in ("revision", "tree")]
        branch = named[0] if named and named[0] != COMMIT else "main"
        if branch not in branches:
            return self._send(404, {"error": "revision"}, {"X-Error-Code": "RevisionNotFound"})
        files = branches[branch]
        if "tree" in rest:
            entries = [{"type": "file", "path": path, "size": len(files[path]), "oid": "0" * 40} for path in files]
            return self._send(200, entries)
        return self._send(200, {"id": name, "sha": COMMIT, "siblings": [{"rfilename": path} for path in files]})

    def _file(self, name: str, branch: str, path: str) -> None:
        branches = self._branches(name)
        if branches is None:
            return self._send(401, {"error": "hidden"}, {"X-Error-Code": "RepoNotFound"})
        content = branches.get("main" if branch == COMMIT else branch, {}).get(path)
        if content is None:
            return self._send(404, {"error": "entry"}, {"X-Error-Code": "EntryNotFound"})
        commit = hashlib.sha1(branch.encode(), usedforsecurity=False).hexdigest()
        tag = hashlib.sha256(content).hexdigest()
        return self._send(200, content, {"X-Repo-Commit": commit, "ETag": f'"{tag}"'})

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def run_hub() -> Iterator[FakeHub]:
    """A hub that answers until left."""
    server = HubServer(("127.0.0.1", 0), Handler)
    server.hub = FakeHub(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
