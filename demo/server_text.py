"""What programs and whoever runs the server are told, in English only; what the page says stands in `demo.text`."""

from __future__ import annotations

REQUEST_TOO_LARGE = "The request is too large: send a smaller photo, or upload it as a file."
REQUEST_TOO_SLOW = "The request came too slowly: try again with a better connection."
TOO_MANY_FILES = "There are too many files in one upload: send one photo at a time."
NO_SUCH_ADDRESS = "There is nothing at this address."
OTHER_SITE = (
    "The server took this for a request of another site: open the page by its own address, or tell whoever runs it to "
    "look at its log."
)
NOT_JSON = "Expected JSON: files go to the upload address."
DISK_FULL = "The server has no room for more photos: tell whoever runs it, then try again."
CLOSING = "The server is being closed: try again in a moment."
UPLOAD_DESCRIPTION = "An uploaded file, or a data: address."
PATH_DESCRIPTION = "Where an uploaded file lies on the server, as its upload answered"
URL_DESCRIPTION = "A data: address of a photo in base64, in the place of a path"
MODEL_LOADING = "The model is still loading: wait a moment."
MODEL_UNUSABLE = "The model could not be loaded: its checkpoint is missing, damaged or does not fit this machine."
MODEL_FAULT = "The model failed for a reason nobody foresaw: the server's log has it."
QUEUE_FULL = "The queue is full: the next photo is asked to come again."
LITTLE_MEMORY = "The memory of this machine is nearly used up: close other programs or give it more."
POOR_ATTENTION = "The maps of this model cannot be trusted: see attention."


def too_often(seconds: int) -> str:
    """The sentence for a client that asked too often."""
    return f"Too many requests from your address: try again in {seconds} s."
