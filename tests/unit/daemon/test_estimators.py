"""Networks that preprocessors look through: found in the roots, listed with what they estimate, chosen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.weight_files import write_weights
from underpaint.daemon.estimators import function_of, lacking
from underpaint.daemon.models import ModelIndex, to_info
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.processing import preprocessor_infos
from underpaint.errors import ModelNotFound, ModelUnusable
from underpaint.hookspecs import PreprocessorDescriptor

UPERNET, SEGFORMER = "UperNetForSemanticSegmentation", "SegformerForSemanticSegmentation"
SEGMENTS = PreprocessorDescriptor(
    name="segmentation",
    title="Segments",
    role="segmentation",
    engine="a.module:segmentation",
    weights=(UPERNET, SEGFORMER),
    example="someone/some-net",
)
HELPED = PreprocessorDescriptor(
    name="pose",
    title="Pose",
    role="pose",
    engine="a.module:pose",
    weights=("VitPoseForPoseEstimation",),
    helpers=("RTDetrForObjectDetection",),
)


def network(root: Path, name: str, architecture: str, file: str = "model.safetensors") -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    if file.endswith(".safetensors"):
        write_weights(folder / file, {"decode_head.classifier.weight": (150, 8, 1, 1)})
    else:
        (folder / file).write_bytes(b"never opened")
    return folder


def index(root: Path) -> ModelIndex:
    return ModelIndex([root], load_plugins=plugins)


def plugins() -> Plugins:
    found = Plugins(installed_models=False)
    found.preprocessors |= {SEGMENTS.name: SEGMENTS, HELPED.name: HELPED}
    return found


async def test_weights_of_preprocessors_are_listed_with_what_they_estimate(tmp_path: Path) -> None:
    network(tmp_path, "nets/streets", SEGFORMER)
    network(tmp_path, "depth", "DPTForDepthEstimation")
    network(tmp_path, "words", "CLIPTextModel")
    network(tmp_path, "clay", SEGFORMER, "lora.safetensors")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    write_weights(tmp_path / "broken" / "model.safetensors", {"a.weight": (4, 4)})
    models = index(tmp_path)
    listed = {one.name: to_info(one, loaded=False) for one in await models.all()}
    told = {name: (one.kind, one.family) for name, one in listed.items()}
    assert told["estimator:nets/streets"] == ("estimator", "segmentation/mask")
    assert told["estimator:depth"][0] == "estimator" and "depth" in told["estimator:depth"][1].split("/")
    assert {kind for kind, _ in told.values()} == {"estimator", "unknown"}
    assert listed["estimator:nets/streets"].problem == ""
    assert len(await models.all("estimator")) == 2
    assert await models.all("") == [], "they paint nothing by themselves"
    with pytest.raises(ModelUnusable, match="of the kind estimator, which paints nothing"):
        await models.find("estimator:depth")


async def test_the_best_architecture_is_taken_and_then_the_first_name(tmp_path: Path) -> None:
    network(tmp_path, "a-segformer", SEGFORMER)
    wanted = network(tmp_path, "b-upernet", UPERNET)
    network(tmp_path, "c-upernet", UPERNET)
    function = await function_of(SEGMENTS, index(tmp_path))
    assert function.weights == str(wanted)
    assert (function.name, function.engine) == ("segmentation", "a.module:segmentation")
    assert not function.HasField("helper")


async def test_a_helper_is_named_where_there_is_one(tmp_path: Path) -> None:
    network(tmp_path, "pose", "VitPoseForPoseEstimation")
    alone = await function_of(HELPED, index(tmp_path))
    assert alone.HasField("helper") and alone.helper == ""
    people = network(tmp_path, "people", "RTDetrForObjectDetection")
    assert (await function_of(HELPED, index(tmp_path))).helper == str(people)


async def test_what_is_missing_is_said_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound) as raised:
        await function_of(SEGMENTS, index(tmp_path))
    for part in (UPERNET, SEGFORMER, "config.json", "models import someone/some-net"):
        assert part in raised.value.message
    assert raised.value.metadata == {"model": "segmentation"}


async def test_weights_that_are_a_pickle_are_refused_with_a_way_out_unless_there_are_others(
    tmp_path: Path,
) -> None:
    pickled = network(tmp_path, "a-upernet", UPERNET, "pytorch_model.bin")
    with pytest.raises(ModelUnusable, match=r"models convert '.*a-upernet/pytorch_model\.bin'"):
        await function_of(SEGMENTS, index(tmp_path))
    readable = network(tmp_path, "z-segformer", SEGFORMER)
    assert (await function_of(SEGMENTS, index(tmp_path))).weights == str(readable)
    write_weights(pickled / "model.safetensors", {"a.weight": (4, 4)})
    assert (await function_of(SEGMENTS, index(tmp_path))).weights == str(pickled)


async def test_the_list_of_preprocessors_says_which_ones_lack_weights(tmp_path: Path) -> None:
    models = index(tmp_path)
    problems = {one.name: one.problem for one in await preprocessor_infos(await models.plugins(), models)}
    assert problems["canny"] == ""
    assert "'segmentation' needs weights" in problems["segmentation"]
    network(tmp_path, "streets", SEGFORMER)
    assert await lacking(SEGMENTS, index(tmp_path)) == ""
