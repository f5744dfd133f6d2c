"""Synthetic heads: ray-cast faces with exact gaze and head pose, the project's embedded data."""
