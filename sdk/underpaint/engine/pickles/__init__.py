"""Pickled weights to safetensors, in a process of its own that may do nothing else.

`python -m underpaint.engine.pickles IN OUT` gets two file descriptors that its parent opened: the pickle to
read and the file to write. It imports what it needs, then gives up everything else for good (`lockdown`),
and only then opens the pickle. `underpaint models convert` starts it and looks at what came out.
"""
