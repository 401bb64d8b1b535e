"""What asv follows from commit to commit: time, peak memory and accuracy of the jobs.

asv imports this folder by itself, so the package around it has to be put on the path.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
