"""Derivatives against finite differences."""

from tapegrad.autograd.gradcheck.check import GradcheckError, gradcheck, gradgradcheck

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
