"""One-route applications, for import time, modules and memory."""
