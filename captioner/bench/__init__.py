"""How fast and how frugal SayWhere is, measured beside a reference in the same process.

what is asked        options.py
  | weights for both models.py     random ones in the shape of the tutorial's, converted as any checkpoint is
  | reference        textbook.py   the tutorial's modules and loop, plain on purpose; the oracle of the tests too
  v
pairs to compare     speed.py
  | turn by turn     harness.py    ours, reference, ours, reference, ...: seconds and their ratios
  | memory           memory.py     of a conversion, in a process of its own
  | training         training.py   a step of training; lesson.py makes ours and the textbook's (textbook_training.py)
  v
a table, a JSON      report.py     with a description of the machine; run.py is the whole
"""
