"""Every snippet of the guide to PyTorch's autograd that the project started from, run with tapegrad in torch's place.

The text of a snippet is the guide's own; `setup` holds the smallest addition it needs to run, and the comment beside it
says why.
"""

from __future__ import annotations

import contextlib
import io
import re

import pytest

import tapegrad
from tapegrad.testing import counting

TRACK = """
import torch

# Create tensor with gradient tracking
x = torch.tensor([2.0, 3.0], requires_grad=True)
"""

OPERATE = """
y = x ** 2 + 3 * x  # y = x² + 3x
z = y.sum()         # Reduce to scalar for backward()
"""

COMPUTE = """
z.backward()  # Compute dz/dx
"""

ACCESS = """
print(x.grad)  # tensor([7., 9.])
"""

LEAVES = """
x = torch.tensor([1.0], requires_grad=True)
y = x * 2

print(x.is_leaf)    # True
print(y.is_leaf)    # False
print(y.grad_fn)    # <MulBackward0 object>
"""

NOT_SCALAR = """
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x ** 2  # Shape: [2]
"""

REDUCE = """
y.sum().backward()
"""

GIVE_GRADIENT = """
y.backward(torch.ones_like(y))
"""

ACCUMULATE = """
x = torch.tensor([1.0], requires_grad=True)

# First backward
y1 = x * 2
y1.backward()
print(x.grad)  # tensor([2.])

# Second backward - gradients ADD to existing!
y2 = x * 3
y2.backward()
print(x.grad)  # tensor([5.])  # 2 + 3 = 5

# Always zero gradients in training loops!
x.grad.zero_()
"""

BACKWARD_ONCE = """
x = torch.tensor([1.0], requires_grad=True)
y = x ** 2
y.backward()
"""

RETAIN = """
# Solution: retain_graph=True
y = x ** 2
y.backward(retain_graph=True)
y.backward()  # Now works
"""

NO_GRAD = """
model.eval()  # Set model to evaluation mode

with torch.no_grad():
    predictions = model(test_data)
    # No computation graph built
    # No gradients computed
    # Faster and uses less memory
"""

DETACH = """
x = torch.tensor([1.0], requires_grad=True)
y = x ** 2

# Detach y from graph
y_detached = y.detach()

print(y.requires_grad)          # True
print(y_detached.requires_grad) # False
"""

SWITCH_OFF = """
x = torch.tensor([1.0], requires_grad=True)
x.requires_grad_(False)
print(x.requires_grad)  # False
"""

TRAIN = """
import torch
import torch.nn as nn

# Model and data
model = nn.Linear(10, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
criterion = nn.MSELoss()

inputs = torch.randn(32, 10)
targets = torch.randn(32, 1)

# Training loop
for epoch in range(100):
    # Forward pass
    predictions = model(inputs)
    loss = criterion(predictions, targets)
    
    # Backward pass
    optimizer.zero_grad()  # Clear previous gradients (IMPORTANT!)
    loss.backward()        # Compute gradients
    optimizer.step()       # Update weights
    
    if epoch % 10 == 0:
        print(f"Epoch {epoch}, Loss: {loss.item():.4f}")
"""  # noqa: W293

CHECK = """
x = torch.tensor([2.0], requires_grad=True)
y = x ** 3  # y = x³, dy/dx = 3x² = 12 at x=2

y.backward()
print(f"Autograd gradient: {x.grad.item()}")  # 12.0

# Numerical gradient (finite differences)
eps = 1e-5
numerical_grad = ((2.0 + eps)**3 - (2.0 - eps)**3) / (2 * eps)
print(f"Numerical gradient: {numerical_grad:.4f}")  # ~12.0
"""


@pytest.fixture
def run(device):
    """Runs guide text on the device; all pieces of one test share their names. Returns what was printed, without the
    device's name in it.
    """
    space = {"torch": tapegrad}
    before = tapegrad.get_default_device()
    tapegrad.set_default_device(device)

    def run(*pieces: str) -> list[str]:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            for piece in pieces:
                exec(
                    piece.replace("import torch.nn as nn", "from tapegrad import nn").replace(
                        "import torch\n", "import tapegrad as torch\n"
                    ),
                    space,
                )
        return re.sub(r", device='\w+(:\d)?'", "", printed.getvalue()).splitlines()

    run.space = space
    with counting() as transfers:
        yield run
    tapegrad.set_default_device(before)
    # On the strict device: nothing goes to or from the host but what the text itself asks for (tensors from lists,
    # print, item).
    assert not transfers, transfers.causes


def test_enable_gradient_tracking(run):
    run(TRACK)
    assert run.space["x"].requires_grad


def test_perform_operations(run):
    run(TRACK, OPERATE)  # set-up: the step before
    assert run.space["z"].item() == 2**2 + 3 * 2 + 3**2 + 3 * 3


def test_compute_gradients(run):
    run(TRACK, OPERATE, COMPUTE)  # set-up: the steps before
    assert run.space["x"].grad is not None


