"""The wall: who may import whom, one library one door, thin scenarios, no global randomness, no stray
print.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for top in ("netsim", "phy", "scenarios") for path in (ROOT / top).rglob("*.py"))

# library -> the modules (path prefixes) that may import it
DOORS = {
    "simpy": (
        "netsim/engine.py",
        "netsim/network.py",
        "netsim/clocks.py",
        "netsim/traffic.py",
        "netsim/agents/timed.py",
    ),
    "h5py": ("netsim/trace.py", "netsim/link_tables.py"),
    "numba": ("phy/", "netsim/semantics/quantizer.py", "netsim/semantics/sbq", "netsim/agents/q_kernels.py"),
    "torch": ("netsim/agents/", "netsim/semantics/"),
    "commpy": (),
    "gymnasium": ("netsim/envs/",),
    "pettingzoo": ("netsim/envs/",),
    "stable_baselines3": (),
    "rich": ("netsim/commands/", "netsim/semantics/progress.py", "phy/report.py"),
    "matplotlib": ("netsim/figures/",),
    "distributed": ("netsim/studies/workers.py",),
    "pyarrow": ("netsim/studies/values.py",),
    "jinja2": ("netsim/studies/page.py",),
    "plotly": ("netsim/studies/page.py",),
    "pickle": ("netsim/semantics/formats.py",),  # a restricted unpickler for CIFAR batches
}
PRINTERS = ("netsim/cli.py", "netsim/commands/", "netsim/semantics/", "phy/__main__.py", "phy/report.py")
LEGACY_RANDOM = {
    "seed",
    "rand",
    "randn",
    "randint",
    "random",
    "normal",
    "uniform",
    "choice",
    "shuffle",
    "permutation",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(tree: ast.Module) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.lineno))
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def wall_violations(name: str, tree: ast.Module) -> list[str]:
    """Lines in which a module reaches through the wall or through somebody else's door."""
    broken = []
    for module, line in imports(tree):
        top = module.split(".")[0]
        if name.startswith("phy/") and top == "netsim":
            broken.append(f"{name}:{line}: phy imports {module}")
        if name.startswith("netsim/semantics/") and module.startswith(
            ("netsim.network", "netsim.link", "netsim.engine")
        ):
            broken.append(f"{name}:{line}: semantics knows neither time nor radio, imports {module}")
        if top in DOORS and not any(name.startswith(door) for door in DOORS[top]):
            broken.append(f"{name}:{line}: {top} has its door elsewhere")
    return broken


def random_violations(name: str, tree: ast.Module) -> list[str]:
    """Uses of the global generators of NumPy and of the standard library."""
    broken = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in LEGACY_RANDOM:
            text = ast.unparse(node.value)
            if text in ("np.random", "numpy.random", "random"):
                broken.append(f"{name}:{node.lineno}: {text}.{node.attr} is global randomness")
    return broken


def print_violations(name: str, tree: ast.Module) -> list[str]:
    """Calls of print outside the command line and reports."""
    if name.startswith(PRINTERS):
        return []
    return [
        f"{name}:{node.lineno}: print"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


@pytest.mark.parametrize("rule", [wall_violations, random_violations, print_violations])
def test_the_wall_stands(rule):
    assert [line for path in SOURCES for line in rule(name_of(path), tree_of(path))] == []


@pytest.mark.parametrize(
    ("name", "code", "rule"),
    [
        ("phy/link.py", "from netsim import engine", wall_violations),
        ("phy/link.py", "import netsim.engine as e", wall_violations),
        ("netsim/metrics.py", "import h5py", wall_violations),
        ("netsim/world.py", "def f():\n    import torch", wall_violations),
        ("netsim/semantics/bank.py", "from netsim.link import Grants", wall_violations),
        ("netsim/world.py", "import numpy as np\nx = np.random.rand(3)", random_violations),
        ("netsim/world.py", "print('x')", print_violations),
    ],
)
def test_the_wall_can_fall(name, code, rule):
    """Every rule fails on code that breaks it."""
    assert len(rule(name, ast.parse(code))) >= 1


def test_the_default_run_needs_no_torch():
    """A run of the default scenario on the embedded banks loads neither torch nor anything else that is
    optional.
    """
    code = (
        "import sys\n"
        "from netsim import params, simulate\n"
        "from netsim.systems.toscn import Toscn\n"
        "simulate.run_in_memory(params.override(Toscn(), {'slots': 1, 'semantics.data': 'embedded'}))\n"
        "print([name for name in ('torch', 'matplotlib', 'commpy', 'PIL', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.py")), ids=lambda path: path.name)
def test_scenarios_are_thin(path):
    """Values only: at most 80 lines, no functions, no classes, no loops."""
    tree = tree_of(path)
    assert len(path.read_text().splitlines()) <= 80
    forbidden = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try, ast.If, ast.Lambda)
    assert not [node for node in ast.walk(tree) if isinstance(node, forbidden)]


def test_every_public_module_says_what_it_is_for():
    undocumented = [
        name_of(path) for path in SOURCES if not ast.get_docstring(tree_of(path)) and path.read_text().strip()
    ]
    assert undocumented == []


def test_no_path_of_a_machine_and_no_registry_host():
    """The repository speaks of the project alone."""
    hosts = ("pypi.org", "files.pythonhosted", "registry.npmjs", "deb.debian")
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if path.suffix not in (".py", ".md", ".cfg", ".toml", ".yml") or any(
            p.startswith(".") for p in parts[:-1]
        ):
            continue
        if path.name == "test_architecture.py" or "build" in parts:
            continue
        text = path.read_text(encoding="utf-8")
        for word in ("/work/", "/root/", "../shared", *hosts):
            assert word not in text, f"{path}: names {word}"
