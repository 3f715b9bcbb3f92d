"""GradCache against the gradient of the whole batch at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from training.grad_cache import grad_cache_step
from training.nt_xent import Contrast, nt_xent

Encode = Callable[[Tensor], Tensor]


def network(*extra: nn.Module, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), *extra]
    return nn.Sequential(*layers, nn.Linear(24, 5)).to(dtype)


def photos(dtype: torch.dtype = torch.float64) -> Tensor:
    """14 photos, 7 views each of two: chunks of 4 leave a smaller one at the end."""
    return torch.randn(14, 3, 8, 8, generator=torch.Generator().manual_seed(2), dtype=dtype)


def loss_of(projections: Tensor) -> Contrast:
    first, second = projections.chunk(2)
    return nt_xent(first, second, 0.3)


def gradients(module: nn.Module) -> list[Tensor]:
    found = [weight.grad.clone() for weight in module.parameters() if weight.grad is not None]
    assert len(found) == len(list(module.parameters()))
    module.zero_grad()
    return found


def of_all_at_once(module: nn.Module, chunks: tuple[Tensor, ...], encode: Encode | None = None) -> list[Tensor]:
    """Every chunk's graph is kept until the loss is known: what GradCache does without."""
    torch.manual_seed(3)
    loss_of(torch.cat([(encode or module)(chunk) for chunk in chunks])).loss.backward()  # type: ignore[no-untyped-call]
    return gradients(module)


def assert_close(ours: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for one, other in zip(ours, expected, strict=True):
        assert other.abs().max() > 0 or torch.equal(one, other)
        assert torch.allclose(one, other, rtol=tolerance, atol=tolerance * float(other.abs().max()))


@pytest.mark.parametrize("rows", [1, 4, 7, 14])
def test_gradient_and_loss_are_those_of_the_whole_batch(rows: int) -> None:
    module = network().eval()
    expected = of_all_at_once(module, (photos(),))
    contrast = grad_cache_step(module, torch.split(photos(), rows), loss_of)
    assert_close(gradients(module), expected, 1e-10)
    assert torch.allclose(contrast.loss, loss_of(module(photos())).loss, rtol=1e-12)


@pytest.mark.parametrize("rows", [4, 14])
def test_dropout_is_replayed(rows: int) -> None:
    module = network(nn.Dropout(0.5)).train()
    chunks = torch.split(photos(), rows)
    expected = of_all_at_once(module, chunks)
    drawn_next = torch.rand(3)
    torch.manual_seed(3)
    grad_cache_step(module, chunks, loss_of)
    assert torch.equal(torch.rand(3), drawn_next)  # the second pass leaves no trace in the generator
    assert_close(gradients(module), expected, 1e-10)


def test_live_batch_norms_see_chunks() -> None:
    """As documented: the exact gradient with statistics per chunk, which is not the whole batch's."""
    module = network().train()
    chunks = torch.split(photos(), 7)
    expected, of_the_whole = of_all_at_once(module, chunks), of_all_at_once(module, (photos(),))
    seen = int(module[1].num_batches_tracked)  # type: ignore[arg-type]
    grad_cache_step(module, chunks, loss_of)
    assert int(module[1].num_batches_tracked) == seen + 2 * len(chunks)  # type: ignore[arg-type]
    ours = gradients(module)
    assert_close(ours, expected, 1e-10)
    assert not torch.allclose(ours[0], of_the_whole[0], rtol=1e-3)


@pytest.mark.parametrize("around", ["encode", "the step"])
def test_works_under_autocast(around: str) -> None:
    module = network(dtype=torch.float32).eval()
    chunks = torch.split(photos(torch.float32), 4)
    mixed = partial(torch.autocast, "cpu", dtype=torch.bfloat16)

    def encode(chunk: Tensor) -> Tensor:
        with mixed() if around == "encode" else nullcontext():
            output: Tensor = module(chunk)
            assert output.dtype == torch.bfloat16
            return output.float()

    with mixed(enabled=around == "the step"):
        grad_cache_step(encode, chunks, loss_of)
    ours = gradients(module)
    with mixed(enabled=around == "the step"):
        expected = of_all_at_once(module, chunks, encode)
    assert_close(ours, expected, 0.02)  # bfloat16 has 8 bits, and the sums are taken in another order


def test_gradients_add_to_those_there_and_stay_when_the_loss_raises() -> None:
    module = network().eval()
    chunks = torch.split(photos(), 4)
    grad_cache_step(module, chunks, loss_of)
    once = [weight.grad.clone() for weight in module.parameters() if weight.grad is not None]

    def refuse(projections: Tensor) -> Contrast:
        raise FloatingPointError("not finite")

    with pytest.raises(FloatingPointError, match="not finite"):
        grad_cache_step(module, chunks, refuse)
    grad_cache_step(module, chunks, loss_of)
    assert_close(gradients(module), [2 * gradient for gradient in once], 1e-10)


def test_one_chunk_is_encoded_once_and_several_twice() -> None:
    module = network().eval()
    seen: list[int] = []

    def encode(chunk: Tensor) -> Tensor:
        seen.append(len(chunk))
        output: Tensor = module(chunk)
        return output

    grad_cache_step(encode, torch.split(photos(), 14), loss_of)
    assert seen == [14]
    seen.clear()
    grad_cache_step(encode, torch.split(photos(), 4), loss_of)
    assert seen == [4, 4, 4, 2] * 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_dropout_is_replayed_on_a_gpu() -> None:
    module = network(nn.Dropout(0.5)).train().cuda()
    chunks = torch.split(photos().cuda(), 4)
    expected = of_all_at_once(module, chunks)
    torch.manual_seed(3)
    grad_cache_step(module, chunks, loss_of)
    assert_close(gradients(module), expected, 1e-10)
