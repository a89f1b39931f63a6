"""The security headers of every answer."""

from __future__ import annotations

from demo.guard.asgi import Message

# Gradio compiles its templates in the browser ('unsafe-eval') and starts from inline scripts and styles.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co",
    )
)
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),  # no other site shows a visitor's photo
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
)

STREAM = b"text/event-stream"
UNBUFFERED = ((b"x-accel-buffering", b"no"),)  # else nginx keeps what a stream says until it has some kilobytes of it


def with_headers(message: Message) -> Message:
    """The start of an answer with the headers it does not have yet; any other message as it is."""
    if message["type"] != "http.response.start":
        return message
    stream = any(name.lower() == b"content-type" and STREAM in value for name, value in message["headers"])
    present = {name.lower() for name, _ in message["headers"]}
    return {
        **message,
        "headers": [
            *message["headers"],
            *(pair for pair in (*HEADERS, *(UNBUFFERED if stream else ())) if pair[0] not in present),
        ],
    }
