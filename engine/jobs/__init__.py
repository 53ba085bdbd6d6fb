"""The worker process: `python -m engine.jobs <job dir>`; one module a kind of work."""
