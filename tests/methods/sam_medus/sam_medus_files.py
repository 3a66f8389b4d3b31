"""A tiny SAM-MedUS (approximation), and the SAM that it starts from, without a zero in either."""

from dataclasses import replace

from benchmarks.parity.weights import fill_by_rule
from gdinousam.methods.sam_medus.config import SMALL
from gdinousam.methods.sam_medus.network import SamMedUs, SquareFrame, plain_sam
from gdinousam.models.mask_heads.sam import SamMaskHead

TINY = replace(
    SMALL,
    image_size=64,
    width=32,
    depth=5,
    num_heads=2,
    mlp_width=64,
    window_size=3,
    global_blocks=(0, 1, 2, 4),
    embed_width=32,
    decoder_mlp_width=64,
    joint_width=8,
)


def tiny_sam_medus() -> SamMedUs:
    """With the last convolutions of the joints away from zero, as after some training."""
    model = SamMedUs(TINY)
    fill_by_rule(model)
    return model.eval()


def sam_head(image_size: int) -> SamMaskHead:
    """SAM of the sizes of ``TINY`` but for its images."""
    head = SamMaskHead(plain_sam(replace(TINY, image_size=image_size)), SquareFrame)
    fill_by_rule(head)
    return head.eval()
