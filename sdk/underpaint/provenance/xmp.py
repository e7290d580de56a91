"""XMP: that a model made a picture, as IPTC says it, and the whole record for ourselves.

`Iptc4xmpExt:DigitalSourceType` takes its values from IPTC's NewsCodes
(http://cv.iptc.org/newscodes/digitalsourcetype): `trainedAlgorithmicMedia` where everything comes from a
model, `compositeWithTrainedAlgorithmicMedia` where it was mixed with something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape, unescape

from underpaint.provenance.records import from_json, to_json
from underpaint.types import Provenance

SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""What IPTC's words begin with."""
_PACKET: Final = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:underpaint="urn:underpaint:provenance:1:">
   <xmp:CreatorTool>{tool}</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
   <underpaint:record>{record}</underpaint:record>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
_QUOTES: Final = {'"': "&quot;"}
_RECORD: Final = re.compile(r"<underpaint:record>(.*?)</underpaint:record>", re.DOTALL)
_SOURCE: Final = re.compile(re.escape(SOURCE_TYPES) + r"(\w+)")


def xmp_packet(records: Sequence[Provenance], *, composite: bool) -> str:
    """A packet for a file that these pictures, at least one, went into.

    `composite`: whether something else than a model's work is in it, too.
    """
    kind = "compositeWithTrainedAlgorithmicMedia" if composite else "trainedAlgorithmicMedia"
    tool = records[-1].engine_version.partition(",")[0] or "underpaint"
    record = escape(to_json(records), _QUOTES)
    return _PACKET.format(tool=escape(tool), source=SOURCE_TYPES + kind, record=record)


def read_records(packet: str) -> tuple[Provenance, ...]:
    """The records in a packet of ours; () in anybody else's."""
    found = _RECORD.search(packet)
    return from_json(unescape(found[1], {entity: sign for sign, entity in _QUOTES.items()})) if found else ()


def source_type(packet: str) -> str:
    """IPTC's digital source type in anybody's packet, "trainedAlgorithmicMedia" for one; "" without."""
    found = _SOURCE.search(packet)
    return found[1] if found else ""
