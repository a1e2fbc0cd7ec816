"""The import contract: which folder may import which, what `import deltarule` loads, what no file names."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "src" / "deltarule"

# Each imports only from itself and from those before it.
LAYERS = [
    "errors",
    "kernels",
    "autodiff",
    "operations",
    "compiler",
    "nn",
    "optim",
    "data",
    "training",
    "explain",
    "report",
    "interop",
    "distributed",
    "cli",
]
# Narrower than the order says: data gives arrays and knows nothing of networks.
ONLY = {"data": {"errors", "data"}}

# What a function may import for itself: what is slow to load, and what may be absent.
LATE_IMPORTS = {
    "deltarule.kernels",  # loads llvmlite
    "llvmlite",
    "safetensors",
    "click",
    "rich",
    "scipy",
    "sklearn",
    "torch",
    "jax",
    "onnx",
    "onnxruntime",
    "matplotlib",
    "pandas",
    "polars",
    "pyarrow",
    "PIL",
    "IPython",
    "transformers",
    "tensorboard",
    "pydoc_data",  # half a megabyte of text
}
# What `import deltarule` must leave for its first use.
LOADED_WHEN_NEEDED = LATE_IMPORTS - {"deltarule.kernels"}


def layer_of(path: Path, package: Path = PACKAGE) -> str:
    """The folder or module of the package that a file belongs to; empty for the package's own __init__."""
    first = path.relative_to(package).parts[0].removesuffix(".py")
    return {"__init__": "", "__main__": "cli"}.get(first, first)


