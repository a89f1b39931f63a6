"""Caption one photo through a running page, as a program would; waits for the page to come up first."""

import sys
import time
from pathlib import Path

import httpx
from gradio_client import Client, handle_file


def wait_for(address: str, seconds: float = 90) -> None:
    """Return when the page answers; exit when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(address, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    sys.exit(f"the page at {address} did not answer within {seconds:.0f} s")


def main(address: str, folder: str) -> None:
    """Caption the first example photo and check that the answer holds together."""
    wait_for(address)
    photo = min(Path(folder).glob("*.jpg"))
    answer = Client(address, verbose=False).predict(handle_file(photo), 3, api_name="/caption")
    rows, columns = answer["grid"]
    if len(answer["captions"]) < 1 or not answer["captions"][0]["words"]:
        sys.exit(f"expected captions with words, got {str(answer)[:300]}")
    for word in answer["captions"][0]["words"]:
        total = sum(map(sum, word["attention"]))
        if len(word["attention"]) != rows or len(word["attention"][0]) != columns or abs(total - 1) > 0.01:
            sys.exit(f"expected a map of {rows} x {columns} that sums to 1 for {word['word']!r}, got {total:.3f}")
    print(f"{photo.name}: {answer['captions'][0]['text']}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
