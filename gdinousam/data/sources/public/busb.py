"""BUSB (Yap 2018; also Dataset B or UDIAT): 163 breast images, given out on request, their classes in a spreadsheet.

Saving the spreadsheet as CSV strips the image numbers of their zeros, which are filled up again here. The paper's
script takes the box of the last contour of a mask, whichever that is.
"""

from __future__ import annotations

from pathlib import Path

from gdinousam.data.sources.public.interface import DatasetFacts, RawCase
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import GreyMask
from gdinousam.data.sources.public.release_tables import find_release_table, read_release_table, require_listed
from gdinousam.data.sources.public.single_mask import SingleMask
from gdinousam.errors import InputError

TABLE = "DatasetB"
COLUMNS = ("Image", "Type")
NUM_DIGITS = 6  # of the numbers that name the files


class Busb(SingleMask):
    facts = DatasetFacts(
        name="BUSB",
        aliases=("BUS", "Dataset B", "UDIAT"),
        tag="busb",
        organ="breast",
        role="seen",
        homepage="http://www2.docm.mmu.ac.uk/STAFF/M.Yap/dataset.php",
        licence="on request from the authors, for research; cite the paper",
        phrases={"benign": "benign breast lesion", "malignant": "malignant breast lesion"},
        expected={"benign": 109, "malignant": 54},
        paper_counts=(114, 32, 17),
    )
    signature = (f"original/{'[0-9]' * NUM_DIGITS}.png", f"GT/{'[0-9]' * NUM_DIGITS}.png")

    def cases(self, root: Path) -> list[RawCase]:
        """The images in the table's order; the table lies beside the image folders or one folder above them."""
        folders = (root, root.parent)
        table_path = find_release_table([folder / f"{TABLE}{end}" for folder in folders for end in (".xlsx", ".csv")])
        table = read_release_table(table_path, COLUMNS)
        found = []
        for number, kind in zip(*(table[column].str.strip() for column in COLUMNS), strict=True):
            name, label = number.zfill(NUM_DIGITS), kind.lower()
            if label not in self.facts.phrases or not number:
                raise InputError(
                    f"{table_path}: image {number!r} is of Type {kind!r}, expected a number and "
                    f"{' or '.join(self.facts.phrases)}; fetch the table again"
                )
            image, mask = (root / part / f"{name}.png" for part in ("original", "GT"))
            found.append(RawCase(name, label, image, (mask,), name, "image"))
        stored = [path for part in ("original", "GT") for path in release_files(root / part, r".*\.png")]
        require_any(stored, "original/000001.png", root, self.facts.name)
        listed = [path for case in found for path in (case.image, *case.masks)]
        require_files(listed, root, self.facts.name)
        require_listed(stored, listed, table_path)
        return found

    def num_script_rows(self, grey_hw: GreyMask) -> int:
        """The script makes one row of every mask."""
        return 1
