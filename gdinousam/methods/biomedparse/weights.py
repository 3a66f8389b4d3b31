"""The published weights of BiomedParse, ``biomedparse_v1.pt``, read into our network, or random ones."""

from __future__ import annotations

from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.methods.biomedparse.config import SMALL, BiomedParseConfig
from gdinousam.methods.biomedparse.network import BiomedParse
from gdinousam.models.checkpoints.files import Tensors, read_tensors, require_kind
from gdinousam.models.checkpoints.keys import listed, rename, translate
from gdinousam.models.checkpoints.sam_parts import WEIGHT
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.mask_heads.random_sam import RANDOM, reset_plain_layers
from gdinousam.models.weights.choice import is_hub_id

FILE = "biomedparse_v1.pt"
_HEAD = r"sem_seg_head"
_BLOCK = r"backbone\.layers\.(\d)\.blocks\.(\d+)"
_NEW_BLOCK = r"backbone.stages.\1.blocks.\2"
_PIXEL, _PIXEL_LAYER = rf"{_HEAD}\.pixel_decoder", r"pixel_decoder.layers.\1"
_QUERY, _QUERY_LAYER = rf"{_HEAD}\.predictor", r"query_decoder.layers.\1"
_TEXT = rf"{_QUERY}\.lang_encoder"
_TEXT_BLOCK, _NEW_TEXT_BLOCK = rf"{_TEXT}\.lang_encoder\.resblocks\.(\d+)", r"text_encoder.blocks.\1"
_IN_PROJECTION = r"(in_proj_weight|in_proj_bias|out_proj\.weight|out_proj\.bias)"
RULES = (
    rename(rf"backbone\.patch_embed\.(proj|norm)\.{WEIGHT}", r"backbone.stem.\1.\2"),
    rename(rf"{_BLOCK}\.gamma_([12])", rf"{_NEW_BLOCK}.ls\3.gamma"),
    rename(rf"{_BLOCK}\.norm([12])\.{WEIGHT}", rf"{_NEW_BLOCK}.norm\3_post.\4"),
    rename(rf"{_BLOCK}\.(modulation\.[fh]|modulation\.proj|mlp\.fc[12])\.{WEIGHT}", rf"{_NEW_BLOCK}.\3.\4"),
    rename(
        rf"{_BLOCK}\.modulation\.focal_layers\.(\d)\.0\.weight", rf"{_NEW_BLOCK}.modulation.focal_layers.\3.0.weight"
    ),
    # timm has what makes a map smaller at the start of the next stage
    *(
        rename(
            rf"backbone\.layers\.{stage}\.downsample\.(proj|norm)\.{WEIGHT}",
            rf"backbone.stages.{stage + 1}.downsample.\1.\2",
        )
        for stage in range(3)
    ),
    rename(rf"backbone\.norm([0-3])\.{WEIGHT}", r"backbone.norms.\1.\2"),
    *(rename(rf"{_PIXEL}\.adapter_{one + 1}\.weight", f"pixel_decoder.lateral.{one}.conv.weight") for one in range(3)),
    *(
        rename(rf"{_PIXEL}\.adapter_{one + 1}\.norm\.{WEIGHT}", rf"pixel_decoder.lateral.{one}.norm.\1")
        for one in range(3)
    ),
    *(rename(rf"{_PIXEL}\.layer_{one + 1}\.weight", f"pixel_decoder.output.{one}.conv.weight") for one in range(4)),
    *(
        rename(rf"{_PIXEL}\.layer_{one + 1}\.norm\.{WEIGHT}", rf"pixel_decoder.output.{one}.norm.\1")
        for one in range(4)
    ),
    rename(rf"{_PIXEL}\.mask_features\.{WEIGHT}", r"pixel_decoder.pixels.\1"),
    rename(rf"{_PIXEL}\.input_proj\.{WEIGHT}", r"pixel_decoder.project.\1"),
    rename(
        rf"{_PIXEL}\.transformer\.encoder\.layers\.(\d)\.self_attn\.{_IN_PROJECTION}", rf"{_PIXEL_LAYER}.attention.\2"
    ),
    rename(
        rf"{_PIXEL}\.transformer\.encoder\.layers\.(\d)\.(linear[12])\.{WEIGHT}", rf"{_PIXEL_LAYER}.feed_forward.\2.\3"
    ),
    rename(rf"{_PIXEL}\.transformer\.encoder\.layers\.(\d)\.norm1\.{WEIGHT}", rf"{_PIXEL_LAYER}.norm.\2"),
    rename(rf"{_PIXEL}\.transformer\.encoder\.layers\.(\d)\.norm2\.{WEIGHT}", rf"{_PIXEL_LAYER}.feed_forward.norm.\2"),
    rename(
        rf"{_QUERY}\.transformer_self_attention_layers\.(\d)\.self_attn\.{_IN_PROJECTION}",
        rf"{_QUERY_LAYER}.self_attention.\2",
    ),
    rename(rf"{_QUERY}\.transformer_self_attention_layers\.(\d)\.norm\.{WEIGHT}", rf"{_QUERY_LAYER}.self_norm.\2"),
    rename(
        rf"{_QUERY}\.transformer_cross_attention_layers\.(\d)\.multihead_attn\.{_IN_PROJECTION}",
        rf"{_QUERY_LAYER}.cross_attention.\2",
    ),
    rename(rf"{_QUERY}\.transformer_cross_attention_layers\.(\d)\.norm\.{WEIGHT}", rf"{_QUERY_LAYER}.cross_norm.\2"),
    rename(
        rf"{_QUERY}\.transformer_ffn_layers\.(\d)\.(linear[12]|norm)\.{WEIGHT}", rf"{_QUERY_LAYER}.feed_forward.\2.\3"
    ),
    rename(rf"{_QUERY}\.decoder_norm\.{WEIGHT}", r"query_decoder.norm.\1"),
    rename(rf"{_QUERY}\.(query_feat|query_embed|level_embed)\.weight", r"query_decoder.\1.weight"),
    rename(rf"{_QUERY}\.class_embed", "query_decoder.class_embed"),
    rename(rf"{_QUERY}\.mask_embed\.layers\.([0-2])\.{WEIGHT}", r"query_decoder.mask_embed.\1.\2"),
    rename(rf"{_TEXT}\.lang_proj", "text_encoder.projection"),
    rename(rf"{_TEXT}\.lang_encoder\.positional_embedding", "text_encoder.positional_embedding"),
    rename(rf"{_TEXT}\.lang_encoder\.token_embedding\.weight", "text_encoder.token_embedding.weight"),
    rename(rf"{_TEXT}\.lang_encoder\.ln_final\.{WEIGHT}", r"text_encoder.norm.\1"),
    rename(rf"{_TEXT_BLOCK}\.attn\.{_IN_PROJECTION}", rf"{_NEW_TEXT_BLOCK}.attention.\2"),
    rename(rf"{_TEXT_BLOCK}\.ln_([12])\.{WEIGHT}", rf"{_NEW_TEXT_BLOCK}.norm\2.\3"),
    rename(rf"{_TEXT_BLOCK}\.mlp\.c_fc\.{WEIGHT}", rf"{_NEW_TEXT_BLOCK}.linear1.\2"),
    rename(rf"{_TEXT_BLOCK}\.mlp\.c_proj\.{WEIGHT}", rf"{_NEW_TEXT_BLOCK}.linear2.\2"),
)
# Prompts that are drawn, a scale that changes no order, and a second text encoder that the public config leaves unused.
UNUSED = (
    rf"dilation_kernel|{_QUERY}\.(pn_indicator\.weight|mask_sptial_embed\.\d|spatial_embed\.weight|"
    rf"spatial_featured\.weight)|{_TEXT}\.(logit_scale|biomed_encoder\..+)"
)


