"""This machine and its user: folders, files, streams, signals, devices. Imports errors and values alone."""
