"""The defences that DHBE is compared with (Sec. 5.1.3, App. C and D): each takes a model and benign images.

Fine-tuning, fine-pruning, attention distillation (NAD) and mode connectivity repair (MCR) are blind: they ask for no
trigger. Neural Cleanse searches for one first; GDM, which does too, lies in :mod:`dhbe_tf.gdm`. What they share is in
:mod:`dhbe_tf.baselines.rival` and :mod:`dhbe_tf.baselines.tuning`. Model inversion is a rival without data.
"""