def load_biomedparse(weights: str) -> BiomedParse:
    """Load the frozen network on the CPU, in eval mode.

    weights: the official file of version 1, ``random`` for random weights of full size or ``random-small`` for the
    sizes of ``SMALL``, both from torch's generator. Raises InputError for what is missing, unreadable or another model,
    and where a library is not installed.
    """
    if weights in (RANDOM, RANDOM_SMALL):
        network = BiomedParse(SMALL if weights == RANDOM_SMALL else None)
        # timm starts its layers so faint that masks are empty
        reset_plain_layers(network.backbone)
    else:
        path = Path(weights)
        if is_hub_id(weights) and not path.exists():
            raise InputError(
                f"{weights}: BiomedParse is read from its file; run hf download microsoft/BiomedParse {FILE} "
                f"--local-dir weights, and name weights/{FILE} in baseline.weights"
            )
        network = biomedparse_from(require_kind(read_tensors(path), "BiomedParse", path), path)
    return network.requires_grad_(False).eval()


def biomedparse_from(tensors: Tensors, path: Path, config: BiomedParseConfig | None = None) -> BiomedParse:
    """Build the network from the tensors of an official file.

    tensors: names and shapes as published; ``model.`` may stand before every name. path: the file, for messages.
    config: of files of other sizes. Raises InputError where any tensor is missing, left over or of another shape.
    """
    network = BiomedParse(config)
    own = network.state_dict()
    given = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    renamed = {
        # what is a linear layer there is a convolution of one pixel in timm
        name: tensor[..., None, None] if tensor.ndim == 2 and name in own and own[name].ndim == 4 else tensor
        for name, tensor in translate(given, RULES, UNUSED, path).items()
    }
    wrong = {
        "lacks": [name for name in own if name not in renamed],
        "has unknown": [name for name in renamed if name not in own],
        "has of another shape": [name for name in own if name in renamed and own[name].shape != renamed[name].shape],
    }
    for verb, names in wrong.items():
        if names:
            raise InputError(f"{path} {verb} {listed(names)}; give {FILE} of version 1")
    network.load_state_dict(renamed)
    return network
