"""What is here to predict with: versions, devices, weights, room to write; each with what to do where it is missing.

Every check stands alone, and none ends the others: a broken library is a finding, not an error. Nothing heavy is
imported before its own check.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from typing import Literal

import gdinousam
from gdinousam.models.bundled import BUNDLED, SMALL, bundled_folder

State = Literal["ok", "note", "missing", "broken"]

LEAST_PYTHON = (3, 11)
LEAST_FREE_MB = 500  # on the disk of a folder that is written to
# What the small model needs to run, in the order of imports; a broken one breaks what follows.
_NEEDED = ("numpy", "PIL", "cv2", "torch", "torchvision", "transformers", "timm", "pydantic", "pycocotools")
_LONGEST_REASON = 200  # characters
_FOR_DEVELOPERS = ("dev", "official")
_BUNDLED_FILES = ("detector/model.safetensors", "detector/config.json", "mask_head/model.safetensors")


@dataclass(frozen=True)
class Finding:
    """state: ``note`` is nothing wrong, ``missing`` is optional, ``broken`` keeps the small model from running.
    remedy: what to do, empty where there is nothing to do.
    """

    state: State
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state:<7}  {self.text}" + (f"  -> {self.remedy}" if self.remedy else "")


Check = Callable[[], Iterator[Finding]]


def checkup() -> Iterator[tuple[str, list[Finding]]]:
    """Run every check; yields a heading and what was found, as soon as it is known."""
    checks: dict[str, Check] = {
        "versions": _versions,
        "libraries": _libraries,
        "extras": _extras,
        "devices": _devices,
        "weights": _weights,
        "folders": _folders,
    }
    for heading, check in checks.items():
        yield heading, _all_of(check)


def _all_of(check: Check) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except Exception as error:  # of whatever is broken on this machine, which is what is to be found out
        findings.append(Finding("broken", _described(error), "install the package again into a fresh environment"))
    return findings


def _described(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]


def _versions() -> Iterator[Finding]:
    python = platform.python_version()
    if sys.version_info < LEAST_PYTHON:
        yield Finding("broken", f"Python {python}", f"use Python {'.'.join(map(str, LEAST_PYTHON))} or later")
    else:
        yield Finding("ok", f"Python {python}, {platform.system()} {platform.machine()}")
    place = Path(gdinousam.__file__).parent
    try:
        distribution("gdinousam")
        yield Finding("ok", f"gdinousam {gdinousam.__version__} in {place}")
    except PackageNotFoundError:
        text = f"gdinousam {gdinousam.__version__} in {place}, a checkout that is not installed"
        yield Finding("note", text, "pip install -e . gives the command gdinousam")


def _libraries() -> Iterator[Finding]:
    """The required ones: imported where the small model needs them, by version alone for the others."""
    for name in _NEEDED:
        try:
            module = import_module(name)
        except Exception as error:  # a library with a missing system library raises anything
            yield Finding("broken", f"{name}: {_described(error)}", "install it into a new environment")
        else:
            yield Finding("ok", f"{name} {getattr(module, '__version__', '')}".strip())
    for wrong, wanted in _unmet(_required("")):
        yield Finding("broken", wrong, f'pip install "{wanted}"')


def _extras() -> Iterator[Finding]:
    try:
        named = distribution("gdinousam").metadata.get_all("Provides-Extra") or []
    except PackageNotFoundError:
        yield Finding("note", "not known: the package is not installed")
        return
    for extra in sorted(set(named) - {*_FOR_DEVELOPERS}):
        unmet = [wrong for wrong, _ in _unmet(_required(extra))]
        if unmet:
            yield Finding("missing", f"{extra}: {', '.join(unmet)}", f'pip install "gdinousam[{extra}]"')
        else:
            yield Finding("ok", extra)


def _required(extra: str) -> list[str]:
    """The requirements that an extra adds, of no extra the package's own."""
    from packaging.requirements import Requirement

    try:
        all_of_them = [Requirement(text) for text in requires("gdinousam") or []]
    except PackageNotFoundError:
        return []
    wanted = []
    for one in all_of_them:
        of_extra = one.marker is not None and "extra" in str(one.marker)
        if of_extra == bool(extra) and (one.marker is None or one.marker.evaluate({"extra": extra})):
            one.marker = None
            wanted.append(str(one))
    return wanted


