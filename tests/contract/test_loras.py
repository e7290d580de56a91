"""LoRAs from the client through the real daemon and engine: on, another, off, as in fresh processes."""

from __future__ import annotations

import numpy as np
import pytest

import underpaint
from tests.support.installation import Installation
from underpaint.client import Client

pytestmark = pytest.mark.slow

EDGE = 64


def connected(place: Installation, monkeypatch: pytest.MonkeyPatch) -> Client:
    for name, value in place.places.items():
        monkeypatch.setenv(name, value)
    return underpaint.connect(start=False)


@pytest.fixture
def client(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Client:
    return connected(installation, monkeypatch)


def request(prompt: str = "brick", *loras: underpaint.Lora, seed: int = 3) -> underpaint.GenerateRequest:
    return underpaint.GenerateRequest(
        prompt=prompt, seed=seed, steps=3, width=EDGE, height=EDGE, model="tiny", loras=loras
    )


def made(job: underpaint.client.Job) -> tuple[np.ndarray, underpaint.JobUpdate]:
    final = job.wait(120)
    (image,) = job.fetch()
    return np.frombuffer(image.data, np.uint8).reshape(EDGE, EDGE, 3).copy(), final


def in_fresh_process(
    place: Installation, monkeypatch: pytest.MonkeyPatch, asked: underpaint.GenerateRequest
) -> tuple[np.ndarray, int]:
    """The picture of a daemon and a worker that never made another, and the worker's process."""
    place.serve()
    try:
        with connected(place, monkeypatch) as client:
            picture, _ = made(client.submit(asked))
            (worker,) = client.server_info().workers
            return picture, worker.pid
    finally:
        place.close()


def test_on_another_off_and_side_by_side_are_the_pictures_of_fresh_processes(
    installation: Installation, empty_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ink = underpaint.Lora("tiny-ink")
    asked = [request("brick", ink), request("brick <lora:tiny-wash:0.7>"), request()]
    alone = [in_fresh_process(empty_installation, monkeypatch, one) for one in asked]
    fresh = [picture for picture, _ in alone]
    with connected(installation, monkeypatch) as client:
        after = [made(client.submit(one)) for one in asked]
        jobs = [client.submit(one) for one in (*asked, *asked)]
        together = [made(job)[0] for job in jobs]
        (worker,) = client.server_info().workers
    assert len({worker.pid, *(process for _, process in alone)}) == 4 and worker.restarts == 0
    for new, (old, _) in zip(fresh, after, strict=True):
        np.testing.assert_array_equal(new, old)
    for new, old in zip(fresh * 2, together, strict=True):
        assert np.abs(new.astype(int) - old.astype(int)).max() <= 1
    assert (fresh[0] != fresh[1]).mean() > 0.3 and (fresh[0] != fresh[2]).mean() > 0.3
    resolved = after[1][1].resolved
    assert resolved["prompt"] == "brick"
    assert resolved["loras"] == [{"name": "tiny-wash", "strength": 0.7, "text_encoder_strength": 0.7}]
    assert "lora/tiny-wash" in after[1][1].model_sha256


def test_the_list_says_what_fits_and_a_name_that_is_near_is_proposed(client: Client) -> None:
    with client:
        fits = {lora.name: lora.models for lora in client.loras()}
        assert fits["tiny-ink"] == ("tiny", "tiny-inpaint")
        with pytest.raises(underpaint.UnderpaintError, match="Near ones: tiny-ink"):
            client.submit(request("brick", underpaint.Lora("tiny-inc")))
