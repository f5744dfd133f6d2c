"""DRMGuard: find and remove backdoors in deep regression models, with the attacks and defences it is compared with."""
