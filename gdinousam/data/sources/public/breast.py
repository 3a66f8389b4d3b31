"""BrEaST (Pawlowska 2024): breast ultrasound of 256 women, an image each, with a table of findings.

Masks of other findings than the lesion lie beside the lesion's and are left aside. Images with an alpha channel are
read as every other image here: what is transparent was cut out and becomes black, and where all is opaque nothing
changes. The paper's script takes the box of the last contour of a mask, whichever that is.
"""

from __future__ import annotations

from pathlib import Path

from gdinousam.data.sources.public.interface import NORMAL, DatasetFacts, RawCase
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import GreyMask
from gdinousam.data.sources.public.release_tables import find_release_table, read_release_table, require_listed
from gdinousam.data.sources.public.single_mask import SingleMask
from gdinousam.errors import InputError

TABLE = "BrEaST-Lesions-USG-clinical-data-Dec-15-2023"  # published as .xlsx, read by the paper's script as .csv
COLUMNS = ("CaseID", "Image_filename", "Classification")
# The archive of the images may be unpacked into a folder of its own name, another one than the folder within.
LESION_MASKS = "**/*/case*_tumor.png"


class BrEaST(SingleMask):
    facts = DatasetFacts(
        name="BrEaST",
        aliases=("BrEaST-Lesions-USG",),
        tag="breast",
        organ="breast",
        role="seen",
        homepage="https://www.cancerimagingarchive.net/collection/breast-lesions-usg/",
        licence="public, CC BY 4.0; cite the paper",
        phrases={"benign": "benign breast lesion", "malignant": "malignant breast lesion"},
        expected={"benign": 154, "malignant": 98, NORMAL: 4},
        paper_counts=(176, 50, 26),
    )
    signature = (f"{TABLE}.*", LESION_MASKS)

    def cases(self, root: Path) -> list[RawCase]:
        """The images in the table's order; the group is the woman. A normal case has no mask."""
        table_path = find_release_table([root / f"{TABLE}.xlsx", root / f"{TABLE}.csv"])
        table = read_release_table(table_path, COLUMNS)
        folder = self._picture_folder(root)
        found = []
        for case_id, image_name, classification in zip(*(table[column].str.strip() for column in COLUMNS), strict=True):
            name, label = Path(image_name).stem, classification.lower()
            if label not in self.facts.expected or not case_id:
                raise InputError(
                    f"{table_path}: {image_name or 'a line'} has CaseID {case_id!r} and Classification "
                    f"{classification!r}, expected a number and {', '.join(self.facts.expected)}; fetch the table again"
                )
            masks = () if label == NORMAL else (folder / f"{name}_tumor.png",)
            found.append(RawCase(name, label, folder / f"{name}.png", masks, case_id, "patient"))
        listed = [path for case in found for path in (case.image, *case.masks)]
        require_files(listed, root, self.facts.name)
        require_listed(release_files(folder, r"[^_]+(_tumor)?\.png"), listed, table_path)
        return found

    def num_script_rows(self, grey_hw: GreyMask) -> int:
        """The script makes one row of every mask."""
        return 1

    def _picture_folder(self, root: Path) -> Path:
        folders = sorted({path.parent for path in root.glob(LESION_MASKS)})
        require_any(folders, "BrEaST-Lesions_USG-images_and_masks/case001_tumor.png", root, self.facts.name)
        if len(folders) > 1:
            raise InputError(f"{root}: lesion masks in both {folders[0]} and {folders[1]}; keep one of them")
        return folders[0]
