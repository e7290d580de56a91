"""Provenance as text: what files, layers and documents carry to say how a picture was made.

Three forms of one record, for three readers: JSON for underpaint itself, which can make the picture again;
the `parameters` line that A1111 began and many programs read; XMP with IPTC's digital source type, by which
others see that a model made it.
"""

from __future__ import annotations

from underpaint.provenance.parameters import (
    Parameters,
    parameters_text,
    read_parameters,
    scheduler_called,
)
from underpaint.provenance.records import (
    MAX_RECORDS,
    from_json,
    provenance_of,
    remembered,
    to_json,
    without_words,
)
from underpaint.provenance.xmp import SOURCE_TYPES, read_records, source_type, xmp_packet

__all__ = [
    "MAX_RECORDS",
    "SOURCE_TYPES",
    "Parameters",
    "from_json",
    "parameters_text",
    "provenance_of",
    "read_parameters",
    "read_records",
    "remembered",
    "scheduler_called",
    "source_type",
    "to_json",
    "without_words",
    "xmp_packet",
]
