"""The reference host: a layered document in memory behind the adapter contract, and OpenRaster files.

Read `host` first if you write an adapter. Needs numpy and Pillow, as `underpaint[cli]` installs them.
"""

from underpaint.testing.reference.document import Document
from underpaint.testing.reference.host import ReferenceHost
from underpaint.testing.reference.layers import Group, PaintLayer
from underpaint.testing.reference.pictures import read_document, write_document
from underpaint.testing.reference.selection import Selection

__all__ = ["Document", "Group", "PaintLayer", "ReferenceHost", "Selection", "read_document", "write_document"]
