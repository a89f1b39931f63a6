"""What stands between the network and the page; plain ASGI, so that Gradio's event streams are not buffered.

a request
  | routes.py     is there a door of this name? everything else of Gradio is not found
  | origins.py    does it come from the page itself, or from another site?
  | rates.py      how often did this client ask? who the client is, behind proxies too: clients.py
  | files.py      an uploaded photo, and no other file
  | bodies.py     how many bytes, files and seconds a body may take
  | unfinished.py does an upload find room on the disk to its end?
  | leaving.py    does who asks go away before the answer?
  v
Gradio
  | headers.py    security headers on every answer
"""

from demo.guard.guard import Guard, GuardOptions

__all__ = ["Guard", "GuardOptions"]
