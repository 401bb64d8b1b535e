"""The faces of a training: scikit-learn's conventions around settings, a plan and a fitted value."""
