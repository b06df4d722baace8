"""The U-Net as an ONNX graph: the answers of PyTorch, from a file that is made once."""

import sys

import pytest
import torch

from dreamtext_lib.distillation import graph
from dreamtext_lib.distillation.prior import load_prior
from dreamtext_lib.zoo import resolve

pytest.importorskip("onnx", reason="the package onnx is not installed: pip install 'dreamtext[fast]'")
pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed: pip install 'dreamtext[fast]'")


@pytest.fixture
def own():
    return load_prior(resolve("tiny"))


def question(count):
    g = torch.Generator().manual_seed(count)
    return (
        torch.randn(count, 4, 16, 16, generator=g),
        torch.randint(1000, (count,), generator=g),
        torch.randn(count, 24, 128, generator=g),
    )


def test_the_graph_answers_as_pytorch_does_and_is_kept(own, tmp_path, monkeypatch):
    monkeypatch.setenv("DREAMTEXT_CACHE", str(tmp_path / "kept"))
    with torch.no_grad():
        wanted = [own.eps(*question(n)) for n in (1, 2, 5)]
    assert graph.quicken(own) == "onnxruntime"
    file = next((tmp_path / "kept").glob("unet-*.onnx"))
    assert len([*(tmp_path / "kept").iterdir()]) == 2
    z = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(own.decode(z), load_prior(resolve("tiny")).decode(z), atol=2e-5, rtol=0)
    assert not hasattr(own.painter, "__func__")
    for n, answer in zip((1, 2, 5), wanted):
        torch.testing.assert_close(own.eps(*question(n)), answer, atol=2e-5, rtol=0)
        assert torch.equal(own.eps(*question(n)), own.eps(*question(n)))
    made = file.stat().st_mtime_ns
    again = load_prior(resolve("tiny"))
    assert graph.quicken(again) == "onnxruntime" and file.stat().st_mtime_ns == made
    other = load_prior(resolve("tiny"))
    other.unet.conv_out.bias.data += 1
    assert graph.quicken(other) == "onnxruntime" and len([*(tmp_path / "kept").iterdir()]) == 3
    shift = other.eps(*question(2)) - wanted[1]
    torch.testing.assert_close(shift, torch.ones_like(shift), atol=1e-4, rtol=0)


def test_a_damaged_file_is_exported_anew(own, tmp_path, monkeypatch):
    monkeypatch.setenv("DREAMTEXT_CACHE", str(tmp_path))
    graph.quicken(own)
    file, other = tmp_path.glob("unet-*.onnx"), tmp_path.glob("decoder-*.onnx")
    (file,), (other,) = file, other
    made = other.stat().st_mtime_ns
    whole, last = file.read_bytes(), own.unet.conv_out.bias.numpy().tobytes()
    for damaged in (b"", whole[: len(whole) // 2], whole.replace(last, bytes(len(last)))):
        assert damaged != whole
        file.write_bytes(damaged)
        assert graph.quicken(load_prior(resolve("tiny"))) == "onnxruntime"
        assert file.read_bytes() == whole and other.stat().st_mtime_ns == made


def test_a_graph_of_other_weights_is_noticed(own, monkeypatch, tmp_path):
    monkeypatch.setenv("DREAMTEXT_CACHE", str(tmp_path))
    true = graph.export

    def wrong(part):
        made = true(part)
        own.unet.conv_out.bias.data += 0.01
        return made

    monkeypatch.setattr(graph, "export", wrong)
    with pytest.raises(ValueError, match=r"the exported unet is off by 0\.01 from PyTorch's; use --engine torch"):
        graph.quicken(own)
    assert not [*tmp_path.iterdir()] and own.network.__func__ is type(own).network


def test_without_the_packages_or_elsewhere_pytorch_answers(own, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert graph.quicken(own) == "torch" and own.network.__func__ is type(own).network
    monkeypatch.undo()
    own.dtype = torch.float16
    assert graph.quicken(own) == "torch"


def test_where_nothing_can_be_kept_the_graph_serves_the_run(own, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DREAMTEXT_CACHE", str(tmp_path / "file"))
    assert graph.quicken(own) == "onnxruntime" and not hasattr(own.network, "__func__")
