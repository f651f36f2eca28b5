"""The `streamframe` command: parses arguments, calls the app, prints, and sets the exit code."""
