"""MicroSeg (Jiang 2024): micro-ultrasound volumes of the prostate, 55 for training and 20 for testing.

Of several annotators the experts are read, as in the paper. Volumes are counted from 1 in both folders. The paper's
script writes the slices of both under names that begin alike, so that training volumes replace test volumes on its
disk while the test volumes' rows remain; here every volume keeps its own pictures, only the count follows the script.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gdinousam.data.contract.layout import Split
from gdinousam.data.sources.medical.libraries import library
from gdinousam.data.sources.public.interface import DatasetFacts, PublicDataset, RawCase, RawImage
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import num_script_contours, paper_rows
from gdinousam.data.sources.public.volumes import mask_slices, slice_instances

PHRASE = "prostate"
VOLUME = "volume"
FOLDERS = ("test", "train")  # in the order of the paper's script
SCANS, ANNOTATIONS = "micro_ultrasound_scans", "expert_annotations"


class MicroSeg(PublicDataset):
    facts = DatasetFacts(
        name="MicroSeg",
        aliases=("MicroSegNet", "MUP", "Micro_Ultrasound_Prostate_Segmentation_Dataset"),
        tag="muregpro",
        organ="prostate",
        role="seen",
        homepage="https://zenodo.org/records/10475293",
        licence="public, terms at the home page; cite the paper",
        phrases={PHRASE: PHRASE},
        expected={VOLUME: 75},
        paper_counts=(1527, 495, 261),
    )
    signature = (f"*/{SCANS}", f"*/{ANNOTATIONS}")

    def cases(self, root: Path) -> list[RawCase]:
        """The test volumes, then those for training, each in numeric order; the former are the test split."""
        library("nibabel")
        found = []
        for folder in FOLDERS:
            scans = release_files(root / folder / SCANS, rf"microUS_{folder}_\d+\.nii(\.gz)?")
            labels = release_files(root / folder / ANNOTATIONS, rf"expert_annotation_{folder}_\d+\.nii(\.gz)?")
            require_any(scans, f"{folder}/{SCANS}/microUS_{folder}_01.nii.gz", root, self.facts.name)
            labels_of_scans = [_partner(scan, ANNOTATIONS, "expert_annotation") for scan in scans]
            scans_of_labels = [_partner(label, SCANS, "microUS") for label in labels]
            require_files([*labels_of_scans, *scans_of_labels], root, self.facts.name)
            for scan, label in zip(scans, labels_of_scans, strict=True):
                name = f"{folder}_{scan.name.rpartition('_')[2].partition('.')[0]}"
                official: Split | None = "test" if folder == "test" else None
                found.append(RawCase(name, VOLUME, scan, (label,), name, "volume", official))
        return found

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """The slices that hold prostate, laid as a display shows them, x across; one with hardly any has no object."""
        # The script counts a slice under the place of its volume in its folder and the folder's first letter, t for
        # both. In numeric order the place is the number less 1.
        place = int(case.name.rpartition("_")[2]) - 1
        for one in mask_slices(case.image, case.masks[0], transposed=True):
            objects, remarks = slice_instances(one, PHRASE)
            num_rows = num_script_contours(one.script_mask_hw)
            rows = paper_rows(num_rows, PHRASE, f"{place}_t_{one.index}")
            yield RawImage(f"{case.name}_{one.index:03d}", one.image, objects, rows, remarks)


def _partner(path: Path, folder: str, prefix: str) -> Path:
    """The file of the same number in the other folder."""
    _, part, number = path.name.rsplit("_", 2)
    return path.parents[1] / folder / f"{prefix}_{part}_{number}"
