"""What the handlers of all tabs share."""

from __future__ import annotations

from typing import Any, TypeAlias

from facehub.demo.settings import COMPUTED

Updates: TypeAlias = dict[Any, Any]  # new values by component

# Arguments of every event. Gradio would lay "Error" and its progress over everything that a handler
# changes. Handlers say what is wrong in one place themselves, and what is under way too.
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
COMPUTING: dict[str, Any] = {**PRIVATE, "concurrency_id": COMPUTED}  # of those that search faces
