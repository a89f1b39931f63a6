"""The page: one Gradio file (`page.py`), plain functions behind it, and a viewer that runs in the browser.

photo -> callbacks.py -> captioner -> view.py (plain data, overlay.py's matrices in it) -> static/viewer.js
"""
