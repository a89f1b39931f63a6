from __future__ import annotations

from pathlib import Path

import pytest

from asgi_client import visitor
from demo.guard import GuardOptions
from demo.guard.files import is_upload

HASH = "ab" * 32


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    (folder / HASH).mkdir(parents=True)
    (folder / HASH / "photo.png").write_bytes(b"photo")
    (folder / HASH / ".photo.png.part").write_bytes(b"not whole yet")
    (folder / "tmp1234").write_bytes(b"being uploaded")
    (tmp_path / "secret").write_bytes(b"secret")
    return folder


def test_an_upload_is_found(uploads: Path) -> None:
    assert is_upload(uploads, f"{uploads}/{HASH}/photo.png")


def test_nothing_else_is(uploads: Path) -> None:
    (uploads / HASH / "link.png").symlink_to(uploads.parent / "secret")
    (uploads / ("cd" * 32)).symlink_to(uploads.parent, target_is_directory=True)
    (uploads / HASH / "round").symlink_to(uploads / HASH / "round")
    (uploads / HASH / HASH).mkdir()
    (uploads / HASH / HASH / "deep.png").write_bytes(b"1")
    for path in (
        "",
        "/etc/passwd",
        "photo.png",
        f"{HASH}/photo.png",
        str(uploads),
        f"{uploads}/{HASH}",
        f"{uploads}/{HASH}/",
        f"{uploads}/{HASH}/none.png",
        f"{uploads}/{HASH}/.photo.png.part",
        f"{uploads}/tmp1234",
        f"{uploads}/{HASH}/link.png",
        f"{uploads}/{'cd' * 32}/secret",
        f"{uploads}/{HASH}/round",
        f"{uploads}/{HASH}/{HASH}/deep.png",
        f"{uploads}/{HASH}/../{HASH}/photo.png",
        f"{uploads}/{HASH}/../../secret",
        f"{uploads}/{HASH.upper()}/photo.png",
        f"{uploads}/{HASH}/photo.png\0",
        f"{uploads}/{HASH}/{'x' * 5000}",
        f"http://127.0.0.1/{HASH}/photo.png",
    ):
        assert not is_upload(uploads, path), path


def test_a_folder_behind_a_link_is_served(uploads: Path) -> None:
    """As /tmp is on some systems."""
    link = uploads.parent / "link"
    link.symlink_to(uploads, target_is_directory=True)
    assert is_upload(link, f"{link}/{HASH}/photo.png")
    assert is_upload(uploads, f"{link}/{HASH}/photo.png")


def test_the_guard_asks(uploads: Path) -> None:
    someone = visitor(GuardOptions(), uploads)
    for method in ("GET", "HEAD"):
        assert someone.ask(f"/gradio_api/file={uploads}/{HASH}/photo.png", method=method).status == 200
        assert someone.ask("/gradio_api/file=/etc/passwd", method=method).status == 404
