"""How fast and how frugal SayWhere is, measured beside a reference in the same process.

what is asked        options.py
  | weights for both models.py     random ones in the shape of the tutorial's, converted as any checkpoint is
  | reference        textbook.py   the tutorial's modules and loop, plain on purpose; the oracle of the tests too
  v
pairs to compare     speed.py, overlays.py, edits.py, peers.py
  | turn by turn     harness.py    ours, reference, ours, reference, ...: seconds and their ratios
  | limits           roofline.py  what the machine's own rates allow; batch.py: photos by the batch, as on a GPU
  | fewer bits       precision.py  float32 and other precisions on the same photos; agreement.py says what changed
  | memory           memory.py     of a conversion, in a process of its own
  | start            start.py      of app.py: served.py watches its process, model_share.py the model's part of it
  | growth           growth.py     of a search with beam width, words and vocabulary
  | many photos      collection.py the whole beside its stages; flat.py: cost and memory of ever more of them
  | training         training.py   a step of training; lesson.py makes ours and the textbook's (textbook_training.py)
  v
a table, a JSON      report.py     with a description of the machine; run.py is the whole
"""
