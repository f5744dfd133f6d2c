"""GDM: the distribution of a backdoor's triggers, and repair against all of it (Qiao et al. 2019)."""
