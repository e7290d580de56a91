"""Preprocessors, post-processors and safety filters in a real daemon with a scripted worker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.daemon.harness import SOON_S, Caller, Home, connect, image_layout
from underpaint.errors import ContentRefused, InvalidRequest, UnderpaintError
from underpaint.types import MASK_FORMAT, Alpha, Channels, PixelFormat
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1 import server_service_pb2
from underpaint.wire.images import format_of

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)


async def preprocess(caller: Caller, name: str, **parameters: float) -> pb.Job:
    spec = pb.JobSpec()
    blob = await caller.upload(image_layout(24, 16), b"\x40" * (24 * 16 * 4))
    spec.preprocess.CopyFrom(pb.Preprocess(preprocessor=name, parameters=parameters))
    spec.preprocess.image.blob = blob
    return await caller.submit(spec=spec)


async def test_a_preprocessing_is_completed_and_needs_no_model(shared: Caller) -> None:
    job = await preprocess(shared, "canny", low=50)
    done = await shared.finish(job.name)
    assert done.state == pb.JOB_STATE_SUCCEEDED, done.error
    assert done.resolved.model == ""
    assert dict(done.resolved.preprocess.parameters) == {"low": 50.0, "high": 200.0, "blur": 0.0}
    assert format_of(done.resolved.output_layout) == RGB
    assert (done.results[0].layout.width_px, done.results[0].layout.height_px) == (24, 16)


async def test_a_mask_comes_back_as_coverage(shared: Caller) -> None:
    job = await preprocess(shared, "transparent-parts")
    assert format_of(job.resolved.output_layout) == MASK_FORMAT


@pytest.mark.parametrize(
    ("name", "parameters", "field", "said"),
    [
        ("cany", {}, "spec.preprocess.preprocessor", "canny"),
        ("canny", {"low": 0.0}, "spec.preprocess.parameters.low", "1 to 1000"),
        ("canny", {"lo": 1.0}, "spec.preprocess.parameters", "low"),
        ("canny", {"low": float("nan")}, "spec.preprocess.parameters.low", "finite"),
        ("scribble", {"width": 2.5}, "spec.preprocess.parameters.width", "multiple of 1"),
        ("", {}, "spec.preprocess.preprocessor", "1 to 128"),
    ],
)
async def test_what_is_wrong_with_a_preprocessing_is_named(
    shared: Caller, name: str, parameters: Mapping[str, float], field: str, said: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await preprocess(shared, name, **parameters)
    assert raised.value.violations[0].field == field
    assert said in raised.value.violations[0].description


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["sharpest"], "match-colors, pad-islands, sharpen"),
        (["match-colors"], "is for inpaint, not for txt2img"),
        (["sharpen"] * 9, "may name 8"),
        ([""], "1 to 128"),
    ],
)
async def test_what_is_wrong_with_a_post_processing_is_named(
    shared: Caller, names: list[str], said: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await shared.submit(spec=pb.JobSpec(text_to_image=pb.TextToImage(), postprocess=names))
    (violation,) = {found.field: found for found in raised.value.violations}.values()
    assert violation.field == "spec.postprocess"
    assert said in violation.description


async def test_post_processors_are_for_pictures_of_a_model(shared: Caller) -> None:
    spec = pb.JobSpec(postprocess=["sharpen"])
    spec.preprocess.image.blob, spec.preprocess.preprocessor = "blobs/x", "canny"
    with pytest.raises(InvalidRequest, match="a model makes"):
        await shared.submit(spec=spec)


async def test_processors_are_listed_in_pages(shared: Caller) -> None:
    request = server_service_pb2.ListPreprocessorsRequest(page_size=3)
    names: list[str] = []
    while True:
        answer = await shared.call(shared.server.ListPreprocessors, request)
        assert len(answer.preprocessors) <= 3
        names += [found.name for found in answer.preprocessors]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert names == sorted(names)
    assert {"canny", "normal-from-depth", "transparent-parts"} <= set(names)
    after = await shared.call(
        shared.server.ListPostprocessors, server_service_pb2.ListPostprocessorsRequest()
    )
    assert [(one.name, list(one.operations)) for one in after.postprocessors] == [
        ("match-colors", ["inpaint"]),
        ("pad-islands", ["img2img", "inpaint"]),
        ("sharpen", []),
    ]


async def capabilities(caller: Caller) -> list[str]:
    info = await caller.call(caller.server.GetServerInfo, server_service_pb2.GetServerInfoRequest())
    return [name for name in info.capabilities if name.startswith("safety-filter")]


async def test_no_filter_is_on_until_somebody_turns_it_on(shared: Caller) -> None:
    assert await capabilities(shared) == []


def write(path: Path, policy: object) -> str:
    path.write_text(policy if isinstance(policy, str) else json.dumps(policy), "utf-8")
    return str(path)


POLICY = {
    "safety_filters": ["word-list"],
    "word-list": {"words": ["Gallows humour", "wörd"], "message": "No."},
}


async def test_a_policy_refuses_prompts_with_its_reason_and_queues_nothing(
    home: Home, tmp_path: Path
) -> None:
    with home.daemon(UNDERPAINT_POLICY_FILE=write(tmp_path / "policy.json", POLICY)):
        caller = connect(home)
        assert await capabilities(caller) == ["safety-filter", "safety-filter-word-list"]
        for prompt in ("some GALLOWS-humour, please", "a ｗｏｒｄ"):
            with pytest.raises(ContentRefused, match=r"^No\.$") as raised:
                await caller.submit(prompt)
            assert raised.value.metadata == {"filter": "word-list"}
        assert (await caller.finish((await caller.submit("gallows and words")).name)).state == 3
        spec = pb.JobSpec(text_to_image=pb.TextToImage(), negative_prompt="wörd")
        assert (await caller.submit(spec=spec)).state == pb.JOB_STATE_QUEUED
        await caller.channel.close()


async def test_a_job_that_waited_while_the_policy_changed_is_refused(home: Home, tmp_path: Path) -> None:
    with home.daemon(UNDERPAINT_SCRIPT="silent"):
        caller = connect(home)
        job = await caller.submit("a wörd")
        await caller.channel.close()
    with home.daemon(UNDERPAINT_POLICY_FILE=write(tmp_path / "policy.json", POLICY)):
        caller = connect(home)
        done = await caller.finish(job.name)
        await caller.channel.close()
    assert done.state == pb.JOB_STATE_FAILED
    assert done.error.message == "No."


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"UNDERPAINT_SAFETY_FILTERS": "word-list"}, "has no words"),
        ({"UNDERPAINT_SAFETY_FILTERS": "moral"}, "moral"),
        ({"UNDERPAINT_SAFETY_FILTERS": "word-list", "UNDERPAINT_PLUGINS_BLOCK": "word-list"}, "is not there"),
    ],
)
async def test_a_filter_that_cannot_be_asked_lets_nothing_pass(
    home: Home, environment: dict[str, str], said: str
) -> None:
    with home.daemon(**environment):
        caller = connect(home)
        with pytest.raises(ContentRefused, match=said):
            await caller.submit("moss")
        await caller.channel.close()


@pytest.mark.parametrize(
    "policy",
    ["{", "[]", {"safety_filters": "word-list"}, {"word-list": ["x"]}],
    ids=["no JSON", "no object", "no list", "no options"],
)
def test_a_broken_policy_keeps_the_daemon_from_starting(home: Home, tmp_path: Path, policy: object) -> None:
    path = write(tmp_path / "policy.json", policy)
    process = home.popen(UNDERPAINT_POLICY_FILE=path)
    try:
        _, said = process.communicate(timeout=SOON_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 1
    assert path in said


async def test_a_blocked_plugin_is_listed_as_such_and_its_functions_are_gone(home: Home) -> None:
    with home.daemon(UNDERPAINT_PLUGINS_BLOCK="preprocessors,swatch"):
        caller = connect(home)
        answer = await caller.call(caller.server.ListPlugins, server_service_pb2.ListPluginsRequest())
        assert {one.name for one in answer.plugins if one.blocked} == {"preprocessors", "swatch"}
        with pytest.raises(UnderpaintError, match="since there are none"):
            await preprocess(caller, "canny")
        await caller.channel.close()