def test_access_gradients(run):
    assert run(TRACK, OPERATE, COMPUTE, ACCESS) == ["tensor([7., 9.])"]  # set-up: the steps before


def test_the_graph_looks_as_drawn(run):
    run(TRACK, OPERATE)
    total = run.space["z"].grad_fn
    ((plus, _),) = total.next_functions
    (power, _), (times, _) = plus.next_functions
    assert [n.name() for n in (total, plus, power, times)] == [
        "SumBackward0",
        "AddBackward0",
        "PowBackward0",
        "MulBackward0",
    ]
    assert power.next_functions[0][0].variable is run.space["x"]
    assert power.next_functions[0][0] is times.next_functions[0][0]


def test_key_terms(run):
    printed = run(LEAVES)
    assert printed[:2] == ["True", "False"]
    # the guide leaves out that an address is printed too
    assert re.fullmatch(r"<MulBackward0 object at 0x[0-9a-f]+>", printed[2])


def test_only_scalars_error(run):
    run(NOT_SCALAR)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        run("y.backward()")


def test_only_scalars_solution_1(run):
    run(NOT_SCALAR, REDUCE)
    assert run.space["x"].grad.tolist() == [2.0, 4.0]


def test_only_scalars_solution_2(run):
    # on a graph of its own: the first solution frees the graph that the guide's two share
    run(NOT_SCALAR, GIVE_GRADIENT)
    assert run.space["x"].grad.tolist() == [2.0, 4.0]


def test_only_scalars_both_solutions_on_one_graph(run):
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        run(NOT_SCALAR, REDUCE, GIVE_GRADIENT)


def test_gradients_accumulate(run):
    assert run(ACCUMULATE) == ["tensor([2.])", "tensor([5.])"]
    assert run.space["x"].grad.tolist() == [0.0]


def test_graph_is_destroyed(run):
    run(BACKWARD_ONCE)
    with pytest.raises(RuntimeError, match=r"backward through the graph a second time.*Specify retain_graph=True"):
        run("y.backward()")


def test_graph_is_retained(run):
    run("x = torch.tensor([1.0], requires_grad=True)", RETAIN)  # set-up: x
    assert run.space["x"].grad.tolist() == [4.0]


def test_no_grad(run):
    # set-up: the guide leaves model and data to the reader
    run("model = torch.nn.Linear(3, 2)\ntest_data = torch.ones(4, 3)", NO_GRAD)
    predictions = run.space["predictions"]
    assert not run.space["model"].training
    assert predictions.shape == (4, 2)
    assert not predictions.requires_grad
    assert predictions.grad_fn is None


def test_detach(run):
    assert run(DETACH) == ["True", "False"]


def test_requires_grad_false(run):
    assert run(SWITCH_OFF) == ["False"]


def test_training_loop(run):
    printed = run("torch.manual_seed(0)", TRAIN)  # set-up: a seed, so that the test sees the same data each time
    losses = []
    for line, epoch in zip(printed, range(0, 100, 10), strict=True):
        losses.append(float(re.fullmatch(rf"Epoch {epoch}, Loss: (\d+\.\d{{4}})", line)[1]))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_gradient_checking(run):
    assert run(CHECK) == ["Autograd gradient: 12.0", "Numerical gradient: 12.0000"]


# ---- Common pitfalls


def test_pitfall_grad_is_none(run):
    run("x = torch.tensor([1.0])\nw = torch.tensor([1.0], requires_grad=True)\n(x * w).backward()")
    assert run.space["x"].grad is None
    run("x = torch.tensor([1.0], requires_grad=True)\n(x * w).backward()")
    assert run.space["x"].grad is not None


def test_pitfall_gradients_accumulating(run):
    run(
        "x = torch.nn.Parameter(torch.ones(1))\noptimizer = torch.optim.SGD([x], lr=0.1)\n(x * 2).backward()\n(x * "
        "2).backward()"
    )
    assert run.space["x"].grad.tolist() == [4.0]
    run("optimizer.zero_grad()\n(x * 2).backward()")
    assert run.space["x"].grad.tolist() == [2.0]


def test_pitfall_element_0_does_not_require_grad(run):
    # The guide names another cause: this error says that nothing the result was made from requires grad.
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"):
        run("torch.tensor([1.0]).sum().backward()")


def test_pitfall_leaf_modified_in_place(run):
    # What the guide means: its cause has an error of its own, at the write.
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        run("x = torch.ones(1, requires_grad=True)\nx.add_(1)")


def test_pitfall_out_of_memory(run):
    run("x = torch.ones(1, requires_grad=True)\nwith torch.no_grad():\n    y = x.exp()")
    assert run.space["y"].grad_fn is None


# ---- Key functions


def test_retain_grad(run):
    run("x = torch.ones(1, requires_grad=True)\ny = x * 2\ny.retain_grad()\n(y * 3).backward()")
    assert run.space["y"].grad.tolist() == [3.0]
