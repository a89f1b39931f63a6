from __future__ import annotations

import importlib.util
from email.message import Message
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / ".ci" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def metadata(*lines: tuple[str, str]) -> Message:
    told = Message()
    for name, value in lines:
        told[name] = value
    return told


def test_every_package_here_has_a_licence_that_allows_this(
    licences: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert licences.main([]) == 0, capsys.readouterr().out


def test_what_requirements_name_is_listed(licences: ModuleType) -> None:
    listed = licences.LIST.read_text(encoding="utf-8")
    packages = licences.installed((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    direct = [line.split(">=")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if ">=" in line]
    assert len(direct) > 8
    assert licences.unlisted(dict.fromkeys(name.replace("_", "-") for name in direct), listed) == []
    assert {"starlette", "uvicorn", "jinja2"} <= set(packages)  # what these bring along
    assert licences.unlisted({"no-such-package": "MIT"}, listed) == ["no-such-package"]


@pytest.mark.parametrize(
    ("told", "licence"),
    [
        ([("License-Expression", "MIT AND Zlib"), ("License", "other")], "MIT AND Zlib"),
        ([("License", "Apache 2.0")], "Apache-2.0"),
        ([("License", "Copyright (c) 2001 somebody"), ("Classifier", "License :: OSI Approved :: BSD License")], "BSD"),
        ([("License", "UNKNOWN"), ("Classifier", "Topic :: Internet")], ""),
        ([], ""),
    ],
)
def test_a_licence_is_found_where_packages_state_it(
    licences: ModuleType, told: list[tuple[str, str]], licence: str
) -> None:
    assert licences.licence_of("some", metadata(*told)) == licence


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("LGPL-3.0", True),
        ("MPL-2.0 AND MIT", True),
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0", False),
        ("GNU Affero General Public License v3", False),
        ("GNU General Public License v2 (GPLv2)", False),
        ("", False),
    ],
)
def test_what_may_not_be_used_is_named(licences: ModuleType, licence: str, allowed: bool) -> None:
    found = list(licences.wrong({"some": licence}))
    assert (found == []) == allowed
    assert all(sentence.startswith("some ") for sentence in found)
