"""Hostile and odd photo files, made in memory, and what must come of each: `corpus.cases` is where to begin."""
