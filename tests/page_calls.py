"""What a browser or a program sends to a running page, by its bare addresses."""

from __future__ import annotations

from functools import cache

import httpx

API = "/gradio_api"


def ask_component(address: str, function: str, data: object) -> httpx.Response:
    """What a function that the page's own scripts call answers."""
    block = _component_with(address, function)
    body = {"data": data, "component_id": block, "fn_name": function, "session_hash": "test"}
    return httpx.post(f"{address}{API}/component_server", json=body)


@cache
def _component_with(address: str, function: str) -> int:
    components = httpx.get(f"{address}/config").json()["components"]
    return int(next(found["id"] for found in components if function in (found["props"].get("server_fns") or ())))


def upload(address: str, *contents: bytes, name: str = "photo.png") -> list[str]:
    """Upload photos as the page does; where they lie."""
    answer = httpx.post(f"{address}{API}/upload", files=[("files", (name, content)) for content in contents])
    assert answer.status_code == 200
    paths: list[str] = answer.json()
    return paths


def read(address: str, path: str, **headers: str) -> httpx.Response:
    """Download a file."""
    return httpx.get(f"{address}{API}/file={path}", headers=headers)


def caption(address: str, data: list[object]) -> str:
    """What the bare API answers, without gradio_client's own checks and uploads."""
    event = httpx.post(f"{address}{API}/call/caption", json={"data": data}).json()["event_id"]
    return httpx.get(f"{address}{API}/call/caption/{event}", timeout=60).text
