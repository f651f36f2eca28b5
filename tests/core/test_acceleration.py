"""Which path moves the data, and that people are told."""

import os
import subprocess
import sys

from streamframe.core import acceleration


def test_the_description_says_which_path_it_is():
    path = "pure Python" if acceleration.native is None else "native"
    assert acceleration.description.startswith(path)


def test_the_native_path_can_be_switched_off():
    code = "from streamframe.core.acceleration import native, description; print(native, description)"
    environment = {**os.environ, "STREAMFRAME_NATIVE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("None pure Python")
