"""What every test shares: examples that do not change from run to run, and no settings from the developer's shell."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A slow, shared machine must not fail a test: no deadlines. `deep` looks further, at random.
settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=100, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", deadline=None, max_examples=5000, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

for name in ("ALLOWED_HOSTS", "DEBUG", "ERLEN_APP", "SECRET_KEY", "SECRET_KEYS", "TRUSTED_ORIGINS", "TRUSTED_PROXIES"):
    os.environ.pop(name, None)
