"""The command line over a real daemon and a real engine: pictures, jobs, models, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures
from PIL import ImageDraw

from tests.support.folders import emptied
from tests.support.installation import Installation
from tests.support.weight_files import LORA, SDXL, write_weights
from tests.tiny_flux import build_tiny_flux

STEPS = ("--steps", "3", "--seed", "5")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A gradient with a disc, 150x110."""
    x, y = np.meshgrid(np.arange(150), np.arange(110))
    rgb = np.stack([x + 60, y + 90, 200 - x], axis=2).astype(np.uint8)
    image = Pictures.fromarray(rgb)
    ImageDraw.Draw(image).ellipse((90, 20, 140, 70), fill=(220, 40, 30))
    image.save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """A triangle that lies on no 8 px border."""
    image = Pictures.new("L", (150, 110))
    ImageDraw.Draw(image).polygon([(37, 29), (83, 41), (51, 77)], fill=255)
    image.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def _pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    with Pictures.open(path) as image:
        return np.asarray(image.convert("RGBA")).astype(np.int16)


def test_txt2img_writes_the_same_picture_for_the_same_seed(
    installation: Installation, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for file, seed in zip(files, ("5", "5", "6"), strict=True):
        answer = installation.json(
            "txt2img", "red brick", "-o", str(file), "--steps", "3", "--seed", seed, "--size", "96x64"
        )
        assert answer["output"] == str(file)
        assert str(answer["request"]["seed"]) == seed
    a, b, c = (_pixels(file) for file in files)
    assert a.shape == (64, 96, 4)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_img2img_leaves_less_to_the_seed_at_lower_strength(
    installation: Installation, picture: Path, tmp_path: Path
) -> None:
    spread = []
    for strength in ("0.2", "1.0"):
        made = []
        for seed in ("5", "6"):
            target = tmp_path / f"{strength}-{seed}.png"
            arguments = ("img2img", str(picture), "moss", "--strength", strength, "-o", str(target))
            installation.json(*arguments, "--steps", "5", "--seed", seed)
            made.append(_pixels(target))
            assert made[-1].shape == (110, 150, 4)
        spread.append(np.abs(made[0] - made[1]).mean())
    assert spread[0] < spread[1]


@pytest.mark.parametrize("model", ["tiny", "tiny-inpaint"])
def test_inpaint_changes_the_hole_and_nothing_far_from_it(
    installation: Installation, picture: Path, mask: Path, tmp_path: Path, model: str
) -> None:
    target = tmp_path / "out.png"
    installation.json(
        "inpaint", str(picture), "moss", "--mask", str(mask), "-o", str(target), "--model", model, *STEPS
    )
    changed = (_pixels(target) != _pixels(picture)).any(axis=2)
    inside = _pixels(mask)[..., 0] > 0
    assert changed[inside].mean() > 0.9
    reach = np.zeros_like(inside)
    rows, columns = np.nonzero(inside)
    reach[rows.min() - 24 : rows.max() + 25, columns.min() - 24 : columns.max() + 25] = True
    assert not changed[~reach].any()


def test_edit_changes_a_picture_as_it_is_told_and_only_with_a_model_that_can(
    installation: Installation, picture: Path, tmp_path: Path
) -> None:
    model = build_tiny_flux(tmp_path / "kontext", kind="flux-kontext")
    made = []
    for number, instruction in enumerate(("make it red", "make it red", "add a tree")):
        output = tmp_path / f"{number}.png"
        more = ("--model", str(model), "-o", str(output), *STEPS)
        answer = installation.json("edit", str(picture), instruction, *more)
        assert set(answer["request"]["edit_image"]) == {"image"}
        made.append(_pixels(output))
    assert made[0].shape == (110, 150, 4)
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    # The picture that it looks at matters, too.
    Pictures.new("RGB", (150, 110), (200, 190, 30)).save(picture)
    installation.json("edit", str(picture), "make it red", *more)
    assert not np.array_equal(_pixels(tmp_path / "2.png"), made[0])
    refused = installation.run("edit", str(picture), "make it red", "-o", str(tmp_path / "x.png"))
    assert refused.returncode == 1
    assert "No installed model can do edit" in refused.stderr and "Kontext" in refused.stderr


def test_a_seamless_picture_has_no_seam(installation: Installation, tmp_path: Path) -> None:
    target = tmp_path / "tile.png"
    installation.json("txt2img", "moss", "--tile", "x", "-o", str(target), *STEPS)
    pixels = _pixels(target)[..., :3]
    seam = np.abs(pixels[:, 0] - pixels[:, -1]).mean()
    neighbours = np.abs(np.diff(pixels, axis=1)).mean()
    assert seam < 2 * neighbours


def test_models_are_listed_loaded_and_unloaded(installation: Installation) -> None:
    listed = {model["name"]: model for model in installation.json("models", "list")["models"]}
    assert listed["tiny-inpaint"]["native_inpainting"]
    assert not listed["tiny"]["problem"]
    assert installation.json("models", "load", "tiny")["loaded"]
    freed = installation.json("models", "yield", "--ram")
    assert freed["ram_bytes"] > 0 and freed["device_bytes"] == 0
    installation.json("models", "unload", "tiny")
    listed = {model["name"]: model for model in installation.json("models", "list")["models"]}
    assert not listed["tiny"]["loaded"]


def test_a_folder_that_is_added_shows_its_files_with_the_reason_why_they_are_of_no_use(
    installation: Installation, tmp_path: Path
) -> None:
    write_weights(tmp_path / "ui" / "models" / "loras" / "moss.safetensors", LORA)
    write_weights(tmp_path / "ui" / "models" / "checkpoints" / "photo.safetensors", SDXL)
    (added,) = installation.json("models", "roots", "add", str(tmp_path / "ui"))
    assert added["layout"] == "comfyui"
    try:
        listed = {model["name"]: model for model in installation.json("models", "list")["models"]}
        assert (listed["photo"]["kind"], listed["photo"]["family"]) == ("checkpoint", "sdxl")
        assert "no tokenizer" in listed["photo"]["problem"]
        loras = installation.json("models", "list", "--kind", "lora")["models"]
        assert "lora:moss" in [model["name"] for model in loras]
        shown = installation.json("models", "show", "lora:moss")
        assert (shown["family"], shown["dtype"], shown["format"]) == ("sd15", "F16", "safetensors")
        names = {model["name"] for model in installation.json("models", "list", "--kind", "all")["models"]}
        assert names >= {"tiny", "photo", "lora:moss"}
    finally:
        installation.json("models", "roots", "remove", str(tmp_path / "ui"))
    assert "photo" not in {model["name"] for model in installation.json("models", "list")["models"]}


def test_a_placed_picture_leaves_no_job_and_no_pixels_behind(
    installation: Installation, tmp_path: Path
) -> None:
    installation.json("txt2img", "moss", "-o", str(tmp_path / "a.png"), *STEPS)
    assert installation.json("jobs", "list") == []
    # Its command was the last that held them; the daemon sees that it is gone when it is gone.
    emptied(installation.folder / "state" / "pixels")


BAD_INPUT = [
    ("unknown-model", ["txt2img", "x", "--model", "nobody"], "MODEL_NOT_FOUND", "tiny"),
    ("size-not-a-multiple", ["txt2img", "x", "--size", "100x64"], "INVALID_REQUEST", "104"),
    ("size-no-size", ["txt2img", "x", "--size", "big"], "INVALID_REQUEST", "512x768"),
    ("prompt-too-long", ["txt2img", "x" * 100_000], "INVALID_REQUEST", "10000"),
    ("steps-0", ["txt2img", "x", "--steps", "-1"], "INVALID_REQUEST", "1"),
    ("steps-10000", ["txt2img", "x", "--steps", "10000"], "INVALID_REQUEST", "1000"),
    ("guidance-too-large", ["txt2img", "x", "--guidance", "900"], "INVALID_REQUEST", "100"),
    ("unknown-scheduler", ["txt2img", "x", "--scheduler", "magic"], "INVALID_REQUEST", "ddim"),
    ("strength-0", ["img2img", "{picture}", "x", "--strength", "0"], "INVALID_REQUEST", "strength"),
    ("strength-2", ["img2img", "{picture}", "x", "--strength", "2"], "INVALID_REQUEST", "strength"),
    ("empty-mask", ["inpaint", "{picture}", "x", "--mask", "{black}"], "NOTHING_SELECTED", "select"),
    (
        "mask-of-another-size",
        ["inpaint", "{picture}", "x", "--mask", "{small}"],
        "INVALID_REQUEST",
        "150x110",
    ),
    ("not-a-picture", ["img2img", "{text}", "x"], "INVALID_REQUEST", "cannot be read"),
    ("no-such-folder", ["txt2img", "x", "-o", "/nowhere/a.png"], "INVALID_REQUEST", "/nowhere"),
    ("no-picture-format", ["txt2img", "x", "-o", "a.xyz"], "INVALID_REQUEST", ".png"),
]


@pytest.mark.parametrize(
    ("arguments", "reason", "way_out"), [row[1:] for row in BAD_INPUT], ids=[row[0] for row in BAD_INPUT]
)
def test_bad_input_gets_a_reason_and_a_way_out_and_leaves_nothing(
    installation: Installation, picture: Path, tmp_path: Path, arguments: list[str], reason: str, way_out: str
) -> None:
    jobs = installation.json("jobs", "list")
    Pictures.new("L", (150, 110)).save(tmp_path / "black.png")
    Pictures.new("L", (15, 11), 255).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no picture")
    files = {name: str(tmp_path / f"{name}.png") for name in ("black", "small", "text")}
    done = installation.run(*(argument.format(picture=picture, **files) for argument in arguments), "--json")
    assert done.returncode in (1, 2), done.stdout + done.stderr
    error = json.loads(done.stdout)["error"]
    said = error["message"] + " ".join(violation["description"] for violation in error["violations"])
    assert (error["reason"], way_out.lower() in said.lower()) == (reason, True), error
    assert "Traceback" not in done.stderr
    assert installation.json("jobs", "list") == jobs


def test_without_a_daemon_commands_say_what_to_do(empty_installation: Installation) -> None:
    done = empty_installation.run("jobs", "list", "--json")
    error = json.loads(done.stdout)["error"]
    assert error["reason"] == "DAEMON_UNREACHABLE"
    assert "underpaint serve" in error["message"]


def test_the_first_picture_starts_the_daemon_and_stop_ends_it(
    empty_installation: Installation, tmp_path: Path
) -> None:
    answer = empty_installation.json("txt2img", "moss", "-o", str(tmp_path / "a.png"), *STEPS)
    assert Path(answer["output"]).exists()
    assert empty_installation.json("stop")["stopped"]
    assert not empty_installation.json("stop")["stopped"]


def test_doctor_names_every_part_and_json_goes_with_all_of_it(installation: Installation) -> None:
    done = installation.run("doctor", "--json")
    parts = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert {"underpaint", "daemon", "engine", "pixel folder", "models", "krita", "gimp", "blender"} <= set(
        parts
    )
    assert parts["models"]["ok"]
    assert "tiny" in parts["models"]["state"]


def test_a_picture_is_expanded_and_keeps_its_own_pixels(
    installation: Installation, picture: Path, tmp_path: Path
) -> None:
    target, layered = tmp_path / "wide.png", tmp_path / "wide.ora"
    arguments = ("expand", str(picture), "moss", "--right", "64", "--top", "8")
    installation.json(*arguments, "-o", str(target), *STEPS)
    wide, own = _pixels(target), _pixels(picture)
    assert wide.shape == (118, 214, 4)
    assert (wide[..., 3] == 255).all()
    # The rim that joins them is soft; the rest of the picture is the picture's.
    assert np.array_equal(wide[60:118, :90], own[52:, :90])
    assert wide[:, 160:, :3].std() > 3
    installation.json(*arguments, "-o", str(layered), *STEPS)
    with Pictures.open(tmp_path / "wide.png") as flat:
        assert flat.size == (214, 118)
    from underpaint.testing.reference import read_document

    document = read_document(layered)
    assert (document.canvas.width, document.canvas.height) == (214, 118)
    assert [layer.name for layer in document.layers] == ["moss", "picture"]


def test_a_picture_that_shall_grow_by_nothing_is_refused(installation: Installation, picture: Path) -> None:
    done = installation.run("expand", str(picture), "moss")
    assert done.returncode == 2
    assert "how far the picture shall grow" in done.stderr


def test_a_hole_can_begin_with_what_is_around_it(
    installation: Installation, picture: Path, mask: Path, tmp_path: Path
) -> None:
    made = []
    for mode in ("keep", "border"):
        target = tmp_path / f"{mode}.png"
        fill = ("inpaint", str(picture), "moss", "--mask", str(mask), "--strength", "0.4", "-o", str(target))
        answer = installation.json(*fill, "--fill-mode", mode, "--model", "tiny", *STEPS)
        assert answer["request"]["inpaint"]["fill_mode"] == mode
        made.append(_pixels(target))
    assert not np.array_equal(*made)
    refused = installation.run("inpaint", str(picture), "x", "--mask", str(mask), "--fill-mode", "melt")
    assert refused.returncode == 2 and "keep, blur, neutral, noise, border" in refused.stderr
