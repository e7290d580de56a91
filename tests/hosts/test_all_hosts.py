"""Krita, GIMP, Blender and the command line share one daemon, and the same request gives the same picture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFilter

from tests.hosts.drivers.engines import engines, held
from tests.hosts.processes import SCRIPT_S, HostTask, RunningHost
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli import packaging
from underpaint.provenance import from_json

Pixels: TypeAlias = npt.NDArray[np.int16]
SCRIPTS = Path(__file__).parent / "scripts"
HOSTS = ("krita", "gimp", "blender")
CANVAS = (300, 220)
PICTURE = (128, 128)
"""A size that every model can make: a generated picture then covers the canvas exactly."""
STEPS = 6


@dataclass
class Studio:
    """Three open hosts and the command line, all at one daemon. `folder` is seen by all of them."""

    installation: Installation
    hosts: dict[str, RunningHost]
    folder: Path

    def begin(self, name: str, verb: str, size: tuple[int, int], **words: Any) -> HostTask:
        """Hands a host its work; it begins when it is told to."""
        arguments = {"folder": str(self.folder), "size": size, "verb": verb, "steps": STEPS, **words}
        script = SCRIPTS / f"same_{name}.py"
        return self.hosts[name].begin(script, out=str(self.folder / f"{name}.rgba"), **arguments)

    def paint(self, verb: str, size: tuple[int, int], work: dict[str, dict[str, Any]]) -> dict[str, Pixels]:
        """What the hosts named in `work` make, all of them at the same time."""
        self.put(size)
        tasks = {name: self.begin(name, verb, size, **words) for name, words in work.items()}
        for task in tasks.values():
            task.until_reported("ready")
        # No job can end before all of them are there, whichever host is the quickest.
        with held(self.installation.runtime):
            for task in tasks.values():
                task.tell(go=True)
            for task in tasks.values():
                task.until_reported("began")
            some = next(iter(self.hosts.values()))
            some.until(lambda: self.waiting() == len(work), SCRIPT_S, "jobs of all the hosts")
        told = {name: task.finish(900) for name, task in tasks.items()}
        assert {name: (seen["state"], seen["problem"]) for name, seen in told.items()} == {
            name: ("placed", "") for name in work
        }
        for name, words in work.items():
            (record,) = from_json(told[name]["records"])
            assert (record.prompt, record.request["seed"]) == (words["prompt"], words["seed"])
            assert record.model_sha256, "the document does not say which weights made it"
        began, ended = ([seen[when] for seen in told.values()] for when in ("began", "ended"))
        assert max(began) < min(ended), "they did not work at the same time"
        return {name: self._raw(self.folder / f"{name}.rgba", size) for name in work}

    def waiting(self) -> int:
        """How many jobs the daemon has that are not over."""
        return sum(job["state"] in ("queued", "running") for job in self.installation.json("jobs", "list"))

    def alone(self, verb: str, size: tuple[int, int], prompt: str, seed: int) -> Pixels:
        """What the command line makes of the same."""
        self.put(size)
        out, common = str(self.folder / "cli.png"), ("--steps", str(STEPS), "--seed", str(seed))
        if verb == "fill":
            source, mask = str(self.folder / "painting.png"), str(self.folder / "mask.png")
            self.installation.json("inpaint", source, prompt, "--mask", mask, "-o", out, *common)
        else:
            width, height = size
            self.installation.json("txt2img", prompt, "--size", f"{width}x{height}", "-o", out, *common)
        with Pictures.open(out) as made:
            return np.asarray(made.convert("RGBA")).astype(np.int16)

    def put(self, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
        """The painting and a hole with a soft edge, as raw pixels and as PNG."""
        width, height = size
        y, x = np.mgrid[0:height, 0:width]
        rgb = np.stack([x * 255 // width, 255 - y * 255 // height, (x // 13 + y // 11) % 2 * 180], axis=2)
        painting = Pictures.fromarray(rgb.astype(np.uint8)).convert("RGBA")
        mask = Pictures.new("L", size)
        corners = [(0.41, 0.29), (0.63, 0.38), (0.57, 0.66), (0.34, 0.53)]
        ImageDraw.Draw(mask).polygon([(a * width, b * height) for a, b in corners], fill=255)
        mask = mask.filter(ImageFilter.GaussianBlur(1.5))
        for name, image in (("painting", painting), ("mask", mask)):
            image.save(self.folder / f"{name}.png")
        (self.folder / "painting.rgba").write_bytes(painting.tobytes())
        (self.folder / "mask.gray").write_bytes(mask.tobytes())
        return np.asarray(painting).astype(np.int16), np.asarray(mask).astype(np.int16)

    def _raw(self, file: Path, size: tuple[int, int]) -> Pixels:
        found = np.frombuffer(file.read_bytes(), np.uint8).reshape(size[1], size[0], 4)
        return found.astype(np.int16)


@pytest.fixture(scope="module")
def studio(
    module_sandbox: HostSandbox, tiny_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Studio]:
    """All three with their plug-ins, installed from the zips as users do."""
    sandbox, zips = module_sandbox, tmp_path_factory.mktemp("zips")
    for name in ("krita", "gimp"):
        archive = packaging.build(name, zips)
        packaging.install(name, archive, home=sandbox.home, environ=sandbox.environ_outside)
    sandbox.install_blender_extension(packaging.build("blender", zips))
    folder = tmp_path_factory.mktemp("studio")
    (folder / "state").mkdir()
    sandbox.bind(folder)
    installation = Installation(folder, sandbox.runtime, tiny_root)
    installation.serve()
    environ = installation.places
    deadline = time.monotonic() + SCRIPT_S
    while not engines(sandbox.runtime):
        assert time.monotonic() < deadline, "the daemon starts no engine"
        time.sleep(0.05)
    with (
        sandbox.open_krita(plugins=("underpaint_krita",), environ=environ) as krita,
        sandbox.open_gimp(environ=environ) as gimp,
        sandbox.open_blender(environ=environ) as blender,
    ):
        yield Studio(installation, {"krita": krita, "gimp": gimp, "blender": blender}, folder)
    installation.close()


def differences(
    pictures: dict[str, Pixels], expected: Pixels, where: npt.NDArray[np.bool_]
) -> dict[str, int]:
    """The largest difference of a channel, 0 to 255, for each picture."""
    return {name: int(np.abs(picture - expected)[where].max()) for name, picture in pictures.items()}


def print_near(found: dict[str, int], made: dict[str, Pixels], expected: Pixels) -> None:
    """How near they are: jobs that are stepped together are rounded in another order than one alone."""
    apart = {name: int((picture != expected).sum()) for name, picture in made.items()}
    print(f"\nlargest difference from the command line's picture, of 255: {found}")
    print(f"values that differ at all, of {expected.size}: {apart}")


def test_three_hosts_fill_at_the_same_time_and_each_gets_its_own_picture(studio: Studio) -> None:
    work: dict[str, dict[str, Any]] = {
        "krita": {"prompt": "red brick wall", "seed": 11},
        "gimp": {"prompt": "old wood", "seed": 22},
        "blender": {"prompt": "green moss", "seed": 33},
    }
    made = studio.paint("fill", CANVAS, work)
    painting, mask = studio.put(CANVAS)
    alone = {name: studio.alone("fill", CANVAS, **words) for name, words in work.items()}
    inside = mask == 255
    for name in HOSTS:
        assert differences({name: made[name]}, alone[name], mask >= 0) == {name: pytest.approx(0, abs=1)}
        for other in set(HOSTS) - {name}:
            share = (np.abs(made[name] - alone[other]) > 1).any(axis=2)[inside].mean()
            assert share > 0.5, f"{name} has the picture of {other}"
        assert (made[name] != painting).any(axis=2)[inside].mean() > 0.9


def test_the_same_fill_gives_the_same_pixels_everywhere(studio: Studio) -> None:
    words: dict[str, Any] = {"prompt": "red brick wall", "seed": 7}
    made = studio.paint("fill", CANVAS, dict.fromkeys(HOSTS, words))
    painting, mask = studio.put(CANVAS)
    expected = studio.alone("fill", CANVAS, **words)
    found = differences(made, expected, mask >= 0)
    print_near(found, made, expected)
    assert max(found.values()) <= 1, found
    assert (expected != painting).any(axis=2)[mask == 255].mean() > 0.9


def test_the_same_words_give_the_same_picture_everywhere(studio: Studio) -> None:
    words: dict[str, Any] = {"prompt": "old stone", "seed": 9}
    made = studio.paint("generate", PICTURE, dict.fromkeys(HOSTS, words))
    expected = studio.alone("generate", PICTURE, **words)
    everywhere = np.ones(expected.shape[:2], bool)
    found = differences(made, expected, everywhere)
    print_near(found, made, expected)
    assert max(found.values()) <= 1, found
    assert expected[..., :3].std() > 5
    assert not any((picture[..., 3] != 255).any() for picture in made.values())
