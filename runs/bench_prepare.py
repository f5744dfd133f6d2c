"""Speed of preparing, on MPIIFaceGaze-like frames: two processes against one, and against a plain OpenCV loop."""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Optional

import numpy as np
import scipy.io
from joblib.externals.loky import get_reusable_executor
from PIL import Image

from data_prep.mpii_face_gaze import MpiiFaceGaze
from data_prep.normalisation import FACE_MODEL, Face, face_of, virtual_rotation
from data_prep.opencv import opencv
from runs.chunks import limit_threads
from runs.preparing import Bar, Preparation, prepare

_CAMERA = np.array([[994.73, 0, 624.66], [0, 998.17, 364.09], [0, 0, 1]])
_DISTORTION = np.array([[-0.163, 0.668, -0.0012, -0.003, -1.02]])
_TURN, _SHIFT, _TARGET = np.array([-0.23, 0.06, 0.02]), np.array([13.0, 38, 430]), np.array([-127.0, 4, -12])
_HEIGHT, _WIDTH = 720, 1280
_SIZE = 224


def run(*, frames: int, frame: Optional[Path], bar: Bar) -> dict[str, Any]:
    """Images per second of each way, and the memory of all processes together.

    The OpenCV loop reads, undistorts, warps and writes PNG, one frame after the other, in one thread.

    Args:
        frames: how many copies of one frame are prepared.
        frame: an image of 1280 x 720 to copy; None draws one.
        bar: shows progress.

    Raises:
        ValueError: if the frame has another size.
    """
    home = Path(tempfile.mkdtemp(prefix="bench_prepare_"))
    try:
        _write(home / "raw", frames, frame)
        loop = _rate(lambda: _opencv_loop(home / "raw" / "p00", home / "loop"), frames)
        data = MpiiFaceGaze(_SIZE)
        ways = {
            workers: _rate(
                lambda: prepare(Preparation(data, home / "raw", home / f"with_{workers}", workers=workers), bar=bar),
                frames,
            )
            for workers in (1, 2)
        }
        return {
            "opencv_loop_images_per_s": loop,
            "one_process_images_per_s": ways[1],
            "two_processes_images_per_s": ways[2],
            "two_against_one": ways[2] / ways[1],
            "one_against_opencv_loop": ways[1] / loop,
            "peak_memory_mib": _peak(2),
            "frames": frames,
        }
    finally:
        shutil.rmtree(home)


def silent(label: str, length: int) -> AbstractContextManager[Any]:
    """A progress bar that shows nothing."""
    return nullcontext(lambda done: None)


def _rate(work: Any, frames: int) -> float:
    started = time.perf_counter()
    work()
    return frames / (time.perf_counter() - started)


def _peak(workers: int) -> float:
    """Largest resident memory of this process and of as many as the largest worker, MiB."""
    get_reusable_executor().shutdown(wait=True)  # a worker is counted when it has ended
    own, largest = (resource.getrusage(kind).ru_maxrss for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + workers * largest) / 1024


def _face() -> Face:
    return face_of(_TURN, _SHIFT)


def _write(home: Path, frames: int, frame: Optional[Path]) -> None:
    """``p00`` with copies of one frame, as the original release is laid out."""
    person = home / "p00"
    (person / "day01").mkdir(parents=True)
    (person / "Calibration").mkdir()
    scipy.io.savemat(person / "Calibration" / "Camera.mat", {"cameraMatrix": _CAMERA, "distCoeffs": _DISTORTION})
    content = _drawn(home / "frame.jpg") if frame is None else frame
    with Image.open(content) as image:
        if image.size != (_WIDTH, _HEIGHT):
            raise ValueError(f"{content} has {image.width} x {image.height} pixels, expected {_WIDTH} x {_HEIGHT}")
    landmarks = np.zeros(2 * len(FACE_MODEL))
    numbers = " ".join(f"{x:.6f}" for x in (0, 0, *landmarks, *_TURN, *_SHIFT, *_face().centre, *_TARGET))
    names = [f"day01/{index:04d}.jpg" for index in range(frames)]
    for name in names:
        shutil.copyfile(content, person / name)
    (person / "p00.txt").write_text("".join(f"{name} {numbers} left\n" for name in names), encoding="utf-8")


def _drawn(path: Path) -> Path:
    """A frame that is black but for a textured face box, as the original ones are."""
    image = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
    small = np.random.default_rng(0).integers(40, 200, (40, 40, 3), dtype=np.uint8)
    image[250:650, 430:830] = np.asarray(Image.fromarray(small).resize((400, 400), Image.Resampling.BICUBIC))
    Image.fromarray(image).save(path, quality=92)
    return path


def _opencv_loop(person: Path, out: Path) -> None:
    """What one writes first: whole frames undistorted, then warped."""
    cv2 = opencv()
    limit_threads(1)
    out.mkdir()
    virtual = np.array([[960, 0, _SIZE / 2], [0, 960, _SIZE / 2], [0, 0, 1]])
    for line in (person / "p00.txt").read_text(encoding="utf-8").splitlines():
        name, *numbers = line.split()[:-1]
        turn, centre = np.array(numbers[14:17], float), np.array(numbers[20:23], float)
        face = Face(cv2.Rodrigues(turn)[0], centre)
        scale = np.diag([1, 1, 600 / np.linalg.norm(centre)])
        warp = virtual @ scale @ virtual_rotation(face) @ np.linalg.inv(_CAMERA)
        frame = cv2.undistort(cv2.imread(str(person / name)), _CAMERA, _DISTORTION)
        image = cv2.warpPerspective(frame, warp, (_SIZE, _SIZE))
        cv2.imwrite(str(out / Path(name).with_suffix(".png").name), image)
