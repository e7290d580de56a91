"""Pickled weights are read without running what they hold, by a process that can do nothing else."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file

from underpaint.engine.pickles.reading import Unsafe, read_tensors
from underpaint.engine.pickles.writing import write_tensors

State = dict[str, torch.Tensor]
BASE = torch.arange(24, dtype=torch.float32).reshape(4, 6)
STATE: State = {
    "half": BASE.half(),
    "brain": BASE.bfloat16(),
    "small": BASE.to(torch.float8_e4m3fn),
    "turned": BASE.T,
    "part": BASE[1:3, ::2],
    "whole": torch.tensor(7),
    "yes": torch.tensor([True, False]),
}


def without_small(content: Any) -> Any:
    """The old format has no fp8."""
    if not isinstance(content, dict):
        return content
    return {name: without_small(value) for name, value in content.items() if name != "small"}


def pickled(content: Any, *, old: bool = False) -> io.BytesIO:
    stream = io.BytesIO()
    if old:
        content = without_small(content)
    torch.save(content, stream, _use_new_zipfile_serialization=not old)
    stream.seek(0)
    return stream


class Command:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    """A class of bookkeeping that a training program pickles beside the weights."""
    module = types.ModuleType("pytorch_lightning.callbacks")
    kind = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytorch_lightning", types.ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    yield kind


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3, "notes": ["x"]},
        {"params_ema": STATE, "params": {"other": BASE}},
    ],
)
def test_what_is_written_is_what_was_pickled_to_the_bit(content: Any, old: bool) -> None:
    made = io.BytesIO()
    digest = write_tensors(read_tensors(pickled(content, old=old)), made)
    found = load(made.getvalue())
    wanted = without_small(STATE) if old else STATE
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype is tensor.dtype and found[name].shape == tensor.shape
        assert torch.equal(found[name].float(), tensor.float())
    assert len(digest) == 64


def test_an_embedding_gets_the_name_that_others_know() -> None:
    found = read_tensors(
        pickled({"string_to_token": {"*": 265}, "string_to_param": {"*": BASE}, "name": "x"})
    )
    assert list(found) == ["emb_params"] and torch.equal(found["emb_params"], BASE)


def test_bookkeeping_of_training_programs_is_left_out(lightning: type) -> None:
    kept = lightning()
    kept.best = "path"  # type: ignore[attr-defined]
    found = read_tensors(pickled({"state_dict": STATE, "callbacks": {"it": kept, lightning: {"a": 1}}}))
    assert found.keys() == STATE.keys()


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_that_names_anything_else_is_refused_by_that_name_and_not_run(
    tmp_path: Path, old: bool
) -> None:
    mark = tmp_path / "ran"
    content = pickled({"state_dict": STATE, "x": Command(f"touch {mark}")}, old=old)
    with pytest.raises(Exception, match=r"(posix|nt)\.system") as raised:
        read_tensors(content)
    assert old or isinstance(raised.value, Unsafe)
    assert not mark.exists()


@pytest.mark.parametrize("content", [[BASE], {"state_dict": {"a": 1}}, {"a": {"b": BASE}}])
def test_a_pickle_without_weights_is_told(content: Any) -> None:
    with pytest.raises(ValueError, match="no tensors"):
        read_tensors(pickled(content))


def test_a_number_format_that_cannot_be_kept_is_told() -> None:
    with pytest.raises(ValueError, match="'odd' is torch.complex64"):
        write_tensors({"odd": torch.zeros(2, dtype=torch.complex64)}, io.BytesIO())


FENCE = """
import os, sys
from underpaint.engine.pickles import lockdown
source, target = int(sys.argv[1]), int(sys.argv[2])
kept = os.fdopen(target, "wb")
{lock}
def attempt(what, call):
    try:
        call()
    except (OSError, ImportError) as error:
        print(what, type(error).__name__, error.errno, flush=True)
    else:
        print(what, "went through", flush=True)
import socket
attempt("open", lambda: os.open({elsewhere!r}, os.O_WRONLY | os.O_CREAT))
attempt("read", lambda: open("/etc/hostname"))
attempt("socket", lambda: socket.socket())
attempt("write", lambda: (kept.write(b"1" * 9000), kept.flush()))
attempt("small", lambda: (os.ftruncate(target, 0), os.pwrite(target, b"ok", 0)))
"""


@pytest.mark.parametrize(
    ("lock", "how"),
    [
        ("lockdown._limit((source, target), 1 << 40, 4096)", "OSError 24"),
        ("lockdown.sys.addaudithook(lockdown._refuse)", "Forbidden None"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limits")
def test_each_fence_alone_keeps_other_files_and_the_network_out(tmp_path: Path, lock: str, how: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    code = FENCE.format(lock=lock, elsewhere=str(elsewhere))
    code = code.replace("import socket\n", "").replace("import os, sys", "import os, sys, socket, signal")
    code = code.replace("kept =", "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nkept =")
    with (tmp_path / "in").open("wb+") as source, (tmp_path / "out").open("wb+") as target:
        numbers = source.fileno(), target.fileno()
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, numbers)],
            pass_fds=numbers,
            capture_output=True,
            text=True,
            check=True,
        )
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert told["open"] == told["read"] == told["socket"] == how
    assert not elsewhere.exists()
    if how.startswith("OSError"):
        assert told["write"] == "OSError 27", "the size of the output is bounded"


@pytest.mark.skipif(os.name != "posix", reason="open files are not handed over on Windows")
def test_the_whole_process_converts_and_says_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(pickled({"state_dict": STATE}).getvalue())
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as target:
        numbers = source.fileno(), target.fileno()
        done = subprocess.run(
            [sys.executable, "-m", "underpaint.engine.pickles", *map(str, numbers)],
            pass_fds=numbers,
            capture_output=True,
            text=True,
            check=True,
        )
    assert '"tensors": 7' in done.stdout
    assert load_file(tmp_path / "out").keys() == STATE.keys()
