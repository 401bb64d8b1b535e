"""The loop that drives a backend, and what is recorded while it runs."""
