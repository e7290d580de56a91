"""A VAE in tiles: what it makes is what the whole makes, seams do not show, and each tile is a step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.unit.engine.memory.machine import Machine
from underpaint.engine.diffusion.autoencoder import Autoencoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.vae_tiles import EDGES, TileRun, count_tiles, smaller
from underpaint.engine.memory.simulated import SimulatedDevice
from underpaint.engine.residency import Shelf
from underpaint.types import Tiling
from underpaint.v1 import job_service_pb2

DENOISING, DECODING = job_service_pb2.STAGE_KIND_DENOISING, job_service_pb2.STAGE_KIND_DECODING
ENCODING = job_service_pb2.STAGE_KIND_ENCODING_IMAGE


def autoencoder(folder: Path) -> Autoencoder:
    return Autoencoder(Components({"vae": folder}, "m", Shelf(), "cpu", "float32"))


def latents(channels: int = 4, height: int = 48, width: int = 56) -> torch.Tensor:
    """Large shapes and some grain."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, channels, height // 4, width // 4, generator=generator)
    grain = torch.randn(1, channels, height, width, generator=generator)
    return functional.interpolate(coarse, (height, width), mode="bicubic") + 0.3 * grain


@torch.inference_mode()
def decoded(vae: Autoencoder, given: torch.Tensor, edge: int, tiling: Tiling) -> torch.Tensor:
    _, wrap = vae.network
    run = TileRun(given, edge, tiling, scale_in=1, scale_out=vae.factor)
    while not run.finished:
        run.step(lambda tile, alone: vae.decode_tile(tile, wrap, alone))
    return run.result()


@pytest.mark.parametrize("tiling", list(Tiling))
@pytest.mark.parametrize(
    ("height", "width", "edge"), [(33, 32, 32), (70, 111, 32), (40, 200, 48), (9, 65, 64)]
)
def test_tiles_cover_everything_once_and_put_it_back_where_it_was(
    height: int, width: int, edge: int, tiling: Tiling
) -> None:
    source = torch.randn(1, 2, height * 3, width * 3, generator=torch.Generator().manual_seed(1))
    run = TileRun(source, edge, tiling, scale_in=3, scale_out=3)
    assert run.count == count_tiles(height, width, edge, tiling) > (0 if height < edge else 1)
    while not run.finished:
        run.step(lambda tile, _: tile)
    assert (run.result() - source).abs().max() < 1e-5


def test_one_tile_is_the_whole_to_the_bit(models: Path) -> None:
    vae, given = autoencoder(models / "plain" / "vae"), latents()
    _, wrap = vae.network
    with torch.inference_mode(), wrap.around(Tiling.X):
        whole = vae.decode(given)
    assert torch.equal(decoded(vae, given, 0, Tiling.X), whole)
    assert torch.equal(decoded(vae, given, 128, Tiling.X), whole)


@pytest.mark.parametrize("tiling", [Tiling.NONE, Tiling.X, Tiling.XY])
def test_a_decoder_without_norms_makes_in_tiles_what_it_makes_at_once(tiling: Tiling) -> None:
    """The trained decoder of the model in the box: within a quarter of an 8-bit step, everywhere."""
    import underpaint_swatch

    vae = autoencoder(Path(underpaint_swatch.__file__).parent / "models" / "swatch" / "vae")
    given = latents(vae.channels)
    _, wrap = vae.network
    with torch.inference_mode(), wrap.around(tiling):
        whole = vae.decode(given)
    tiled = decoded(vae, given, 32, tiling)
    assert float((tiled - whole).abs().max()) <= 0.25 / 255
    assert float((tiled - whole).abs().mean()) <= 1e-5
    assert float(whole.std()) > 0.1


@pytest.mark.parametrize("tiling", [Tiling.NONE, Tiling.XY])
def test_seams_of_a_decoder_with_norms_are_no_steeper_than_the_picture(models: Path, tiling: Tiling) -> None:
    """Norms and attention see one tile at a time: colours may differ a little, edges must not appear."""
    vae, given = autoencoder(models / "plain" / "vae"), latents()
    _, wrap = vae.network
    with torch.inference_mode(), wrap.around(tiling):
        whole = vae.decode(given)
    tiled = decoded(vae, given, 32, tiling)
    assert float((tiled - whole).abs().mean()) <= 0.02
    for axis in (2, 3):
        # Between any two rows or columns, those at seams among them; in a ring from last to first, too.
        ours, theirs = (steepness(one, axis, ring=tiling is not Tiling.NONE) for one in (tiled, whole))
        assert float((ours / theirs).max()) <= 1.1


def steepness(picture: torch.Tensor, axis: int, *, ring: bool) -> torch.Tensor:
    """How much neighbouring rows or columns differ, against the 16 differences around."""
    first = picture.narrow(axis, 0, 1)
    steps = (
        torch.cat([picture, first] if ring else [picture], axis).diff(dim=axis).abs().mean((0, 1, 5 - axis))
    )
    around = functional.avg_pool1d(
        functional.pad(steps[None, None], (8, 8), mode="circular" if ring else "reflect"), 17, 1
    )
    return steps / around[0, 0]


def test_it_is_nearer_to_the_whole_than_the_stock_tiling(models: Path) -> None:
    vae, given = autoencoder(models / "plain" / "vae"), latents()
    network, _ = vae.network
    with torch.inference_mode():
        whole = vae.decode(given)
        network.tile_latent_min_size, network.tile_sample_min_size = 32, 256
        network.enable_tiling()
        stock = vae.decode(given)
        network.disable_tiling()
    ours = decoded(vae, given, 32, Tiling.NONE)
    assert (ours - whole).abs().mean() < (stock - whole).abs().mean()


