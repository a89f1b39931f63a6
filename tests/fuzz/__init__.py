"""Coverage-guided fuzzing of what strangers may send: `python tests/fuzz/run.py photo --minutes 5`."""
