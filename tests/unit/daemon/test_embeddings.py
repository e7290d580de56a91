"""Embeddings on disk, and those that prompts name on their way to a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.weight_files import EMBEDDING, write_weights
from tests.unit.daemon.harness import Caller, Home, connect, write_model
from underpaint.errors import ModelUnusable
from underpaint.v1 import job_service_pb2 as pb


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    write_model(home.models, "tiny")
    folder = home.models / "embeddings"
    folder.mkdir()
    write_weights(folder / "EasyMoss.safetensors", EMBEDDING)
    write_weights(folder / "tiny-word.safetensors", {"emb_params": (2, 16)})
    write_weights(home.models / "forxl.safetensors", {"clip_l": (2, 768), "clip_g": (2, 1280)})
    (home.models / "lost.pt").write_bytes(b"\x80\x02")
    (home.models / "embeddings" / "oldword.pt").write_bytes(b"\x80\x02")
    with home.daemon():
        yield home


@pytest.fixture
async def caller(home: Home) -> AsyncIterator[Caller]:
    caller = connect(home)
    yield caller
    await caller.channel.close()


def spec(prompt: str, negative: str = "") -> pb.JobSpec:
    return pb.JobSpec(prompt=prompt, negative_prompt=negative, text_to_image=pb.TextToImage())


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (spec("an (easymoss:1.2) wall"), ["EasyMoss"]),
        (spec("a wall", "tiny-word, EASYMOSS"), ["EasyMoss", "tiny-word"]),
        (spec("easymossy walls, forxl, lost, nothing"), []),
    ],
)
async def test_those_that_a_prompt_names_reach_the_worker(
    caller: Caller, home: Home, asked: pb.JobSpec, sent: list[str]
) -> None:
    done = await caller.finish((await caller.submit(spec=asked)).name)
    assert done.state == pb.JOB_STATE_SUCCEEDED, done.error
    folder = home.models / "embeddings"
    assert list(done.notes)[1:] == [f"embedding {name} at {folder / name}.safetensors" for name in sent]
    assert done.resolved.prompt == asked.prompt


async def test_a_pickle_that_a_prompt_names_is_refused(caller: Caller) -> None:
    with pytest.raises(ModelUnusable, match=r"embedding 'oldword'.*pickles"):
        await caller.submit(spec=spec("an oldword wall"))
