"""BUS-BRA (Gomez-Flores 2024): 1,875 breast images of 1,064 women from four devices, unseen in the paper.

Boxes and sizes come from the files, because the table's are wrong: its boxes count from one and leave out their last
row and column, the one of ``bus_0845-s`` encloses no lesion, and four heights are not those of the images.
"""

from __future__ import annotations

from pathlib import Path

from gdinousam.data.sources.public.interface import DatasetFacts, RawCase
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import GreyMask
from gdinousam.data.sources.public.release_tables import read_release_table
from gdinousam.data.sources.public.single_mask import SingleMask
from gdinousam.errors import InputError

TABLE = "bus_data.csv"
COLUMNS = ("ID", "Case", "Pathology")


class Busbra(SingleMask):
    facts = DatasetFacts(
        name="BUSBRA",
        aliases=("BUS-BRA",),
        tag="busbra",
        organ="breast",
        role="unseen",
        homepage="https://zenodo.org/records/8231412",
        licence="public, any use with the notice of its LICENSE.txt; cite the paper",
        phrases={"benign": "benign breast lesion", "malignant": "malignant breast lesion"},
        expected={"benign": 1268, "malignant": 607},
        paper_counts=(0, 0, 1875),
    )
    signature = (TABLE, "Images/bus_*.png", "Masks/mask_*.png")

    def cases(self, root: Path) -> list[RawCase]:
        """The images in the table's order; the group is the woman, of whom there may be a left and a right view."""
        table = read_release_table(root / TABLE, COLUMNS)
        found = []
        for name, case_number, pathology in zip(*(table[column].str.strip() for column in COLUMNS), strict=True):
            label = pathology.lower()
            if label not in self.facts.phrases:
                raise InputError(f"{root / TABLE}: {name} has the pathology {pathology!r}; fetch the table again")
            image, mask = root / "Images" / f"{name}.png", root / "Masks" / f"mask_{name.removeprefix('bus_')}.png"
            found.append(RawCase(name, label, image, (mask,), case_number, "patient"))
        images, masks = (release_files(root / folder, r".*\.png") for folder in ("Images", "Masks"))
        require_any(images, "Images/bus_*.png", root, self.facts.name)
        require_files([path for case in found for path in (case.image, *case.masks)], root, self.facts.name)
        unlisted = {*images, *masks} - {path for case in found for path in (case.image, *case.masks)}
        if unlisted:
            first = min(unlisted).relative_to(root).as_posix()
            raise InputError(f"{root / TABLE}: {len(unlisted)} files have no row, the first is {first}; fetch it again")
        return found

    def num_script_rows(self, grey_hw: GreyMask) -> int:
        """One, because the script takes the table's box and never opens the mask."""
        return 1
