"""In GIMP, without a window: every procedure as a script calls it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp


def main(host: Any) -> Iterator[None]:
    sys.path.insert(0, host.arguments["scripts"])
    from painting import call, painting, pixels, state, visible

    def drop(image: Any, layer: Any) -> bytes:
        data = pixels(layer)
        image.remove_layer(layer)
        return data

    # Fill: changed inside, the same outside, at its place.
    image = painting()
    before, shown = state(image), visible(image)
    status, layer, error = call("underpaint-fill", image, prompt="old brick wall", seed="7", steps=3)
    host.report(fill=[status, error])
    data, after = pixels(layer), visible(image)
    _, x, y = layer.get_offsets()
    width, height = layer.get_width(), layer.get_height()
    chosen = pixels(image.get_selection(), "Y u8")
    changed = [at for at in range(0, len(shown), 4) if shown[at : at + 4] != after[at : at + 4]]
    covered = {
        (y + row) * 301 + x + column
        for row in range(height)
        for column in range(width)
        if data[(row * width + column) * 4 + 3]
    }
    fully = [at for at, value in enumerate(chosen) if value == 255]
    host.report(
        place=[x, y, width, height],
        parent=layer.get_parent() is None and image.get_item_position(layer) == 0,
        name=layer.get_name(),
        changed_uncovered=sum(at // 4 not in covered for at in changed),
        changed_selected=sum(shown[at * 4 : at * 4 + 4] != after[at * 4 : at * 4 + 4] for at in fully),
        selected=len(fully),
        covered=[
            min(at % 301 for at in covered),
            min(at // 301 for at in covered),
            max(at % 301 for at in covered),
            max(at // 301 for at in covered),
        ],
        others_same=state(image)[2][1:] == before[2],
    )
    yield
    first = drop(image, layer)
    host.report(restored=visible(image) == shown)
    again = drop(image, call("underpaint-fill", image, prompt="old brick wall", seed="7", steps=3)[1])
    other = drop(image, call("underpaint-fill", image, prompt="old brick wall", seed="8", steps=3)[1])
    host.report(same_seed_same=again == first, other_seed_other=other != first)
    yield

    # Generate: from words, from the picture, from one layer.
    made = {}
    for name, more in (
        ("words", {}),
        ("picture", {"source": "picture", "strength": 0.5}),
        ("layer", {"source": "layer", "source_layer": image.get_layers()[1], "strength": 0.5}),
        ("faint", {"source": "layer", "source_layer": image.get_layers()[1], "strength": 0.05}),
    ):
        status, layer, error = call("underpaint-generate", image, prompt="moss", seed="3", steps=20, **more)
        made[name] = [status, error]
        if layer is not None:
            _, x, y = layer.get_offsets()
            made[name] += [x, y, layer.get_width(), layer.get_height(), image.get_item_position(layer)]
            data = pixels(layer)
            made[name].append(hashlib.sha256(data).hexdigest())
            image.remove_layer(layer)
        yield
    host.report(made=made)

    # Bad input: refused in words, and nothing is left behind.
    refused = {}
    plain = state(image)
    for name, more in (
        ("seed", {"seed": "seven"}),
        ("model", {"model": "no-such-model"}),
        ("prompt", {"prompt": "x" * 100_000}),
        ("scheduler", {"scheduler": "no-such-scheduler"}),
    ):
        refused[name] = call("underpaint-fill", image, **{"prompt": "moss", "steps": 2, **more})
    Gimp.Selection.none(image)
    refused["selection"] = call("underpaint-fill", image, prompt="moss")
    refused["nothing to fetch"] = call("underpaint-results", image)
    image.select_polygon(Gimp.ChannelOps.REPLACE, [101, 51, 187, 77, 203, 149, 140, 171, 93, 118])
    host.report(untouched=state(image) == plain)
    flat = image.duplicate()
    flat.flatten()
    flat.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")
    refused["indexed"] = call("underpaint-fill", flat, prompt="moss")
    host.report(refused={name: list(answer) for name, answer in refused.items()})
    yield

    # Images of other kinds.
    kinds = {}
    for base, precision in (
        (Gimp.ImageBaseType.GRAY, Gimp.Precision.U8_NON_LINEAR),
        (Gimp.ImageBaseType.RGB, Gimp.Precision.U16_NON_LINEAR),
        (Gimp.ImageBaseType.RGB, Gimp.Precision.HALF_LINEAR),
        (Gimp.ImageBaseType.RGB, Gimp.Precision.FLOAT_LINEAR),
        (Gimp.ImageBaseType.GRAY, Gimp.Precision.FLOAT_PERCEPTUAL),
    ):
        other_kind = painting(base, precision)
        shown = visible(other_kind, "R'G'B'A float")
        status, layer, error = call("underpaint-fill", other_kind, prompt="moss", seed="7", steps=2)
        if layer is None:
            kinds[f"{base.value_nick} {precision.value_nick}"] = [status, error]
            continue
        # As floats: an alpha of a 65,535th covers too.
        data, after = pixels(layer, "R'G'B'A float"), visible(other_kind, "R'G'B'A float")
        _, x, y = layer.get_offsets()
        width = layer.get_width()
        covered = {
            (y + at // width) * 301 + x + at % width
            for at in range(len(data) // 16)
            if any(data[at * 16 + 12 : at * 16 + 16])
        }
        changed = {at // 16 for at in range(0, len(shown), 16) if shown[at : at + 16] != after[at : at + 16]}
        kinds[f"{base.value_nick} {precision.value_nick}"] = [
            status,
            error,
            len(changed - covered),
            len(changed),
        ]
        other_kind.delete()
        yield
    host.report(kinds=kinds)
    image.delete()
    flat.delete()
