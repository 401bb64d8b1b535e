"""What every room may use and what knows nothing of training: checks, files, threads, text."""
