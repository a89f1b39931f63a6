"""Training and evaluation; never imported by the page."""
