"""How swatch was made: procedural pictures, training, evaluation and export.

Nothing outside this folder imports it; run it as ``python -m training --help``
from ``sdk/swatch``.
"""
