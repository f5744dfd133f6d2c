"""Backdoor attacks on regression models, one file each."""
