"""report.html from results.json."""
import json
from typing import Any


def page(results: dict[str, Any]) -> str:
    """One HTML page."""
    return f"<pre>{json.dumps(results, indent=1)}</pre>"
