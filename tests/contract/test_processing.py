"""Preprocessors and post-processors from the command line and the client down to the real worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

import underpaint
from tests.support.installation import Installation
from underpaint.errors import InvalidRequest
from underpaint.types import (
    MASK_FORMAT,
    Alpha,
    Bounds,
    Channels,
    GenerateRequest,
    Image,
    PixelFormat,
    PreprocessRequest,
    ResultForm,
    StageKind,
)

pytestmark = pytest.mark.slow

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)


@pytest.fixture
def client(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[underpaint.Client]:
    for name, value in installation.places.items():
        monkeypatch.setenv(name, value)
    with underpaint.connect(start=False) as found:
        yield found


def square() -> np.ndarray:
    picture = np.full((60, 80, 3), 230, np.uint8)
    picture[20:40, 30:50] = 20
    return picture


def test_the_shell_makes_edges_and_a_mask(installation: Installation, tmp_path: Path) -> None:
    source, edges = tmp_path / "square.png", tmp_path / "edges.png"
    Pictures.fromarray(square()).save(source)
    said = installation.json("preprocess", "canny", str(source), "-p", "low=50", "-o", str(edges))
    assert said["request"]["preprocess"]["parameters"] == {"low": 50.0, "high": 200.0, "blur": 0.0}
    with Pictures.open(edges) as made:
        assert (made.size, made.mode) == ((80, 60), "RGB")
        lines = np.asarray(made)[..., 0]
    rows, columns = np.nonzero(lines == 255)
    assert rows.size > 60
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((20, 40, 30, 50), abs=2)

    holed = np.dstack([square(), np.full((60, 80), 255, np.uint8)])
    holed[:10, :, 3] = 0
    Pictures.fromarray(holed).save(source)
    mask = tmp_path / "mask.png"
    assert installation.run("preprocess", "transparent-parts", str(source), "-o", str(mask)).returncode == 0
    with Pictures.open(mask) as made:
        assert made.mode == "L"
        assert np.array_equal(np.asarray(made) == 255, holed[..., 3] == 0)
    assert installation.json("jobs", "list") == []


def test_the_shell_tells_what_there_is_and_what_is_wrong(installation: Installation, tmp_path: Path) -> None:
    listed = {one["name"]: one for one in installation.json("preprocess", "--list")}
    assert listed["canny"]["role"] == "canny"
    assert [one["name"] for one in listed["canny"]["parameters"]] == ["low", "high", "blur"]
    assert "low=100 (1 to 1000)" in installation.run("preprocess", "--list").stdout
    source = tmp_path / "square.png"
    Pictures.fromarray(square()).save(source)
    for arguments, said in (
        (("cany", str(source)), "canny"),
        (("canny", str(source), "-p", "low"), "NAME=NUMBER"),
        (("canny", str(source), "-p", "low=0"), "1 to 1000"),
        (("canny",), "which picture"),
    ):
        done = installation.run("preprocess", *arguments)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr


def test_the_shell_lists_plugins_of_both_sides(installation: Installation) -> None:
    listed = {(one["side"], one["name"]): one for one in installation.json("plugins")}
    assert listed["daemon", "preprocessors"]["hooks"] == ["underpaint_preprocessors"]
    assert listed["host", "standard"]["hooks"] == ["underpaint_control_sources", "underpaint_verbs"]
    assert not any(one["problem"] for one in listed.values())
    assert "word-list" in installation.run("plugins", "-v").stdout


def test_the_shell_shows_why_a_plugin_is_broken(empty_installation: Installation, tmp_path: Path) -> None:
    described = tmp_path / "plugins" / "broken-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", "utf-8")
    groups = "[underpaint.engine]\nbad = no_such_module\n[underpaint.hosts]\nbad = no_such_module\n"
    (described / "entry_points.txt").write_text(groups, "utf-8")
    empty_installation.environ["PYTHONPATH"] = str(described.parent)
    # Started here: a daemon that a client starts gets no PYTHONPATH, which may be a host's.
    empty_installation.serve()
    told = empty_installation.run("plugins", "-v")
    assert told.returncode == 0
    assert told.stdout.count("broken 1.0") == 2
    assert told.stderr.count("ModuleNotFoundError") == 2
    assert "plugins -v" in empty_installation.run("plugins").stderr
    # What hosts load is chosen by their own environment, what the daemon loads by that of its start.
    empty_installation.environ["UNDERPAINT_PLUGINS_BLOCK"] = "bad"
    listed = {(one["side"], one["name"]): one for one in empty_installation.json("plugins")}
    assert listed["host", "bad"]["blocked"] and not listed["host", "bad"]["problem"]
    assert listed["daemon", "bad"]["problem"] and not listed["daemon", "bad"]["blocked"]
    assert listed["daemon", "preprocessors"]["problem"] == ""


def test_the_client_preprocesses_in_stages_and_in_place(client: underpaint.Client) -> None:
    assert "canny" in [found.name for found in client.preprocessors()]
    pixels = square().tobytes()
    request = PreprocessRequest(image=Image(80, 60, pixels, RGB, x=-7, y=9), preprocessor="soft-edge")
    job = client.submit(request)
    final = job.wait()
    assert [stage.kind for stage in final.plan] == [StageKind.PREPROCESSING]
    (made,) = job.fetch()
    assert made.bounds == Bounds(-7, 9, 80, 60)
    assert made.format == RGB
    with pytest.raises(InvalidRequest, match="preprocessor"):
        client.submit(PreprocessRequest(image=request.image, preprocessor=""))


def test_post_processing_changes_a_fill_and_nothing_around_it(client: underpaint.Client) -> None:
    assert [found.name for found in client.postprocessors()] == ["match-colors", "pad-islands", "sharpen"]
    source = np.random.default_rng(5).integers(60, 120, (64, 96, 4), np.uint8)
    source[..., 3] = 255
    coverage = np.zeros((64, 96), np.uint8)
    coverage[20:44, 36:60] = 255

    def fill(*names: str) -> np.ndarray:
        request = GenerateRequest(
            prompt="moss",
            seed=3,
            steps=2,
            image=Image(96, 64, source.tobytes()),
            mask=Image(96, 64, coverage.tobytes(), MASK_FORMAT),
            form=ResultForm.MERGED,
            grow=0.0,
            feather=4.0,
            postprocess=names,
        )
        job = client.submit(request)
        final = job.wait()
        assert final.resolved["postprocess"] == list(names)
        return np.frombuffer(job.fetch()[0].data, np.uint8).reshape(64, 96, 4)

    plain, matched, sharp = fill(), fill("match-colors"), fill("match-colors", "sharpen")
    outside = coverage == 0
    for made in (plain, matched, sharp):
        assert np.array_equal(made[outside], source[outside])
    inside = np.s_[26:38, 42:54, :3]
    wanted = source[..., :3].mean(axis=(0, 1))
    far, near = (np.abs(made[inside].mean(axis=(0, 1)) - wanted).max() for made in (plain, matched))
    assert near < 0.5 * far
    assert not np.array_equal(matched, sharp)