@pytest.mark.parametrize("kind", ["plain", "small"])
def test_a_picture_is_encoded_in_tiles_within_a_stated_distance(models: Path, kind: str) -> None:
    vae = autoencoder(models / kind / "vae")
    y, x = np.mgrid[0:384, 0:320].astype(np.float32)
    picture = np.stack([np.sin(x / 19), np.cos(y / 23), np.sin((x + y) / 31)], axis=2) / 2 + 0.5
    _, wrap = vae.network
    moments = []
    with torch.inference_mode():
        for edge in (0, 32):
            run = TileRun(vae.pixels(picture), edge, Tiling.NONE, scale_in=8, scale_out=1)
            while not run.finished:
                run.step(lambda tile, alone: vae.moments(tile, wrap, alone))
            moments.append(run.result())
        drawn = [vae.draw(one, torch.Generator().manual_seed(3)) for one in moments]
    assert drawn[0].shape == drawn[1].shape == (1, 4, 48, 40)
    spread = float(drawn[0].std())
    assert float((drawn[0] - drawn[1]).abs().mean()) <= 0.1 * spread


def test_edges_go_down_to_the_smallest() -> None:
    assert [smaller(0, 100), smaller(96, 100), smaller(0, 40), smaller(32, 100)] == [96, 64, 32, None]
    assert smaller(0, EDGES[-1]) is None


# Through the loop


@pytest.fixture(scope="module")
def large(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that paints larger than a tile."""
    folder = tmp_path_factory.mktemp("large") / "large"
    shutil.copytree(models / "plain", folder)
    traits = json.loads((folder / "underpaint.json").read_text())
    traits |= {"max_size_px": 512, "native_size_px": 384}
    (folder / "underpaint.json").write_text(json.dumps(traits))
    return folder


WEIGHTS = 1_200_000
"""Bytes of all networks of the tiny model, and a bit."""
WHOLE, TILE = (int(side * side * 8 * 6.1 * 4) for side in (384, 256))
"""Bytes that decoding takes."""


def cramped(folder: Path, room: int) -> Machine:
    folder.mkdir()
    return Machine(folder, device=SimulatedDevice(WEIGHTS + room))


def test_where_a_picture_does_not_fit_its_tiles_are_planned_from_the_start(
    tmp_path: Path, large: Path
) -> None:
    machine = cramped(tmp_path / "it", int(1.5 * TILE))
    machine.paint("job", large, steps=2, size=384)
    outcome = machine.outcome("job")
    assert outcome.finished is not None, outcome.error
    (stage,) = [stage for stage in outcome.planned if stage.kind == DECODING]
    assert stage.steps == 4
    assert [step for at, step in outcome.steps if outcome.planned[at].kind == DECODING] == [1, 2, 3, 4]
    assert "in tiles of at most 256 px" in " ".join(outcome.finished.notes)
    roomy = Machine(tmp_path)
    roomy.paint("whole", large, steps=2, size=384)
    whole = roomy.outcome("whole")
    assert whole.finished is not None and not whole.finished.notes
    difference = outcome.picture().astype(int) - whole.picture()
    assert 0 < np.abs(difference).mean() <= 0.02 * 255
    assert machine.loop.stop(60) and roomy.loop.stop(60)


def test_a_decoding_that_runs_out_of_memory_goes_on_in_tiles_and_the_plan_says_so(
    tmp_path: Path, large: Path
) -> None:
    machine = cramped(tmp_path / "it", int(3 * WHOLE))
    squeezed = []

    def squeeze() -> None:
        # Another program takes the memory when the picture has been denoised.
        task = machine.loop._jobs["job"].task
        if not squeezed and task.plan[task.stage_index].kind.name == "DECODING":
            squeezed.append(machine.broker.device.free())
            machine.broker.device.others = 3 * WHOLE - int(1.3 * TILE)

    machine.paint("job", large, steps=2, size=384, after_step=squeeze)
    outcome = machine.outcome("job")
    assert outcome.finished is not None, outcome.error
    assert squeezed and machine.failures >= 2
    plans = [event.planned for event in machine.events["job"] if event.HasField("planned")]
    counts = [stage.steps for plan in plans for stage in plan.stages if stage.kind == DECODING]
    assert counts == [1, 4]
    assert "in tiles of at most 256 px" in " ".join(outcome.finished.notes)
    assert machine.loop.stop(60)


@pytest.mark.parametrize("kind", [ENCODING, DECODING])
def test_a_job_that_is_cancelled_between_two_tiles_computes_no_other(
    tmp_path: Path, large: Path, kind: int
) -> None:
    machine = cramped(tmp_path / "it", int(1.5 * TILE))

    def cancel() -> None:
        task = machine.loop._jobs["job"].task
        if task.plan[task.stage_index].kind.name in job_service_pb2.StageKind.Name(kind) and task.stage_step:
            machine.loop.cancel("job")

    machine.paint("job", large, steps=2, size=384, source=kind == ENCODING, after_step=cancel)
    outcome = machine.outcome("job")
    assert outcome.cancelled is not None, outcome.error
    stage, step = outcome.steps[-1]
    assert outcome.planned[stage].kind == kind and step == 1 < outcome.planned[stage].steps
    assert machine.loop.stop(60)
