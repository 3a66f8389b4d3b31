"""SAM2's memory: what its video model has beyond the one for single images, to follow an object through frames."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import Sam2VideoInferenceSession, Sam2VideoModel

from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.models.weights.choice import chosen
from gdinousam.models.weights.pretrained import from_folder_or_hub, model_type_of
from gdinousam.preprocessing import ResizeSettings, build_resize, image_to_tensor, normalize_image
from gdinousam.records import Image, Mask
from gdinousam.settings import OWN_MODEL_NAMES

_VIDEO_TYPE = "sam2_video"
_TYPES = (_VIDEO_TYPE, "sam2", "sam")
MaskInMemory = tuple[Mask, float]


class Sam2Memory:
    """SAM2's video model, shown one frame at a time, with as many objects as are followed at once.

    model: its image encoder becomes the mask head's, which is the same and nearly all of the weights. Of past frames it
    keeps, for each object, the newest mask that it was shown and the last few that it drew, as the model looks at no
    more: memory does not grow with the clip.
    """

    def __init__(self, model: Sam2VideoModel, mask_head: Sam2MaskHead) -> None:
        self.model = model.requires_grad_(False).eval()
        self.model.vision_encoder = mask_head.image_encoder
        self.model.to(mask_head.device)
        self.mask_head = mask_head
        self._resize = build_resize(ResizeSettings(size=mask_head.side))
        config = model.config
        self._num_kept = max(config.num_maskmem, config.max_object_pointers_in_encoder)
        self._sessions: dict[int, Sam2VideoInferenceSession] = {}
        self._frame = -1
        self._pixels: torch.Tensor | None = None
        self._features: dict[str, Any] = {}

    @torch.inference_mode()
    def advance(self, image: Image) -> dict[int, MaskInMemory]:
        """Go on to the next frame, (H, W, 3) uint8 RGB.

        Returns for each object its (H, W) bool mask and the probability, in [0, 1], that it is there.
        """
        self._frame += 1
        self._pixels, self._features = None, {}
        found = {}
        for number, session in self._sessions.items():
            logits = self._run(session, image)
            there = session.get_output(0, self._frame, "object_score_logits", is_conditioning_frame=False)
            mask = self.mask_head.masks_of_size(logits.float(), (image.shape[0], image.shape[1]))[0]
            found[number] = np.asarray(mask.cpu(), dtype=bool), float(there.sigmoid().max())
        return found

    @torch.inference_mode()
    def show(self, number: int, image: Image, mask_hw: Mask) -> None:
        """Show where an object lies in the frame of the last ``advance``; a number that is new begins a new object."""
        session = self._sessions.setdefault(number, self._new_session())
        place = session.obj_id_to_idx(number)
        # what was drawn for this frame gives way to what is shown
        session.frames_tracked_per_obj[place].pop(self._frame, None)
        session.output_dict_per_obj[place]["non_cond_frame_outputs"].pop(self._frame, None)
        mask = torch.from_numpy(mask_hw)[None, None].to(self.model.device, torch.float32)
        side = self.mask_head.side
        mask = F.interpolate(mask, (side, side), mode="bilinear", antialias=True)
        session.add_mask_inputs(place, self._frame, (mask >= 0.5).float())
        session.obj_with_new_inputs.append(number)
        self._run(session, image)

    def _new_session(self) -> Sam2VideoInferenceSession:
        device = self.model.device
        return Sam2VideoInferenceSession(
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=torch.float32,
        )

    def forget(self, number: int) -> None:
        """Forget an object."""
        del self._sessions[number]

    def fresh(self) -> Sam2Memory:
        """The same model with an empty memory, for a clip of its own."""
        return Sam2Memory(self.model, self.mask_head)

    def num_remembered(self) -> int:
        """Frames of which anything is kept, all objects together."""
        return sum(
            len(outputs)
            for session in self._sessions.values()
            for kinds in session.output_dict_per_obj.values()
            for outputs in kinds.values()
        )

    def _run(self, session: Sam2VideoInferenceSession, image: Image) -> torch.Tensor:
        """Logits (1, 1, S/4, S/4) of the only object of a session in the current frame."""
        if self._pixels is None:
            self._pixels = normalize_image(self._resize(image_to_tensor(image).to(self.model.device) / 255)[None])
            with self.mask_head.products(self.model.device):
                answered = self.model.get_image_features(self._pixels)
            if isinstance(answered, tuple):  # of transformers 4; in 5 its parts have names
                features, positions = answered[:2]
            else:
                features, positions = answered.fpn_hidden_states, answered.fpn_position_encoding
            self._features = {
                "vision_feats": [one.float() for one in features],
                "vision_pos_embeds": [one.float() for one in positions],
            }
        # every object has a session of its own, so that it can end; the features of a frame are computed once for all
        session.cache.clear_all()
        session.cache.cache_vision_features(self._frame, self._features)
        logits: torch.Tensor = self.model(session, frame_idx=self._frame, frame=self._pixels).pred_masks
        self._prune(session)
        return logits

    def _prune(self, session: Sam2VideoInferenceSession) -> None:
        """Drop what the model will not look at again."""
        session.cache.clear_all()
        session.processed_frames = {}
        oldest = self._frame - self._num_kept
        for place, kinds in session.output_dict_per_obj.items():
            shown = kinds["cond_frame_outputs"]
            newest = max(shown)
            _keep(shown, [newest])
            _keep(session.mask_inputs_per_obj[place], [newest])
            _keep(kinds["non_cond_frame_outputs"], range(oldest, self._frame + 1))
            _keep(session.frames_tracked_per_obj[place], range(oldest, self._frame + 1))


def _keep(by_frame: dict[int, Any], frames: Container[int]) -> None:
    for frame in [frame for frame in by_frame if frame not in frames]:
        del by_frame[frame]


def load_sam2_memory(name: str, mask_head: object) -> Sam2Memory | None:
    """The memory of a mask head that was loaded by this name; ``None`` where its weights have none.

    Folders and hub ids of SAM2's video model have one. The bundled mask head, one that was trained here, SAM, MedSAM
    and single official files, of which only the image model is read, have none. Raises InputError for a folder that
    calls itself a video model and lacks a tensor.
    """
    if name in OWN_MODEL_NAMES or not isinstance(mask_head, Sam2MaskHead):
        return None
    found = str(chosen(name))
    if Path(found).is_file() or model_type_of(found, _TYPES) != _VIDEO_TYPE:
        return None
    return Sam2Memory(from_folder_or_hub(Sam2VideoModel, found, (_VIDEO_TYPE,)), mask_head)
