"""Regions as protobuf, and what is wrong with one whatever the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from underpaint.errors import Violation
from underpaint.types import Region
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.controls import MAX_CONTROLS, check_control_types, check_controls, control_to_message
from underpaint.wire.loras import MAX_LORAS, check_loras, complete_lora, loras_to_messages
from underpaint.wire.ranges import check_between, check_texts

MAX_REGIONS: Final = 8
_OWN_MASK: Final = "leave it out: the region's mask is the control's; or put the control beside the regions"

ControlPixels: TypeAlias = tuple[image_pb2.ImageRef, image_pb2.ImageRef | None]
"""Uploaded image and mask of a control."""
RegionPixels: TypeAlias = tuple[image_pb2.ImageRef, Sequence[ControlPixels]]
"""Uploaded mask of a region, and the pixels of its controls."""


def region_to_message(region: Region, pixels: RegionPixels) -> job_service_pb2.Region:
    """A region, as it travels."""
    mask, controls = pixels
    return job_service_pb2.Region(
        mask=mask,
        prompt=region.prompt,
        strength=region.strength,
        controls=[
            control_to_message(control, *its) for control, its in zip(region.controls, controls, strict=True)
        ],
        negative_prompt=region.negative_prompt,
        loras=loras_to_messages(region.loras),
    )


def complete_region(region: job_service_pb2.Region) -> None:
    """Fills in what needs no model: strength 1.0, and the LoRAs' strengths."""
    region.strength = region.strength if region.HasField("strength") else 1.0
    for lora in region.loras:
        complete_lora(lora)


def lift_controls(spec: job_service_pb2.JobSpec) -> None:
    """Moves the regions' controls to the specification's own, each with the mask of its region."""
    for region in spec.regions:
        for control in region.controls:
            control.mask.CopyFrom(region.mask)
            spec.controls.append(control)
        del region.controls[:]


def check_regions(spec: job_service_pb2.JobSpec, field: str) -> list[Violation]:
    """Everything that is wrong with a specification's regions, as far as no model is needed for it."""
    theirs = sum(len(region.controls) for region in spec.regions)
    found = _too_many(len(spec.regions), len(spec.controls), theirs, field)
    found += _too_many_loras(len(spec.loras), sum(len(region.loras) for region in spec.regions), field)
    for index, region in enumerate(spec.regions[:MAX_REGIONS]):
        where = f"{field}.regions[{index}]"
        if not region.mask.blob:
            found.append(Violation(f"{where}.mask.blob", "name a sealed blob: upload the pixels first"))
        strength = region.strength if region.HasField("strength") else 1.0
        found += _check(where, region, strength)
        found += check_loras(region.loras, where)
        found += check_controls(region.controls, where)
        for number, control in enumerate(region.controls):
            if control.HasField("mask"):
                found.append(Violation(f"{where}.controls[{number}].mask", _OWN_MASK))
    return found


def check_region_types(
    regions: Sequence[Region], controls: int, field: str, *, loras: int = 0
) -> list[Violation]:
    """`check_regions` for the value types; `controls` and `loras` count those of the whole picture."""
    theirs = sum(len(region.controls) for region in regions)
    found = _too_many(len(regions), controls, theirs, field)
    found += _too_many_loras(loras, sum(len(region.loras) for region in regions), field)
    for index, region in enumerate(regions[:MAX_REGIONS]):
        where = f"{field}.regions[{index}]"
        if region.mask.format.channels.count != 1:
            text = f"must have one channel, got {region.mask.format.channels.value}"
            found.append(Violation(f"{where}.mask", text))
        found += _check(where, region, region.strength)
        found += check_loras(loras_to_messages(region.loras), where)
        found += check_control_types(region.controls, where)
        for number, control in enumerate(region.controls):
            if control.mask is not None:
                found.append(Violation(f"{where}.controls[{number}].mask", _OWN_MASK))
    return found


def _too_many(regions: int, controls: int, theirs: int, field: str) -> list[Violation]:
    found = []
    if regions > MAX_REGIONS:
        found.append(Violation(f"{field}.regions", f"may hold {MAX_REGIONS} regions, got {regions}"))
    # Too many without those of regions is for `check_controls` to say.
    if controls <= MAX_CONTROLS < controls + theirs:
        text = f"may hold {MAX_CONTROLS} controls, those of regions among them, got {controls + theirs}"
        found.append(Violation(f"{field}.controls", text))
    return found


def _too_many_loras(loras: int, theirs: int, field: str) -> list[Violation]:
    # Too many without those of regions are for `check_loras` to say.
    if loras <= MAX_LORAS < loras + theirs:
        text = f"may hold {MAX_LORAS} LoRAs, those of regions among them, got {loras + theirs}"
        return [Violation(f"{field}.loras", text)]
    return []


def _check(where: str, region: Region | job_service_pb2.Region, strength: float) -> list[Violation]:
    texts = {"prompt": region.prompt, "negative_prompt": region.negative_prompt}
    return check_texts(texts, where) + check_between(f"{where}.strength", strength, 1.0)
