"""The defences that DRMGuard is compared with, generalised to regression: Sec. 4.1 and App. A.4.

Identification: Neural Cleanse and FeatureRE are searches (:class:`drmguard_tf.reversal.Search`), judged as DRMGuard's
own by :class:`drmguard_tf.detection.Detection`. Mitigation: fine-tuning, fine-pruning and ANP return a cleaned copy.
"""
