"""The weights that have a name here: where they come from, their licence, and what is known to check them by.

The listed sha256 values and exact sizes come from the listings of publishers and users; they were not verified against
a download on our side. ``None`` where none is known. A file from the hub is checked against what the hub states.

MedSAM's own file (a Google Drive folder) has no stable direct URL and so is not here; ``medsam-vit-base`` holds
MedSAM's weights on the hub. The repository of the paper's authors is known by its name alone: neither its files nor its
licence were seen, so what arrives is told by its content.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from gdinousam.errors import InputError

APACHE = "Apache-2.0"


@dataclass(frozen=True)
class HubRepository:
    """A repository of models on the hub.

    files: what to take; empty: whatever transformers needs to load the model. holds_adapter: it holds a LoRA under a
    name that is not known.
    """

    repo_id: str
    files: tuple[str, ...] = ()
    holds_adapter: bool = False


@dataclass(frozen=True)
class OfficialFile:
    """A file at its publisher's. sha256, num_bytes: what it must be, or ``None`` where unknown."""

    url: str
    sha256: str | None = None
    num_bytes: int | None = None

    @property
    def name(self) -> str:
        """The name of the file, which it keeps."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Weights:
    """One name on the command line; at least one of hub and official is given.

    megabytes: rounded size of the download in 10^6 bytes, for the table only: four bytes a parameter; ``None`` where
    unknown.
    """

    name: str
    what: str
    licence: str
    megabytes: int | None
    hub: HubRepository | None = None
    official: OfficialFile | None = None

    @property
    def origin(self) -> str:
        """Where it comes from, for the table."""
        hub = f"hub {self.hub.repo_id}" if self.hub else None
        return " and ".join(part for part in (self.official and self.official.url, hub) if part)


_GROUNDING_DINO = "https://github.com/IDEA-Research/GroundingDINO/releases/download"
_SEGMENT_ANYTHING = "https://dl.fbaipublicfiles.com/segment_anything"
# The official Grounding DINO files come without the tokenizer of their text encoder.
_TOKENIZER = HubRepository("google-bert/bert-base-uncased", ("vocab.txt", "tokenizer.json", "tokenizer_config.json"))
_SAM2_MEGABYTES = {"tiny": 156, "small": 184, "base-plus": 323, "large": 898}


def _sam2(version: str, release: str) -> list[Weights]:
    known = []
    for size, megabytes in _SAM2_MEGABYTES.items():
        name = f"sam{version}-hiera-{size}"
        url = f"{_SEGMENT_ANYTHING}_2/{release}/sam{version}_hiera_{size.replace('-', '_')}.pt"
        what = f"SAM {version} mask head, {size}"
        known += [
            Weights(name, what, APACHE, megabytes, hub=HubRepository(f"facebook/{name}")),
            Weights(f"official-{name}", f"{what}, official file", APACHE, megabytes, official=OfficialFile(url)),
        ]
    return known


def _sam(size: str, file: str, sha256: str, megabytes: int) -> list[Weights]:
    what = f"SAM mask head, {size}"
    official = OfficialFile(f"{_SEGMENT_ANYTHING}/{file}", sha256)
    return [
        Weights(f"sam-vit-{size}", what, APACHE, megabytes, hub=HubRepository(f"facebook/sam-vit-{size}")),
        Weights(f"official-sam-vit-{size[0]}", f"{what}, official file", APACHE, megabytes, official=official),
    ]


_KNOWN = [
    Weights(
        "grounding-dino-tiny",
        "Grounding DINO detector, Swin-T",
        APACHE,
        690,
        hub=HubRepository("IDEA-Research/grounding-dino-tiny"),
    ),
    Weights(
        "grounding-dino-base",
        "Grounding DINO detector, Swin-B",
        APACHE,
        930,
        hub=HubRepository("IDEA-Research/grounding-dino-base"),
    ),
    Weights(
        "official-grounding-dino-swin-t",
        "Grounding DINO detector, Swin-T, official file with tokenizer",
        APACHE,
        694,
        hub=_TOKENIZER,
        official=OfficialFile(
            f"{_GROUNDING_DINO}/v0.1.0-alpha/groundingdino_swint_ogc.pth",
            "3b3ca2563c77c69f651d7bd133e97139c186df06231157a64c507099c52bc799",
            693997677,
        ),
    ),
    Weights(
        "official-grounding-dino-swin-b",
        "Grounding DINO detector, Swin-B, official file with tokenizer",
        APACHE,
        940,
        hub=_TOKENIZER,
        official=OfficialFile(f"{_GROUNDING_DINO}/v0.1.0-alpha2/groundingdino_swinb_cogcoor.pth"),
    ),
    *_sam2("2.1", "092824"),
    *_sam2("2", "072824"),
    *_sam("base", "sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 375),
    *_sam("large", "sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1249),
    *_sam("huge", "sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2564),
    Weights(
        "paper-lora",
        "LoRA of the paper's authors, told by its content",
        "see the repository",
        None,
        hub=HubRepository("hmrasa/grounding.dino.sam.4.us.v1", holds_adapter=True),
    ),
    Weights("medsam-vit-base", "MedSAM mask head", APACHE, 375, hub=HubRepository("wanglab/medsam-vit-base")),
]

WEIGHTS = {weights.name: weights for weights in _KNOWN}
GROUPS = {"paper": ("grounding-dino-tiny", "sam2.1-hiera-large")}  # the paper's detector and mask head


def find_weights(names: Sequence[str]) -> list[Weights]:
    """What the names stand for, groups resolved, each once, in the order asked; empty for no names.

    Raises InputError for the first unknown name, with the most similar known one.
    """
    resolved: dict[str, Weights] = {}
    for name in names:
        for member in GROUPS.get(name, (name,)):
            if member not in WEIGHTS:
                raise InputError(f"no weights are named {name!r}{_suggestion(name)} (--list shows all names)")
            resolved[member] = WEIGHTS[member]
    return list(resolved.values())


def list_weights() -> str:
    """A table of every name, for people: one line each, the groups last."""
    header = ("name", "size", "licence", "what", "from")
    rows = [(w.name, _size(w), w.licence, w.what, w.origin) for w in WEIGHTS.values()]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, tuple("-" * width for width in widths), *rows]:
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    lines += ["", *(f"{group} = {' + '.join(members)}" for group, members in GROUPS.items())]
    return "\n".join(lines)


def _size(weights: Weights) -> str:
    return "unknown" if weights.megabytes is None else f"{weights.megabytes} MB"


def _suggestion(name: str) -> str:
    similar = difflib.get_close_matches(name.lower().replace("_", "-"), [*WEIGHTS, *GROUPS], n=1, cutoff=0.5)
    return f"; did you mean {similar[0]}?" if similar else ""
