"""Control models on disk, and controls on their way through a real daemon with a scripted worker."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.unit.daemon.harness import (
    Caller,
    Home,
    connect,
    image_layout,
    mask_layout,
    write_control,
    write_model,
)
from underpaint.daemon.controls import ControlIndex, fits, roles_of, to_control_info
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.runner import inputs_of
from underpaint.errors import BlobNotFound, InvalidRequest, ModelNotFound, ModelUnusable
from underpaint.types import ControlRole
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1 import model_service_pb2


async def index_of(root: Path) -> tuple[ModelIndex, ControlIndex]:
    models = ModelIndex([root], load_plugins=partial(Plugins, installed_models=False))
    return models, ControlIndex(models)


async def test_control_models_are_found_beside_models_and_are_none_themselves(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny")
    write_control(tmp_path, "lines", "line-art", "canny")
    write_control(tmp_path, "other-size", "depth", block_out_channels=[64, 128])
    (tmp_path / "vae-alone").mkdir()
    (tmp_path / "vae-alone" / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    models, controls = await index_of(tmp_path)
    assert [found.name for found in await models.all("")] == ["tiny"]
    lines, other = await controls.all()
    tiny = await models.find("tiny")
    assert (fits(lines, tiny), fits(other, tiny)) == (True, False)
    info = to_control_info(lines, [tiny])
    assert (info.title, info.family, info.roles, info.models) == (
        "LINES",
        "sd15",
        ("line-art", "canny"),
        ("tiny",),
    )
    assert roles_of(tiny, [lines, other]) == (
        ControlRole("canny", ("lines",)),
        ControlRole("line-art", ("lines",)),
    )


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("control_v11p_sd15_canny", "canny"),
        ("control_v11f1p_sd15_depth", "depth"),
        ("control_v11p_sd15s2_lineart_anime", "line-art"),
        ("sd-controlnet-openpose", "pose"),
        ("control_v11p_sd15_softedge", "soft-edge"),
        ("my-net", None),
    ],
)
async def test_a_role_is_read_from_the_folders_name_where_nothing_else_says_it(
    tmp_path: Path, name: str, role: str | None
) -> None:
    write_control(tmp_path, name)
    (found,) = await (await index_of(tmp_path))[1].all()
    assert found.traits is not None
    assert found.traits.roles == (() if role is None else (role,))


async def test_the_net_whose_main_role_it_is_comes_first(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny")
    write_control(tmp_path, "a", "canny", "line-art")
    write_control(tmp_path, "b", "line-art", "canny")
    models, controls = await index_of(tmp_path)
    roles = roles_of(await models.find("tiny"), await controls.all())
    assert roles == (ControlRole("canny", ("a", "b")), ControlRole("line-art", ("b", "a")))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda folder: (folder / "underpaint.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "underpaint.json").write_text('{"roles": "canny"}'), "list of names"),
        (lambda folder: next(folder.glob("*.safetensors")).unlink(), "no safetensors weights"),
        (
            lambda folder: next(folder.glob("*.safetensors")).rename(folder / "x.bin"),
            "comes as a pickle",
        ),
        (
            lambda folder: (folder / "config.json").write_text('{"_class_name": "SD3ControlNetModel"}'),
            "no engine knows 'SD3ControlNetModel'",
        ),
    ],
)
async def test_a_broken_control_model_is_listed_with_its_problem_and_the_rest_go_on(
    tmp_path: Path, change: object, problem: str
) -> None:
    folder = write_control(tmp_path, "bad", "canny")
    write_control(tmp_path, "good", "canny")
    assert callable(change)
    change(folder)
    controls = (await index_of(tmp_path))[1]
    bad, good = await controls.all()
    assert problem in bad.problem and good.traits is not None
    with pytest.raises(ModelUnusable, match="The control model 'bad'") as raised:
        await controls.find("bad")
    assert raised.value.metadata["path"] == str(folder)


async def test_a_changed_folder_is_seen(tmp_path: Path) -> None:
    folder = write_control(tmp_path, "net", "canny")
    controls = (await index_of(tmp_path))[1]
    assert (await controls.find("net")).traits is not None
    facts = folder / "underpaint.json"
    facts.write_text(json.dumps({"roles": ["depth"]}))

    os.utime(facts, ns=(1, 1))
    found = await controls.find("net")
    assert found.traits is not None and found.traits.roles == ("depth",)


async def test_a_folder_outside_the_roots_is_found_by_its_path_only(tmp_path: Path) -> None:
    folder = write_control(tmp_path / "outside", "net", "canny")
    write_control(tmp_path / "models", "inside", "canny")
    controls = (await index_of(tmp_path / "models"))[1]
    assert (await controls.find(str(folder))).name == str(folder)
    for name in ("net", "../outside/net", "/no/such/net"):
        with pytest.raises(ModelNotFound, match="There are: inside"):
            await controls.find(name)


@pytest.fixture(scope="module")
def steered_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    write_model(home.models, "tiny")
    write_control(home.models, "lines", "line-art", "canny")
    write_control(home.models, "unsaid")
    write_control(home.models, "large", "depth", cross_attention_dim=2048)
    with home.daemon():
        yield home
    shutil.rmtree(home.runtime, ignore_errors=True)


@pytest.fixture
async def steered(steered_home: Home) -> AsyncIterator[Caller]:
    caller = connect(steered_home)
    yield caller
    await caller.channel.close()


async def control(caller: Caller, **fields: object) -> pb.Control:
    made = pb.Control(**{"role": "line-art", **fields})
    if not made.image.blob:
        made.image.blob = await caller.upload(image_layout(64, 64), b"\x80" * (64 * 64 * 4))
    return made


async def submit(caller: Caller, *controls: pb.Control) -> pb.Job:
    return await caller.submit(spec=pb.JobSpec(text_to_image=pb.TextToImage(), controls=controls))


async def test_a_job_with_controls_is_completed_and_reaches_the_worker(
    steered: Caller, steered_home: Home
) -> None:
    mask = await steered.upload(mask_layout(32, 64), b"\xff" * (32 * 64))
    plain = await control(steered)
    rich = await control(
        steered, role="canny", strength=0.5, end=0.7, preprocessor="canny", parameters={"low": 50}
    )
    rich.mask.blob = mask
    job = await submit(steered, plain, rich)
    first, second = job.resolved.controls
    assert (first.model, first.strength, first.start, first.end) == ("lines", 1.0, 0.0, 1.0)
    assert (second.model, second.strength, second.start, second.end) == ("lines", 0.5, 0.0, 0.7)
    assert dict(second.parameters) == {"low": 50.0, "high": 200.0, "blur": 0.0}
    assert inputs_of(job.resolved) == [plain.image.blob, rich.image.blob, mask]
    done = await steered.finish(job.name)
    assert done.state == pb.JOB_STATE_SUCCEEDED, done.error
    folder = steered_home.models / "lines"
    assert list(done.notes)[1:] == [
        f"control lines at {folder} after nothing",
        f"control lines at {folder} after underpaint.engine.preprocessors.lines:canny",
    ]


async def test_a_net_that_does_not_say_its_role_takes_any_when_it_is_named(steered: Caller) -> None:
    job = await submit(steered, await control(steered, role="scribble", model="unsaid"))
    assert job.resolved.controls[0].model == "unsaid"


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"role": "depth"}, "role", "canny (lines), line-art (lines)"),
        ({"role": "Depth Map"}, "role", "kebab-case"),
        ({"role": ""}, "role", "kebab-case"),
        ({"role": "depth", "model": "lines"}, "role", "'lines' knows line-art, canny, not 'depth'"),
        ({"role": "depth", "model": "large"}, "model", "does not fit the model 'tiny'"),
        ({"strength": 2.5}, "strength", "0 to 2"),
        ({"strength": float("nan")}, "strength", "0 to 2"),
        ({"start": -0.1}, "start", "0 to 1"),
        ({"start": 0.5, "end": 0.5}, "end", "above start"),
        ({"end": 1.5}, "end", "at most 1"),
        ({"preprocessor": "cany"}, "preprocessor", "canny"),
        ({"preprocessor": "canny", "parameters": {"low": 0.0}}, "parameters.low", "1 to 1000"),
        ({"parameters": {"low": 3.0}}, "parameters", "name one"),
    ],
)
async def test_what_is_wrong_with_a_control_is_named(
    steered: Caller, fields: dict[str, object], field: str, said: str
) -> None:
    good = await control(steered)
    with pytest.raises(InvalidRequest) as raised:
        await submit(steered, good, await control(steered, **fields))
    assert [found.field for found in raised.value.violations] == [f"spec.controls[1].{field}"]
    assert said in raised.value.violations[0].description


async def test_pixels_of_a_control_must_lie_over_the_picture_and_a_mask_has_one_channel(
    steered: Caller,
) -> None:
    beside = await control(steered)
    beside.image.x_px = 64
    with pytest.raises(InvalidRequest, match=r"controls\[0\]\.image lies beside the picture"):
        await submit(steered, beside)
    colored = await control(steered)
    colored.mask.CopyFrom(colored.image)
    with pytest.raises(InvalidRequest, match=r"controls\[0\]\.mask must have one channel"):
        await submit(steered, colored)
    gone = await control(steered)
    gone.image.blob = "blobs/gone"
    with pytest.raises(BlobNotFound):
        await submit(steered, gone)


async def test_too_many_controls_are_refused_and_a_preprocessing_takes_none(steered: Caller) -> None:
    one = await control(steered)
    with pytest.raises(InvalidRequest, match="may hold 8 controls, got 9"):
        await submit(steered, *[one] * 9)
    spec = pb.JobSpec(preprocess=pb.Preprocess(image=one.image, preprocessor="canny"), controls=[one])
    with pytest.raises(InvalidRequest, match=r"spec\.controls is for pictures that a model makes"):
        await steered.submit(spec=spec)


async def test_an_unknown_control_model_is_not_found(steered: Caller) -> None:
    with pytest.raises(ModelNotFound, match="no control model 'nobody'. There are: large, lines, unsaid"):
        await submit(steered, await control(steered, model="nobody"))


async def test_the_model_list_says_which_roles_there_are_and_through_which_control_models(
    steered: Caller,
) -> None:
    listed = await steered.call(steered.models.ListModels, model_service_pb2.ListModelsRequest())
    (tiny,) = listed.models
    assert [(one.role, list(one.models)) for one in tiny.controls] == [
        ("canny", ["lines"]),
        ("line-art", ["lines"]),
    ]
    request = model_service_pb2.ListControlModelsRequest(page_size=2)
    first = await steered.call(steered.models.ListControlModels, request)
    assert [(one.name, list(one.models)) for one in first.control_models] == [
        ("large", []),
        ("lines", ["tiny"]),
    ]
    request.page_token = first.next_page_token
    rest = await steered.call(steered.models.ListControlModels, request)
    assert [one.name for one in rest.control_models] == ["unsaid"] and not rest.next_page_token


async def test_a_net_that_goes_while_its_job_waits_fails_that_job_alone(home: Home) -> None:
    folder = write_control(home.models, "lines", "line-art")
    with home.daemon(UNDERPAINT_JOBS_PER_WORKER="1"):
        caller = connect(home)
        first = await caller.submit("steps=400 step_s=0.05")
        await caller.until(first.name, pb.JOB_STATE_RUNNING, step=1)
        second = await submit(caller, await control(caller))
        shutil.rmtree(folder)
        await caller.call(caller.jobs.CancelJob, pb.CancelJobRequest(name=first.name))
        done = await caller.finish(second.name)
        assert done.state == pb.JOB_STATE_FAILED
        assert "no control model 'lines'" in done.error.message
        await caller.channel.close()
