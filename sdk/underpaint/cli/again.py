"""From the record of a picture to the request that makes it once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from underpaint.cli.regions import mask_from_file
from underpaint.errors import InvalidRequest, Violation
from underpaint.provenance import Parameters, scheduler_called
from underpaint.testing.reference import Document
from underpaint.testing.reference.merge import merged
from underpaint.testing.reference.pictures import read_mask
from underpaint.testing.reference.samples import image_of
from underpaint.types import (
    MASK_FORMAT,
    Bounds,
    GenerateRequest,
    Lora,
    PixelFormat,
    Provenance,
    Region,
    ResultForm,
    Tiling,
)

_PICTURED: Final = {"controls": "control images", "islands": "a mask of UV islands"}
"""Fields of a request that need pictures which no file holds."""


def request_again(
    record: Provenance,
    document: Document | None = None,
    mask: Path | None = None,
    regions: Sequence[Path] = (),
) -> GenerateRequest:
    """The request of a record of underpaint's. `document` and `mask` are what it started from.

    `regions`: files with the masks of its regions, the lowest first, scaled over the picture.

    Raises `InvalidRequest` where one of them is missing, or something that cannot be given at all.
    """
    plain = record.request
    for key, what in _PICTURED.items():
        if plain.get(key):
            raise _wrong(key, f"It was made with {what}, which the file does not hold: run it in its host.")
    if "prompt" not in plain:
        raise _wrong("prompt", "The file was written without its prompts: it cannot be made again from it.")
    operation, values = _operation(plain)
    tiling = ("x" if plain.get("tile_x") else "") + ("y" if plain.get("tile_y") else "")
    request: dict[str, Any] = {
        "prompt": plain["prompt"],
        "negative_prompt": plain.get("negative_prompt", ""),
        "model": plain.get("model", ""),
        "seed": plain.get("seed"),
        "steps": plain.get("steps"),
        "guidance_scale": plain.get("guidance_scale"),
        "scheduler": plain.get("scheduler", ""),
        "scheduler_parameters": dict(_mapping(plain.get("scheduler_parameters"))),
        "loras": tuple(_lora(_mapping(one)) for one in _list(plain.get("loras"))),
        "tiling": Tiling(tiling or "none"),
        "postprocess": tuple(map(str, _list(plain.get("postprocess")))),
        "output": PixelFormat() if document is None else document.format,
    }
    if operation == "text_to_image":
        width, height = values.get("width_px"), values.get("height_px")
        request |= {"width": width, "height": height}
        whole = Bounds(0, 0, width or 0, height or 0)
        return GenerateRequest(**request, regions=_regions(plain, regions, whole, whole))
    if document is None:
        raise _wrong("image", "It was made from a picture, which the file does not hold: give --image FILE.")
    # What a file's record does not know was the whole picture.
    place = document.canvas.intersect(record.place or document.canvas)
    seen = merged(document.layers, place, document.format.data_type)
    request |= {"image": image_of(seen, place, document.format), "strength": values.get("strength")}
    request["regions"] = _regions(plain, regions, document.canvas, place)
    request["edit"] = operation == "edit_image"
    if operation == "inpaint":
        if mask is None:
            raise _wrong("mask", "It filled a part of a picture: give --mask FILE, white where it painted.")
        coverage = read_mask(mask, document.canvas).within(place)
        request |= {"mask": image_of(coverage, place, MASK_FORMAT), "form": ResultForm.LAYER}
        request |= {"grow": values.get("grow_px"), "feather": values.get("feather_px")}
        request["fill_mode"] = values.get("fill_mode", "")
    return GenerateRequest(**request)


def request_like(parameters: Parameters, model: str = "") -> GenerateRequest:
    """A request after A1111's text: the nearest that is said there; the model is the caller's.

    Raises `InvalidRequest` for a text whose numbers are none, or that began with a picture.
    """
    values = parameters.values
    if "Denoising strength" in values and "Hires upscale" not in values:
        raise _wrong("image", "This text is of a picture made from a picture: use img2img with that.")
    width, _, height = values.get("Size", "").partition("x")
    try:
        return GenerateRequest(
            prompt=parameters.prompt,
            negative_prompt=parameters.negative_prompt,
            model=model,
            seed=int(values["Seed"]) if "Seed" in values else None,
            steps=int(values["Steps"]) if "Steps" in values else None,
            guidance_scale=float(values["CFG scale"]) if "CFG scale" in values else None,
            scheduler=scheduler_called(values.get("Sampler", ""), values.get("Schedule type", "")),
            width=int(width) if width else None,
            height=int(height) if height else None,
            output=PixelFormat(),
        )
    except ValueError as problem:
        raise _wrong("parameters", f"The file's text has a value that is none: {problem}.") from problem


def _operation(plain: Mapping[str, object]) -> tuple[str, Mapping[str, Any]]:
    for name in ("text_to_image", "image_to_image", "edit_image", "inpaint"):
        values = plain.get(name)
        if isinstance(values, Mapping):
            return name, values
    raise _wrong("operation", "It was made by something that cannot be run from a file.")


def _regions(
    plain: Mapping[str, object], masks: Sequence[Path], whole: Bounds, place: Bounds
) -> tuple[Region, ...]:
    found = [_mapping(one) for one in _list(plain.get("regions"))]
    if len(found) != len(masks):
        count = f"{len(found)} regions" if len(found) != 1 else "one region"
        text = (
            f"It was made with {count}, whose masks the file does not hold: give --region-mask FILE for each"
        )
        raise _wrong("regions", f"{text}, the lowest first; got {len(masks)}.")
    return tuple(
        Region(
            mask=mask_from_file(file, whole, place),
            prompt=str(one.get("prompt", "")),
            strength=one.get("strength", 1.0),
            negative_prompt=str(one.get("negative_prompt", "")),
            loras=tuple(_lora(_mapping(lora)) for lora in _list(one.get("loras"))),
        )
        for one, file in zip(found, masks, strict=True)
    )


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _lora(plain: Mapping[str, Any]) -> Lora:
    return Lora(str(plain.get("name", "")), plain.get("strength", 1.0), plain.get("text_encoder_strength"))


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, violations=[Violation(field, message)])
