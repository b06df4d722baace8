"""Many runs at once: an experiment in a file, its jobs in folders, Ray to run them, one table at the end."""
