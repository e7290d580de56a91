"""Records of how pictures were made, in their three forms."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.provenance import (
    MAX_RECORDS,
    from_json,
    parameters_text,
    provenance_of,
    read_parameters,
    read_records,
    remembered,
    scheduler_called,
    source_type,
    to_json,
    without_words,
    xmp_packet,
)
from underpaint.types import Bounds, JobState, JobUpdate, Provenance

PLAIN = {
    "model": "swatch",
    "prompt": "old brick, (red:1.2)\nwall",
    "negative_prompt": "moss",
    "seed": 2**64 - 1,
    "steps": 12,
    "guidance_scale": 7.5,
    "scheduler": "dpmpp-2m-karras",
    "text_to_image": {"width_px": 512, "height_px": 768},
}
RECORD = Provenance(
    request=PLAIN,
    model_sha256={"unet/a.safetensors": "ab" * 32, "vae/b.safetensors": "cd" * 32},
    engine_version="underpaint 0.1, torch 2",
    created=datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc),
    place=Bounds(-3, 4, 512, 768),
)
texts = st.text(st.characters(codec="utf-8"), max_size=60)


@given(texts, texts, st.integers(0, 2**64 - 1))
def test_a_record_comes_back_from_json_and_from_xmp(prompt: str, negative: str, seed: int) -> None:
    record = Provenance(request={"prompt": prompt, "negative_prompt": negative, "seed": seed})
    assert from_json(to_json([record, RECORD])) == (record, RECORD)
    assert read_records(xmp_packet([record], composite=False)) == (record,)


@given(st.one_of(texts, st.binary(max_size=60).map(repr)))
def test_whatever_else_a_file_holds_is_as_no_record(text: str) -> None:
    assert from_json(text) == ()
    assert read_records(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 2, "pictures": []}',
        '{"version": 1, "pictures": [7, {"request": 7}, {"request": {}, "place": [1, 2, 3]}]}',
        "[" * 100_000,
    ],
)
def test_entries_that_are_none_are_left_out(text: str) -> None:
    assert from_json(text) == ()


def test_a_prompt_cannot_end_the_record_that_holds_it() -> None:
    record = Provenance(request={"prompt": "</underpaint:record><underpaint:record>"})
    assert read_records(xmp_packet([record], composite=True)) == (record,)


@pytest.mark.parametrize(
    ("composite", "kind"),
    [(False, "trainedAlgorithmicMedia"), (True, "compositeWithTrainedAlgorithmicMedia")],
)
def test_xmp_says_in_iptcs_words_that_a_model_was_at_work(composite: bool, kind: str) -> None:
    assert source_type(xmp_packet([RECORD], composite=composite)) == kind


def test_the_parameters_text_reads_as_other_programs_write_it() -> None:
    assert parameters_text(RECORD) == (
        "old brick, (red:1.2)\nwall\nNegative prompt: moss\n"
        "Steps: 12, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 18446744073709551615, "
        "Size: 512x768, Model hash: ababababab, Model: swatch, Version: underpaint 0.1"
    )


def test_a_parameters_text_of_another_program_is_taken_apart() -> None:
    text = (
        "a cat,\n<lora:x:1>\nNegative prompt: dog,\nbird\n"
        'Steps: 20, Sampler: DPM++ 2M Karras, Seed: 5, Lora hashes: "x: 1, y: \\"2\\"", Size: 8x9'
    )
    found = read_parameters(text)
    assert found is not None
    assert (found.prompt, found.negative_prompt) == ("a cat,\n<lora:x:1>", "dog,\nbird")
    assert found.values["Lora hashes"] == 'x: 1, y: "2"'
    assert found.values["Size"] == "8x9"
    assert scheduler_called(found.values["Sampler"]) == "dpmpp-2m-karras"


def test_a_text_without_values_is_no_parameters_text() -> None:
    assert read_parameters("just a comment") is None
    assert read_parameters("") is None


@pytest.mark.parametrize(
    ("sampler", "schedule", "name"),
    [
        ("Euler a", "", "euler-a"),
        ("Euler a", "Automatic", "euler-a"),
        ("DPM++ 2M SDE", "Karras", "dpmpp-sde-karras"),
        ("DPM++ SDE Karras", "", "dpmpp-sde-karras"),
        ("Restart", "", ""),
    ],
)
def test_samplers_of_other_programs_have_names_here(sampler: str, schedule: str, name: str) -> None:
    assert scheduler_called(sampler, schedule) == name


def test_handles_of_pixels_do_not_outlive_the_job() -> None:
    request = {"inpaint": {"image": {"blob": "blobs/1", "x_px": 3}}, "controls": [{"image": {"blob": "b"}}]}
    update = JobUpdate("jobs/1", JobState.SUCCEEDED, 3, resolved=request)
    record = provenance_of(update)
    assert record is not None
    assert record.request == {"inpaint": {"image": {"x_px": 3}}, "controls": [{"image": {}}]}
    assert record.starts_from_a_picture
    assert provenance_of(JobUpdate("jobs/1", JobState.QUEUED, 1)) is None


def test_words_can_be_left_out_also_where_they_lie_deeper() -> None:
    record = Provenance(request={**PLAIN, "regions": [{"prompt": "moss", "strength": 1.0}]})
    bare = without_words(record).request
    assert "moss" not in to_json([without_words(record)])
    assert bare["regions"] == [{"strength": 1.0}]
    assert bare["seed"] == PLAIN["seed"]


def test_a_documents_notes_keep_the_newest_records() -> None:
    notes = ""
    for number in range(MAX_RECORDS + 3):
        notes = remembered(notes, Provenance(request={"seed": number}))
    seeds = [record.request["seed"] for record in from_json(notes)]
    assert seeds == list(range(3, MAX_RECORDS + 3))
