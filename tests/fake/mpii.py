"""MPIIFaceGaze in its three layouts, small frames.

Irregular in ``original``: p01's third frame is a JPEG that was cut short, and its last lines name a file that is not
there, a path that leaves the folder, and have a column too few.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import scipy.io

from tests.fake.images import noise, save, truncate

CAMERA = np.array([[240.0, 0, 160], [0, 240.0, 90], [0, 0, 1]])
DISTORTION = np.array([[-0.05, 0.1, 0.001, -0.001, 0.0]])
GOOD = 5  # frames that can be prepared
SIZE = 180, 320


def annotation(name: str, seed: int, *, eye: str = "left") -> str:
    """A line of pXX.txt: a frontal face at about half a metre that looks somewhere at the screen."""
    rng = np.random.default_rng(seed)
    turn, centre = rng.uniform(-0.1, 0.1, 3), np.array([*rng.uniform(-20, 20, 2), 500.0])
    target = np.array([*rng.uniform(-100, 100, 2), 0.0])
    landmarks = rng.uniform(50, 150, 12)
    numbers = [640, 360, *landmarks, *turn, *centre, *centre, *target]
    return " ".join([name, *(f"{number:.6f}" for number in numbers), eye])


def write_original(folder: Path) -> Path:
    """``MPIIFaceGaze/p00`` and ``p01`` with three frames each. Returns ``MPIIFaceGaze``."""
    home = folder / "MPIIFaceGaze"
    for person in range(2):
        lines = []
        for frame in range(3):
            name, seed = f"day01/{frame + 1:04d}.jpg", 10 * person + frame
            save(home / f"p{person:02d}" / name, noise(*SIZE, seed))
            lines.append(annotation(name, seed, eye="right" if frame == 1 else "left"))
        write_camera(home / f"p{person:02d}")
        if person == 1:
            truncate(home / "p01" / "day01" / "0003.jpg")
            lines += [annotation("day02/0001.jpg", 98), annotation("../../secret.jpg", 99), annotation("x", 97)[:-5]]
        (home / f"p{person:02d}" / f"p{person:02d}.txt").write_text("\n".join(lines) + "\n")
    return home


def write_camera(person: Path) -> None:
    """``Calibration/Camera.mat``, compressed as the original."""
    (person / "Calibration").mkdir(parents=True)
    values = {"cameraMatrix": CAMERA, "distCoeffs": DISTORTION, "retval": 0.3}
    scipy.io.savemat(person / "Calibration" / "Camera.mat", values, do_compression=True)


def write_mat(folder: Path, *, rows: int = 3, side: int = 16) -> Path:
    """``MPIIFaceGaze_normalizad/p00.mat``, as h5py sees it. Returns its folder.

    Image i is (i, 2 i, 3 i) in red, green and blue; labels are pitch -0.01 i and yaw 0.02 i.
    """
    home = folder / "MPIIFaceGaze_normalizad"
    home.mkdir(parents=True)
    images, labels = np.zeros((rows, 3, side, side), np.float32), np.zeros((rows, 16), np.float32)
    for row in range(rows):
        images[row] = np.array([3, 2, 1])[:, None, None] * row  # blue, green, red
        labels[row, :2] = -0.01 * row, 0.02 * row
    with h5py.File(home / "p00.mat", "w") as file:
        file.create_dataset("Data/data", data=images, compression="gzip")
        file.create_dataset("Data/label", data=labels)
    return home


def write_gazehub(folder: Path) -> Path:
    """``Image`` and ``Label`` of GazeHub, two images. Returns their folder."""
    home = folder / "MPIIFaceGaze_gazehub"
    header = "Face Left Right Origin WhichEye 3DGaze 3DHead 2DGaze 2DHead Rmat Smat GazeOrigin"
    lines = [header]
    for number, (yaw, pitch) in enumerate([(0.1, -0.2), (0.3, -0.05)], 1):
        save(home / "Image" / "p03" / "face" / f"{number}.jpg", noise(28, 28, number))
        vectors = "0,0,-1 0,0,1"
        lines.append(
            f"p03/face/{number}.jpg p03/left/{number}.jpg p03/right/{number}.jpg day01/0001.jpg left {vectors} "
            f"{yaw},{pitch} 0,0 1,0,0 1,1,1 0,0,600"
        )
    (home / "Label").mkdir()
    (home / "Label" / "p03.label").write_text("\n".join(lines) + "\n")
    return home