def imports_of(source: str, path: Path, package: Path = PACKAGE) -> list[tuple[str, int, bool]]:
    """(absolute module name, line, whether inside a function) of each import of a file."""
    found = []
    parents = ["deltarule", *path.relative_to(package).parent.parts]

    def visit(node: ast.AST, in_function: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno, in_function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from deltarule import nn` imports the folder nn, so that each name is looked at.
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "deltarule" else [module]
            found.extend((name, node.lineno, in_function) for name in names)
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, in_function or function)

    visit(ast.parse(source), False)
    return found


def direction_faults(source: str, path: Path, package: Path = PACKAGE) -> list[str]:
    """What the import directions forbid in one file."""
    layer = layer_of(path, package)
    if not layer:
        return []
    if layer not in LAYERS:
        return [f"{path}: {layer} is not in LAYERS: expected one of {LAYERS}. Add it where it belongs."]
    allowed = ONLY.get(layer, set(LAYERS[: LAYERS.index(layer) + 1]))
    faults = []
    for name, line, _ in imports_of(source, path, package):
        if name.split(".")[0] != "deltarule":
            continue
        imported = name.split(".")[1] if "." in name else "the whole package"
        if imported not in allowed:
            faults.append(f"{path}:{line}: {layer} may not import {imported} ({name})")
    return faults


def late_import_faults(source: str, path: Path, package: Path = PACKAGE) -> list[str]:
    """Imports inside functions that have no reason to be there."""
    if layer_of(path, package) in ("", "cli"):
        return []
    return [
        f"{path}:{line}: {name} is imported inside a function; expected at the top, or in LATE_IMPORTS"
        for name, line, in_function in imports_of(source, path, package)
        if in_function and not any(name == late or name.startswith(late + ".") for late in LATE_IMPORTS)
    ]


def package_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def test_folders_import_only_from_those_before_them():
    files = package_files()
    assert files
    faults = [fault for path in files for fault in direction_faults(path.read_text("utf-8"), path)]
    assert not faults, "\n".join(faults)


def test_imports_stand_at_the_top_of_the_file():
    faults = [
        fault for path in package_files() for fault in late_import_faults(path.read_text("utf-8"), path)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("autodiff/tensor.py", "from deltarule.operations import exp", "autodiff may not import operations"),
        ("autodiff/tensor.py", "from deltarule import nn", "autodiff may not import nn"),
        ("autodiff/tensor.py", "from ..nn.linear import Linear", "autodiff may not import nn"),
        ("autodiff/tensor.py", "from .. import optim", "autodiff may not import optim"),
        ("nn/rnn/cell.py", "from ...training import fit", "nn may not import training"),
        ("optim/sgd.py", "def f():\n    import deltarule.cli.main", "optim may not import cli"),
        ("data/csv_file.py", "from deltarule.autodiff import Tensor", "data may not import autodiff"),
        ("nn/linear.py", "import deltarule", "nn may not import the whole package"),
        ("utils.py", "", "utils is not in LAYERS"),
        ("nn/linear.py", "from deltarule.autodiff import Tensor\nfrom .module import Module\nimport os", ""),
        ("nn/linear.py", "from .. import errors, operations", ""),
        ("__init__.py", "from deltarule.cli import main", ""),
    ],
)
def test_the_direction_check_itself(file, source, expected):
    faults = direction_faults(source, PACKAGE / file)
    assert len(faults) == (1 if expected else 0)
    assert expected in "".join(faults)


@pytest.mark.parametrize(
    ("file", "source", "faulty"),
    [
        ("nn/linear.py", "def f():\n    import json", True),
        ("nn/linear.py", "class A:\n    def f(self):\n        from deltarule.operations import exp", True),
        ("nn/linear.py", "def f():\n    import llvmlites", True),
        ("nn/linear.py", "import json", False),
        ("nn/linear.py", "if True:\n    import json", False),
        ("kernels/product.py", "def f():\n    from llvmlite import binding", False),
        ("operations/linear.py", "def f():\n    from deltarule.kernels.product import product", False),
        ("operations/linear.py", "def f():\n    from deltarule import kernels", False),
        ("cli/main.py", "def f():\n    import json", False),
    ],
)
def test_the_late_import_check_itself(file, source, faulty):
    assert bool(late_import_faults(source, PACKAGE / file)) == faulty


def import_measured() -> dict:
    """What `import deltarule` loads beyond NumPy and how long it takes, in a fresh interpreter."""
    program = (
        "import json, sys, time, numpy\n"
        "before = set(sys.modules)\n"
        "start = time.perf_counter()\n"
        "import deltarule\n"
        "seconds = time.perf_counter() - start\n"
        "print(json.dumps({'seconds': seconds, 'modules': sorted(set(sys.modules) - before)}))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{program}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_import_is_light(record_testsuite_property):
    measures = [import_measured() for _ in range(3)]
    modules = measures[0]["modules"]
    loaded = sorted(
        {name for name in modules for late in LOADED_WHEN_NEEDED if f"{name}.".startswith(f"{late}.")}
    )
    assert not loaded, f"import deltarule loads {loaded}; import them where they are first needed"
    seconds = min(measure["seconds"] for measure in measures)
    record_testsuite_property("seconds_beyond_numpy", seconds)
    # The aim is 0.1 s. The bound is generous, as the first import compiles and a machine may be busy; what
    # holds the aim is that nothing heavy is loaded.
    assert seconds < 1.0, (
        f"import deltarule took {seconds:.3f} s more than NumPy, with {len(modules)} modules"
    )


# Addresses of package indexes, and places that exist on one machine only. Written in pieces, so that this
# file does not name them either.
FORBIDDEN = re.compile(
    "|".join(
        [
            r"pypi\." + "org",
            "pythonhosted" + r"\.org",
            "download" + r"\.pytorch\.org",
            "index" + "-url",
            r"(?<![\w.])/(?:work|root|home)" + r"/\w",
            r"\.\./shared" + "/",
            "/tmp/" + "(?:venv|briefs)",
        ]
    )
)


def project_files() -> list[Path]:
    """The files that are tracked or about to be."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=CHECKOUT,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("git is not installed, so the project's files cannot be told from others")
    if listed.returncode != 0:
        pytest.skip("this is no git checkout, so the project's files cannot be told from others")
    paths = [CHECKOUT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_file_names_an_index_or_a_place_on_one_machine():
    found = []
    for path in project_files():
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found.extend(
            f"{path.relative_to(CHECKOUT)}:{number}: {match.group()}"
            for number, line in enumerate(lines, 1)
            if (match := FORBIDDEN.search(line))
        )
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    ["https://" + "pypi" + ".org/simple", "open('/" + "home/me/data.csv')", "--extra-index" + "-url x"],
)
def test_the_address_check_itself(line):
    assert FORBIDDEN.search(line)


def test_constraints_are_names_and_versions_only():
    for line in (CHECKOUT / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9-]+==[0-9]+(\.(post)?[0-9]+)*", line), line


def test_lock_files_with_addresses_are_ignored():
    assert "/uv.lock" in (CHECKOUT / ".gitignore").read_text("utf-8").splitlines()
