"""Captions of many photos: files are read, captioned in batches and written side by side, in bounded memory.

what is asked        options.py
photos               reading.py    threads open and prepare them, a bounded window ahead
  v
a batch's lines      run.py        encode and search together; run.py is the whole
  v
a bounded queue      writing.py    one thread takes lines out of it
  | JSON Lines       lines.py      a line a photo
  | Parquet          parquet.py    a folder of part files

A line is one photo. A run that was stopped or killed goes on where it was: photos that have a line are not done again.
"""
