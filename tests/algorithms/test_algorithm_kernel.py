import subprocess
import sys

from synth.algorithms.kernel import kernel


def test_a_kernel_that_cannot_be_cached_is_compiled_all_the_same() -> None:
    # Numba finds no place for the cache of what has no file, as where no folder can be written.
    names: dict[str, object] = {"kernel": kernel}
    exec("@kernel\ndef twice(number):\n    return 2 * number\n", names)
    twice = names["twice"]
    assert callable(twice)
    assert twice(2) == 4


def test_reading_a_recipe_imports_no_compiler() -> None:
    code = "import sys, synth.recipe, synth.steps; print({'numba', 'datasketch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
