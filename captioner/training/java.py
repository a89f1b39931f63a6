"""The Java programs of pycocoevalcap, its tokenizer and METEOR, which speak English here whatever the system speaks.

METEOR reads and writes numbers in the system's language ("0,5" in German), and the tokenizer makes letters small in it
(of a Turkish "I" an "ı").
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from captioner.errors import DataError

INSTALL_ADVICE = "install a Java runtime (for example default-jre-headless), or score with --tokenizer simple"
FAILED_ADVICE = "see that `java -version` works and memory is free, or score with --tokenizer simple"
_LOCALE = {"language": "en", "country": "US", "script": "", "variant": "", "extensions": ""}
# Each also for what is shown and for numbers, which may be set apart.
ENGLISH = (
    *(f"-Duser.{name}{use}={value}" for name, value in _LOCALE.items() for use in ("", ".display", ".format")),
    "-Dfile.encoding=UTF-8",
)


def java_environment(surroundings: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that is started with ENGLISH: of all options, those of _JAVA_OPTIONS win."""
    environment = {**surroundings, "LC_ALL": "C.UTF-8"}  # else a jar in a folder of another alphabet is not found
    if given := surroundings.get("_JAVA_OPTIONS"):
        environment["_JAVA_OPTIONS"] = " ".join((given, *ENGLISH))
    return environment


def tokenize_lines(module: Any, lines: Sequence[str]) -> list[str]:
    """What pycocoevalcap's PTBTokenizer makes of lines without line breaks, through a pipe.

    The original writes a temporary file into its own package folder, which fails where that folder is read-only.

    Args:
        module: that the tokenizer comes with.

    Raises:
        DataError: Java is missing or fails.
    """
    jar = Path(module.__file__).parent / module.STANFORD_CORENLP_3_4_1_JAR
    options = ("-preserveLines", "-lowerCase", "-encoding", "UTF-8")
    command = ("java", *ENGLISH, "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", *options)
    text = "".join(f"{line}\n" for line in lines)
    try:
        done = subprocess.run(  # noqa: S603 (a program of a package)
            command,
            input=text.encode(errors="replace"),
            capture_output=True,
            check=True,
            env=java_environment(os.environ),
        )
    except FileNotFoundError as problem:
        raise DataError(f"the official tokenizer needs Java, which was not found: {INSTALL_ADVICE}") from problem
    except (OSError, subprocess.CalledProcessError) as problem:
        said = _last_words(getattr(problem, "stderr", None) or str(problem).encode(errors="replace"))
        raise DataError(f"Java could not run the official tokenizer ({said}): {FAILED_ADVICE}") from problem
    tokenized = done.stdout.decode().split("\n")[:-1]
    if len(tokenized) != len(lines):
        raise DataError(f"expected {len(lines)} captions back from the official tokenizer, got {len(tokenized)}")
    return tokenized


@contextmanager
def running_meteor(module: Any) -> Iterator[Any]:
    """pycocoevalcap's METEOR, its Java process ended and its pipes closed on the way out.

    Args:
        module: that METEOR comes with.

    Raises:
        DataError: Java is missing.
    """
    jar = Path(module.__file__).parent / module.METEOR_JAR
    command = ("java", *ENGLISH, "-Xmx2G", "-jar", jar.name, "-", "-", "-stdio", "-l", "en", "-norm")
    pipe, environment = subprocess.PIPE, java_environment(os.environ)
    try:
        process = subprocess.Popen(command, cwd=jar.parent, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603
    except OSError as problem:
        raise DataError(f"METEOR needs Java, which could not be started: {INSTALL_ADVICE}") from problem
    meteor = module.Meteor.__new__(module.Meteor)  # its __init__ would start Java without these options
    meteor.meteor_p, meteor.lock = process, threading.Lock()
    try:
        yield meteor
    finally:
        # A failed compute_score leaves the lock taken, and the object's own __del__ would wait for it for ever.
        if meteor.lock.locked():
            meteor.lock.release()
        with suppress(OSError), process:  # what was still unsent stays so
            process.kill()


def meteor_score(meteor: Any, given: Mapping[str, Sequence[str]], written: Mapping[str, Sequence[str]]) -> float:
    """METEOR of tokenised captions beside tokenised references, 0 to 1.

    Raises:
        DataError: its process has failed.
    """
    try:
        return float(meteor.compute_score(written, given)[0])
    except (OSError, ValueError) as problem:  # the pipe broke, or a dead process answered with nothing
        meteor.meteor_p.kill()
        said = _last_words(meteor.meteor_p.stderr.read())
        raise DataError(f"Java could not run METEOR ({said}): {FAILED_ADVICE}") from problem


def _last_words(output: bytes) -> str:
    """The line that says why a program failed, out of what it wrote to its errors: none of the stack."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines()]
    said = [line for line in lines if line and not line.startswith(("at ", "... ", "Picked up "))]
    return said[-1] if said else "it said nothing"
