"""Write DICOM, NIfTI and MetaImage files as plain images: ``python scripts/convert_medical.py FILES --out FOLDER``."""

from gdinousam.commands.convert_medical import main

if __name__ == "__main__":
    main(program="python scripts/convert_medical.py")