def _unmet(requirements: list[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with each requirement that is not met, and the requirement."""
    from packaging.requirements import Requirement

    for text in requirements:
        one = Requirement(text)
        try:
            found = version(one.name)
        except PackageNotFoundError:
            yield f"{one.name} is not installed", text
        else:
            if not one.specifier.contains(found, prereleases=True):
                yield f"{one.name} {found}, but {one.specifier} is wanted", text


def _devices() -> Iterator[Finding]:
    import torch

    yield Finding("ok", f"CPU: {os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(number)
            yield Finding("ok", f"GPU cuda:{number}: {found.name}, {found.total_memory / 2**30:.0f} GB")
    elif torch.version.cuda is None:
        yield Finding("note", "no GPU: this torch is built for the CPU only", "for NVIDIA GPUs: torch with CUDA")
    else:
        yield Finding("note", f"no GPU that torch (CUDA {torch.version.cuda}) can use", "see nvidia-smi")


def _weights() -> Iterator[Finding]:
    for name in BUNDLED:
        folder = bundled_folder(name)
        lacking = [file for file in _BUNDLED_FILES if not (folder / file).is_file()]
        if lacking:
            state: State = "broken" if name == SMALL else "missing"
            yield Finding(state, f"{name}: {', '.join(lacking)} not in {folder}", "install the package again")
        else:
            yield Finding("ok", f"{name}: bundled")
    from gdinousam.models.weights.checksums import SUMS
    from gdinousam.models.weights.choice import DOWNLOADS, is_here
    from gdinousam.models.weights.registry import GROUPS, WEIGHTS

    for name, known in WEIGHTS.items():
        repo = known.hub.repo_id if known.hub is not None and not known.official else None
        folder = DOWNLOADS / name
        if (folder / SUMS).is_file():
            yield Finding("ok", f"{name}: in {folder}")
        elif folder.is_dir():
            yield Finding("missing", f"{name}: {folder} is not complete", f"gdinousam download {name}")
        elif repo is not None and is_here(repo):
            yield Finding("ok", f"{name}: in the hub's cache, as {repo}")
        elif name in (*GROUPS["paper"], "paper-lora"):
            text = f"{name}: neither in ./{DOWNLOADS} nor in the hub's cache"
            yield Finding("missing", text, f"gdinousam download {name}")


def _folders() -> Iterator[Finding]:
    from huggingface_hub import constants

    from gdinousam.data.contract.remembered import cache_folder

    yield _writable("working folder", Path(), "results go there unless --output names another place")
    yield _writable("temporary files", Path(tempfile.gettempdir()), "set TMPDIR to a folder that can be written")
    yield _writable("cache of the hub", Path(constants.HF_HUB_CACHE), "set HF_HOME to a folder that can be written")
    checks = cache_folder()
    if checks is not None:
        yield _writable("cache of data checks", checks, "set XDG_CACHE_HOME, or data is looked through each time")


def _writable(what: str, folder: Path, remedy: str) -> Finding:
    """Whether a folder, or the first one above it that is there, can be written and has some room."""
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding("missing", f"{what}: {folder.absolute()} cannot be written ({error.strerror})", remedy)
    free = shutil.disk_usage(there).free / 1e6
    if free < LEAST_FREE_MB:
        return Finding("missing", f"{what}: {folder.absolute()} has {free:.0f} MB left", "free some room there")
    return Finding("ok", f"{what}: {folder.absolute()}, {free / 1000:.0f} GB free")


def trial_run() -> Finding:
    """Segment a generated image with the small model; says the seconds, those of loading apart."""
    try:
        import numpy as np

        from gdinousam.data.sources.phantoms import make_phantom
        from gdinousam.prediction.segmenter import Segmenter

        phantom = make_phantom(np.random.default_rng(0), family="thyroid")
        start = time.perf_counter()
        segmenter = Segmenter.load("small")
        loaded = time.perf_counter()
        found = segmenter.predict(phantom.image, "thyroid nodule").detections
        seconds = time.perf_counter() - loaded
    except Exception as error:  # see _all_of
        return Finding("broken", _described(error), "see the lines above; install the package again if they are all ok")
    text = f"a generated image in {seconds:.1f} s after {loaded - start:.1f} s of loading, {len(found)} found"
    return Finding("ok", text)
