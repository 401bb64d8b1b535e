"""What is to be trained, as arrays and plain numbers: all that a backend needs to know."""
