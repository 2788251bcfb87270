"""What the endpoint runs: the hooks, a server for them, the export to ONNX, and the training."""

import sys
from pathlib import Path

HOOKS = Path(__file__).parent / "hooks"

# The hooks import one another flat. Last, so that `inference` goes on being this package, not the hook of that name.
sys.path.append(str(HOOKS))
