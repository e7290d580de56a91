"""A control net as a single file in ComfyUI's folder, from the client and the shell down to a real worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import underpaint
from tests.support.folders import remove
from tests.support.installation import Installation
from underpaint.types import Alpha, Channels, Image, PixelFormat

pytestmark = pytest.mark.slow

EDGE = 64
RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
NAME = "control_v11p_sd15_scribble_fp16"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Iterator[Installation]:
    """A daemon with the tiny models and, where ComfyUI keeps them, the tiny control net once more."""
    from tests.support.control_files import net_file

    folder = tmp_path_factory.mktemp("installation")
    comfy = folder / "ComfyUI" / "models"
    (comfy / "checkpoints").mkdir(parents=True)
    net_file(tiny_root / "tiny-lines", comfy / "controlnet" / f"{NAME}.safetensors", naming="original")
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    shared = Installation(folder, runtime, tiny_root)
    shared.run("models", "roots", "add", str(folder / "ComfyUI"))
    shared.serve()
    yield shared
    shared.close()
    remove(runtime)


def drawing() -> Image:
    lines = np.zeros((EDGE, EDGE, 3), np.uint8)
    lines[::8] = lines[:, ::8] = 255
    return Image(EDGE, EDGE, lines.tobytes(), RGB)


def test_a_net_in_one_file_paints_through_the_daemon_what_its_folder_paints(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in installation.places.items():
        monkeypatch.setenv(name, value)
    with underpaint.connect(start=False) as client:

        def made(*controls: underpaint.Control) -> tuple[bytes, underpaint.JobUpdate]:
            request = underpaint.GenerateRequest(
                prompt="brick", seed=3, steps=4, width=EDGE, height=EDGE, model="tiny", controls=controls
            )
            job = client.submit(request)
            final = job.wait(120)
            return bytes(job.fetch()[0].data), final

        free, _ = made()
        folder, _ = made(underpaint.Control(image=drawing(), role="line-art"))
        file, final = made(underpaint.Control(image=drawing(), role="scribble"))
    assert file == folder != free
    (resolved,) = final.resolved["controls"]  # type: ignore[misc]
    assert resolved["model"] == NAME
    assert f"{NAME}.safetensors" in " ".join(final.model_sha256)


def test_the_shell_lists_it_with_its_role_and_the_models_that_it_fits(installation: Installation) -> None:
    found = {one["name"]: one for one in installation.json("models", "controls")}
    one = found[NAME]
    assert (one["roles"], one["kind"], one["models"]) == (
        ["scribble"],
        "control-net",
        ["tiny", "tiny-inpaint"],
    )
