"""Which code samples in deformable attention is decided in the open, and a fused kernel proves itself first.

No GPU is needed: decisions are plain functions, tensors of a GPU that is not there are torch's fake ones, and the
kernel itself goes through its check in Triton's interpreter (test_deformable_triton.py).
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers.models.grounding_dino.modeling_grounding_dino import MultiScaleDeformableAttention

from gdinousam.errors import InputError
from gdinousam.models.detector import deformable_choice
from gdinousam.models.detector.deformable import sample_by_bags
from gdinousam.models.detector.deformable_choice import choose_code, disagreement, sampler_for, want_kernel
from gdinousam.models.detector.own_modules import use_own_modules
from gdinousam.models.loading import load_grounding_dino

CPU = torch.device("cpu")
OWN = MultiScaleDeformableAttention().forward
SHAPES = ((7, 9), (4, 5), (1, 3))


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """Every test begins with nothing wanted and nothing found out."""
    deformable_choice._process.chosen.clear()
    yield
    deformable_choice._process.chosen.clear()
    want_kernel("auto", CPU)
    torch.use_deterministic_algorithms(False)


def never() -> str | None:
    raise AssertionError("the kernel is checked where it is not wanted")


@pytest.mark.parametrize(
    ("kernel", "device", "deterministic", "problem", "code", "why"),
    [
        ("auto", "cpu", False, never, "bags", "on a processor"),
        ("auto", "cpu", True, never, "bags", "on a processor"),
        ("plain", "cpu", False, never, "plain", "as set"),
        ("auto", "mps", False, never, "plain", "no kernel for mps"),
        ("auto", "cuda", False, lambda: None, "triton", "it has just passed its check"),
        ("triton", "cuda", False, lambda: None, "triton", "it has just passed its check"),
        ("auto", "cuda", False, lambda: "Triton is not installed", "plain", "Triton is not installed"),
        ("plain", "cuda", False, never, "plain", "as set"),
        ("auto", "cuda", True, never, "bags", "deterministic"),
        ("plain", "cuda", True, never, "bags", "deterministic"),
    ],
)
def test_plain_code_is_used_unless_the_kernel_has_passed(
    kernel: deformable_choice.Kernel,
    device: str,
    deterministic: bool,
    problem: Callable[[], str | None],
    code: str,
    why: str,
) -> None:
    assert choose_code(kernel, device, deterministic, problem) == (code, why)


def test_a_kernel_that_is_asked_for_and_fails_is_an_error() -> None:
    with pytest.raises(InputError, match=r"triton, but values differ by 0\.5 of the largest; set it to plain"):
        choose_code("triton", "cuda", False, lambda: "values differ by 0.5 of the largest")


def test_a_kernel_is_not_wanted_where_it_cannot_run() -> None:
    with pytest.raises(InputError, match="runs on CUDA only, not on cpu; set it to auto"):
        want_kernel("triton", CPU)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_right_code_passes_the_check(dtype: torch.dtype) -> None:
    assert disagreement(sample_by_bags, OWN, CPU, dtype, 32) is None


def test_the_check_runs_during_inference_and_autocast_and_draws_nothing() -> None:
    before = torch.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert disagreement(sample_by_bags, OWN, CPU, torch.float32, 16) is None
    assert torch.equal(torch.get_rng_state(), before)


class OtherGradient(torch.autograd.Function):
    """Leaves its input as it is and its gradient not."""

    @staticmethod
    def forward(ctx: object, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        return 1.01 * gradients[0]


def half_a_pixel_off(value: Tensor, shapes: object, locations: Tensor, weights: Tensor) -> Tensor:
    sizes = torch.tensor([(width, height) for height, width in deformable_choice._CHECKED_SHAPES])
    return sample_by_bags(value, deformable_choice._CHECKED_SHAPES, locations + 0.5 / sizes[:, None], weights)


def of_nothing(value: Tensor, shapes: object, locations: Tensor, weights: Tensor) -> Tensor:
    return sample_by_bags(value * torch.nan, deformable_choice._CHECKED_SHAPES, locations, weights)


def broken(*inputs: object) -> Tensor:
    raise RuntimeError("no kernel image is available\nfor this device")


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        (half_a_pixel_off, "values differ by"),
        (of_nothing, "values differ by nan of the largest"),
        (lambda v, s, x, w: sample_by_bags(OtherGradient.apply(v), s, x, w), "gradient of the values differ by"),
        (lambda v, s, x, w: sample_by_bags(v, s, OtherGradient.apply(x), w), "gradient of the locations differ by"),
        (lambda v, s, x, w: sample_by_bags(v, s, x, OtherGradient.apply(w)), "gradient of the weights differ by"),
        (broken, "RuntimeError: no kernel image is available"),
    ],
)
def test_wrong_values_wrong_gradients_and_errors_fail_the_check(sampler: Callable[..., Tensor], said: str) -> None:
    found = disagreement(sampler, OWN, CPU, torch.float32, 16)
    assert found is not None and found.startswith(said) and "\n" not in found


def test_what_runs_is_chosen_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "gdinousam")
    value = torch.zeros(1, 4, 2, 8)
    assert sampler_for(value, OWN) is sample_by_bags
    assert sampler_for(value, OWN) is sample_by_bags
    assert [record.getMessage() for record in caplog.records] == [
        "deformable attention on cpu in torch.float32: bags (on a processor)"
    ]
    want_kernel("plain", CPU)
    assert sampler_for(value, OWN) is None
    assert caplog.records[-1].levelname == "INFO" and "plain (as set)" in caplog.records[-1].getMessage()


def test_plain_code_answers_as_bags_do(small_detector: Path) -> None:
    model, _ = load_grounding_dino(str(small_detector))
    use_own_modules(model.eval())
    tokens = torch.tensor([[101, 7, 1012, 102]])
    boxes = []
    for kernel in ("auto", "plain"):
        want_kernel(kernel, CPU)
        with torch.no_grad():
            asked = model(
                pixel_values=torch.ones(1, 3, 96, 96), input_ids=tokens, attention_mask=torch.ones_like(tokens)
            )
        boxes.append(asked.pred_boxes)
    assert not torch.equal(*boxes), "other code should show in the last digits"
    torch.testing.assert_close(*boxes, atol=1e-4, rtol=0)


def test_on_a_gpu_nothing_of_the_bags_stays_on_the_processor() -> None:
    """With tensors that know their device and hold no numbers; a mixture of devices is an error to them."""
    with FakeTensorMode():
        value = torch.randn(2, sum(height * width for height, width in SHAPES), 2, 8, device="cuda")
        locations = torch.rand(2, 11, 2, len(SHAPES), 3, 2, device="cuda")
        weights = torch.rand(2, 11, 2, len(SHAPES), 3, device="cuda")
        assert sample_by_bags(value, SHAPES, locations, weights).device.type == "cuda"


def test_deterministic_runs_on_a_gpu_use_bags() -> None:
    torch.use_deterministic_algorithms(True)
    with FakeTensorMode():
        assert sampler_for(torch.zeros(1, 4, 2, 32, device="cuda"), OWN) is sample_by_bags
