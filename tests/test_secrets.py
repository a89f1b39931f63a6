"""No password, key or token lies in a file of the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTING = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
LARGEST = 2_000_000  # bytes; larger ones are weights
SECRETS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "GitHub token": r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,})\b",
    "PyPI token": r"\bpypi-[A-Za-z0-9_-]{50,}",
    "AWS key": r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
    "Google key": r"\bAIza[A-Za-z0-9_-]{35}\b",
    "Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "API key": r"\bsk-[A-Za-z0-9_-]{32,}",
    "web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.",
    "address with a password": r"\b[a-z][a-z0-9+]+://[^\s/:@'\"{}]+:[^\s/:@'\"{}]+@[\w.-]+",
    "assigned secret": r"(?i)\b\w*(password|secret|api_?key|auth_?token)\b[\"']?\s*[:=]\s*[\"'][^\s\"'{}<>]{8,}[\"']",
}


def secrets_in(content: str) -> list[str]:
    return [name for name, pattern in SECRETS.items() if re.search(pattern, content)]


def tracked_files() -> list[Path]:
    """What git knows or would take, or everything where there is no git."""
    if shutil.which("git") and (ROOT / ".git").exists():
        names = subprocess.run(LISTING, cwd=ROOT, capture_output=True, check=True).stdout
        files = [ROOT / name for name in names.decode().split("\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if ".git" not in path.parts and "__pycache__" not in path.parts]
    return [path for path in files if path.is_file() and path.stat().st_size < LARGEST]


def test_no_file_holds_a_secret() -> None:
    files = tracked_files()
    assert ROOT / "app.py" in files
    assert Path(__file__) in files
    found = {str(path): secrets_in(path.read_text(encoding="utf-8", errors="ignore")) for path in files}
    assert {name: secrets for name, secrets in found.items() if secrets} == {}


def test_no_file_is_one_for_secrets() -> None:
    names = {path.name for path in tracked_files()}
    assert not names & {".env", ".netrc", ".pypirc", "id_rsa", "id_ed25519", "token", "credentials.json"}
    assert not [name for name in names if name.endswith((".pem", ".key", ".p12", ".pfx"))]


@pytest.mark.parametrize(
    ("parts", "secret"),
    [
        (("-----BEGIN RSA ", "PRIVATE KEY-----"), "private key"),
        (("hf", "_" + "a1B2" * 9), "Hugging Face token"),
        (("gh", "p_" + "a1B2" * 9), "GitHub token"),
        (("py", "pi-" + "A" * 60), "PyPI token"),
        (("AK", "IA" + "A1B2" * 4), "AWS key"),
        (("AI", "za" + "a" * 35), "Google key"),
        (("xo", "xb-1234567890"), "Slack token"),
        (("s", "k-" + "a1" * 20), "API key"),
        (("ey", "Jhbcdefghijk." + "ey" + "Jhbcdefghijk.x"), "web token"),
        (("https://user:", "hunter2@host.example"), "address with a password"),
        (("API_KEY = ", "'0123456789abcdef'"), "assigned secret"),
        (('"pass', 'word": "correct-horse"'), "assigned secret"),
    ],
)
def test_the_search_finds_each_kind(parts: tuple[str, str], secret: str) -> None:
    assert secrets_in("x " + "".join(parts)) == [secret]


@pytest.mark.parametrize(
    "harmless", ["http://127.0.0.1:7860", "token = tokens[0]", "password=None", "f'{user}:{password}@'"]
)
def test_the_search_leaves_the_harmless_alone(harmless: str) -> None:
    assert secrets_in(harmless) == []
