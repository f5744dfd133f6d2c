"""Attacks on classifiers: one file each."""
