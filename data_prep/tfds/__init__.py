"""TensorFlow Datasets builders over the same readers; importing one registers it for ``tfds.load``.

    import tensorflow_datasets as tfds
    import data_prep.tfds.mpii_face_gaze

    config = tfds.download.DownloadConfig(manual_dir="MPIIFaceGaze")
    data = tfds.load("mpii_face_gaze", download_and_prepare_kwargs={"download_config": config})

They need the extra ``datasets``. A config whose name ends in ``_beam`` makes its examples in Apache Beam, which is the
extra ``beam``.
"""
