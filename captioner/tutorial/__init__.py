"""Checkpoints of the well-known PyTorch image-captioning tutorial: read without executing what is pickled in them.

a file (PyTorch 0.4 to today)        archive.py    its pickle and its raw numbers, in both containers
  | restricted unpickler             pickles.py    an allow-list; everything else is refused by name
  v
stand-ins that do nothing            stand_ins.py  class names, attributes, tensors still on disk
  | by name, shapes checked          convert.py
  v
a Checkpoint of ours
"""
