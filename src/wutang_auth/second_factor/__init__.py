"""Second factors: codes of an app, codes for the day when the app is gone, and how their secrets are kept."""
