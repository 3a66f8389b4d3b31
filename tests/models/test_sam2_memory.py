"""SAM2's memory: carries masks by its video model, forgets what it will not look at, and is said to be missing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Sam2VideoConfig, Sam2VideoModel

from gdinousam.data.sources.phantoms import PhantomSettings
from gdinousam.data.sources.phantoms.clips import ClipSettings as PhantomLook
from gdinousam.data.sources.phantoms.clips import PhantomClip, make_clip
from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.models.mask_heads.sam2_memory import Sam2Memory, load_sam2_memory
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.models.small import small_mask_head_config
from gdinousam.prediction.clips.segmenting import segment_clip
from gdinousam.prediction.clips.settings import ClipSettings
from gdinousam.prediction.sources import Clip


@pytest.fixture(scope="module")
def video_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small SAM2 video model with random weights, as the published folders are."""
    torch.manual_seed(0)
    image = small_mask_head_config().to_dict()
    side, width = image["prompt_encoder_config"]["image_size"], 128  # transformers wants it above the memory's 64
    config = Sam2VideoConfig(
        vision_config=image["vision_config"] | {"fpn_hidden_size": width},
        prompt_encoder_config=image["prompt_encoder_config"] | {"hidden_size": width},
        mask_decoder_config=image["mask_decoder_config"] | {"hidden_size": width},
        image_size=side,
        memory_attention_hidden_size=width,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[side // 16, side // 16],
        memory_encoder_hidden_size=width,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=64,
        num_maskmem=3,
        max_object_pointers_in_encoder=4,
    )
    folder = tmp_path_factory.mktemp("video") / "sam2_video"
    Sam2VideoModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def head(video_folder: str) -> Sam2MaskHead:
    loaded = load_mask_head(video_folder)
    assert isinstance(loaded, Sam2MaskHead)
    return loaded


@pytest.fixture
def memory(video_folder: str, head: Sam2MaskHead) -> Sam2Memory:
    found = load_sam2_memory(video_folder, head)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def phantoms() -> PhantomClip:
    return make_clip(1, 16, PhantomLook(look=PhantomSettings(height_range=(64, 64), width_range=(80, 80))))


def test_the_image_encoder_is_the_mask_heads_own(memory: Sam2Memory, head: Sam2MaskHead) -> None:
    assert memory.model.vision_encoder is head.image_encoder


def test_what_is_kept_does_not_grow_with_the_clip(memory: Sam2Memory, phantoms: PhantomClip) -> None:
    kept = []
    for index, frame in enumerate(phantoms):
        found = memory.advance(frame.image)
        assert set(found) == ({1, 2} if index > 5 else {1} if index else set())
        for mask, probability in found.values():
            assert mask.shape == (64, 80) and mask.dtype == bool and 0.0 <= probability <= 1.0
        if index == 0 or index % 7 == 5:
            for number in {*found, 1 if index == 0 else 2}:
                memory.show(number, frame.image, frame.instances[0][1])
        kept.append(memory.num_remembered())
    assert max(kept) <= 2 * 6 < 2 * len(kept)  # of each object the newest that was shown, and five frames
    memory.forget(1)
    assert memory.num_remembered() <= 6
    assert set(memory.advance(phantoms.frame(0).image)) == {2}
    assert memory.fresh().num_remembered() == 0


def test_a_clip_is_followed_with_memory_where_the_weights_have_one(
    video_folder: str, memory: Sam2Memory, phantoms: PhantomClip
) -> None:
    finder = load_segmenter("small", "small", device="cpu").box_finder
    segmenter = TextSegmenter(finder, memory.mask_head)
    images = [phantoms.frame(index).image for index in range(4)]
    clip = Clip("x", 4, 80, 64, None, None, None, False, ((0, 0, 80, 64),), lambda: iter(images))
    phrase = phantoms.phrases[0]
    answers = list(segment_clip(segmenter, clip, [phrase], ClipSettings(carry="memory", lost_below=0.0), memory))
    assert len(answers) == 4 and answers[0].objects
    assert answers[0].objects[0].track == 1
    (alone,) = segmenter.segment(images[:1], [[phrase]])
    assert alone[0].mask_hw is not None
    np.testing.assert_array_equal(answers[0].objects[0].detection.mask_hw, alone[0].mask_hw)


@pytest.mark.parametrize("name", ["small", "random-small"])
def test_our_own_mask_heads_have_no_memory(name: str) -> None:
    assert load_sam2_memory(name, load_mask_head(name)) is None


def test_a_folder_of_the_image_model_has_no_memory(head: Sam2MaskHead, tmp_path: Path) -> None:
    head.model.save_pretrained(tmp_path / "head")
    saved = str(tmp_path / "head")
    if '"sam2_video"' not in (tmp_path / "head" / "config.json").read_text(encoding="utf-8"):
        assert load_sam2_memory(saved, load_mask_head(saved)) is None
