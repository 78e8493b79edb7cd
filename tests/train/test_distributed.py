"""Groups of several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_agree_compares_the_numbers_of_all_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import pathlib\n"
        "from train.distributed import processes\n"
        "with processes() as group:\n"
        "    found = f'{group.agree(3, 5)} {group.agree(3, group.rank)}'\n"
        f"    pathlib.Path({str(tmp_path)!r}, str(group.rank)).write_text(found)\n"
    )
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    root = str(Path(__file__).parents[2])
    subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": root},
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert [(tmp_path / rank).read_text() for rank in "01"] == 2 * ["True False"]
