"""Sweeps: many jobs of one command line, in one folder, with one warm engine.

axes.py splits the command line, plan.py composes and checks every job before the first runs and orders them,
runner.py runs them here, launch.py through a Hydra launcher, folder.py is the state on disk that resume and sheet read.
"""
