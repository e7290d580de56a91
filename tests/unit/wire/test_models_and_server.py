"""Models, workers, plug-ins and the daemon itself on the wire."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from underpaint.types import (
    ControlRole,
    ModelInfo,
    Parameter,
    PluginInfo,
    PostprocessorInfo,
    PreprocessorInfo,
    ServerInfo,
    WorkerInfo,
)
from underpaint.v1 import model_service_pb2
from underpaint.wire.models import info_to_model, model_to_info
from underpaint.wire.server import (
    plugin_from,
    plugin_to_message,
    postprocessor_from,
    postprocessor_to_message,
    preprocessor_from,
    preprocessor_to_message,
    server_info_from,
    server_info_to_message,
)

TEXT = st.text(max_size=10)
SIZE = st.integers(0, 2**32 - 1)


@given(
    st.builds(
        ModelInfo,
        *(TEXT,) * 4,
        operations=st.lists(TEXT).map(tuple),
        native_size=SIZE,
        size_multiple=SIZE,
        default_guidance_scale=st.floats(allow_nan=False),
        schedulers=st.lists(TEXT).map(tuple),
        loaded=st.booleans(),
        size_bytes=st.integers(0, 2**64 - 1),
        native_inpainting=st.booleans(),
        controls=st.lists(st.builds(ControlRole, TEXT, st.lists(TEXT).map(tuple))).map(tuple),
    )
)
def test_a_model_is_the_same_after_the_journey(info: ModelInfo) -> None:
    assert model_to_info(info_to_model(info)) == info


def test_no_field_of_a_model_is_forgotten() -> None:
    assert len(fields(ModelInfo)) == len(model_service_pb2.Model.DESCRIPTOR.fields)


def test_the_daemon_is_the_same_after_the_journey() -> None:
    info = ServerInfo(
        "1.2",
        1,
        2,
        77,
        datetime(2026, 5, 6, tzinfo=timezone.utc),
        (WorkerInfo("cpu", "ready", 78, "", 1),),
        ("mapped-pixels",),
        3,
    )
    assert server_info_from(server_info_to_message(info)) == info
    unborn = ServerInfo("1.2", 1, 2, 77)
    assert server_info_from(server_info_to_message(unborn)) == unborn


def test_a_plug_in_is_the_same_after_the_journey() -> None:
    info = PluginInfo("p", "d 1", ("underpaint_x",), "Traceback …")
    assert plugin_from(plugin_to_message(info)) == info
    left_out = PluginInfo("q", "d 1", blocked=True)
    assert plugin_from(plugin_to_message(left_out)) == left_out


def test_processors_are_the_same_after_the_journey() -> None:
    parameter = Parameter(name="low", title="Low", default=2.0, minimum=1.0, maximum=3.5, step=0.5)
    before = PreprocessorInfo(
        name="canny", title="Edges", role="canny", parameters=(parameter,), problem="No."
    )
    assert preprocessor_from(preprocessor_to_message(before)) == before
    after = PostprocessorInfo(name="sharpen", title="Sharpen", operations=("inpaint", "img2img"))
    assert postprocessor_from(postprocessor_to_message(after)) == after
