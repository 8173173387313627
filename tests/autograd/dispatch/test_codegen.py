"""The source that is written for an op."""

from __future__ import annotations

from textwrap import dedent

import tapegrad as tg
from tapegrad.autograd.dispatch import codegen


def test_the_source_shown_in_the_docstring_is_the_source_that_is_written():
    shown = dedent(codegen.__doc__.partition("::\n\n")[2])
    written = tg.mul.op.source()
    assert written.startswith(shown)
    assert written.removeprefix(shown).lstrip().startswith("def record(y, input, other):")


def test_an_op_without_rules_has_no_node_class():
    source = tg.gcd.op.source()
    assert "NodeClass" not in source
    assert source.endswith("    return None\n")
