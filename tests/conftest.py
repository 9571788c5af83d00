import os
from pathlib import Path

TESTS = Path(__file__).parent
# launched instances import the toy models too
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")])
)
