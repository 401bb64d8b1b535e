"""What gradstep is measured with: data, solvers and measures apart. README.md says how to run what."""
