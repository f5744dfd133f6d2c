"""DHBE: erasing a backdoor from a model without any data (Yan et al., DHBE, AsiaCCS 2023)."""
