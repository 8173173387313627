"""The many ways to call elementwise ops, reductions, scans and sorts: values, dtypes, shapes and error types are
PyTorch's.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tapegrad

torch = pytest.importorskip("torch")

# x, y float32; d float64; h float16; i int64; u uint8; b bool, all (3, 4); s a 0-d float32 tensor; `lib` is either
# library.
CALLS = [
    call.strip()
    for call in """
    x.sum(()) ; x.sum(dim=()) ; x.sum([]) ; x.sum((),True) ; x.mean(()) ; x.mean([0]) ; x.amax(()) ; x.amax() ; x.var(()) ; x.std((0,1)) ;
    x.any((0,)) ; x.logsumexp((0,1)) ; lib.count_nonzero(x,()) ; x.norm(dim=()) ; x.norm(2,(0,1)) ; x.norm(p=1,dim=0,keepdim=True) ; x.norm('fro') ;
    x.norm('fro',(0,1)) ; x.sum(axis=0,keepdims=True) ; x.max(axis=1) ; x.max(axis=1,keepdims=True) ; lib.sum(input=x,dim=1) ;
    lib.max(input=x,dim=1) ; lib.max(x,other=y) ; lib.maximum(input=x,other=y) ; x.sum(dtype=lib.float64) ; i.mean(dtype=lib.float64) ;
    i.sum(dtype=lib.float32) ; i.cumsum(0,dtype=lib.float32) ; i.prod(dtype=lib.float32) ; x.sum(dtype=lib.int64) ; u.sum() ; u.prod() ;
    u.cumsum(0) ; b.sum() ; b.sum(0) ; u.all() ; u.any(0) ; b.all(0) ; i.sum((0,),True) ; i.max() ; i.max(0) ; i.min(1) ; i.argmax() ;
    i.argmax(1,True) ; u.max() ; b.max(0) ; b.max() ; b.amax(0) ; i.median() ; i.median(0) ; i.sort(0) ; i.sort(descending=True) ; u.sort() ;
    b.sort() ; i.mode() ; u.argsort() ; i.unique() ; b.unique() ; lib.unique(i,dim=0) ; i.clamp(1,2) ; i.clamp(1.5,2) ; i.clamp(min=y.abs()) ;
    i.clamp(min=lib.tensor(1)) ; i/2 ; i//2 ; i%3 ; i**2 ; i**2.0 ; i**.5 ; 2**i ; 2.5**i ; -i ; abs(i) ; i.abs() ; i.neg() ; i.exp() ; i.sqrt() ;
    i.sigmoid() ; b.exp() ; i.sin() ; i.sign() ; b.sign() ; u.sign() ; i.floor() ; i.round() ; i.trunc() ; i.ceil() ; i.reciprocal() ; i.square() ;
    i.rsqrt() ; i&3 ; i ; 3 ; i^3 ; ~i ; ~b ; b&b ; b ; b^b ; i<<1 ; i>>1 ; 1<<i ; i.logical_not() ; i.logical_and(b) ; lib.logical_or(x,b) ;
    x.isnan() ; i.isfinite() ; i.eq(2) ; i==2.0 ; i>1.5 ; x==y ; lib.equal(x,x) ; lib.allclose(x,x) ; lib.isclose(x,y) ;
    lib.isin(i,lib.tensor([1,2])) ; lib.isin(i,2) ; lib.isin(2,i) ; lib.where(b,x,y) ; lib.where(b,x,0.) ; lib.where(b,1,0) ; lib.where(b,1.,0.) ;
    lib.where(b,i,1.5) ; lib.where(b,x,i) ; lib.where(b,d,x) ; lib.where(b,x,lib.tensor(1.,dtype=lib.float64)) ; x.where(b,y) ; x.where(b,0.) ;
    x.masked_fill(b,1) ; i.masked_fill(b,2) ; x.masked_fill(b,lib.tensor(2.)) ; lib.add(x,y,alpha=2) ; lib.sub(x,y,alpha=.5) ; x.add(1,alpha=2) ;
    lib.rsub(x,1) ; lib.div(i,2,rounding_mode='floor') ; lib.div(i,3,rounding_mode='trunc') ; lib.div(x,.3,rounding_mode='floor') ; x.remainder(.7) ;
    x.fmod(.7) ; lib.fmod(x,y) ; lib.true_divide(i,i+1) ; lib.floor_divide(x,.7) ; x.lerp(y,.3) ; x.addcmul(x,y,value=.5) ; x.addcdiv(x,y) ;
    lib.hypot(x,y) ; lib.atan2(x,y) ; lib.heaviside(x,y) ; lib.xlogy(x,2.) ; lib.xlogy(2.,x.abs()) ; lib.logaddexp(x,y) ; lib.nan_to_num(x) ;
    x.round(decimals=2) ; lib.cummax(x,0) ; x.cummin(1) ; x.cumprod(0) ; x.logcumsumexp(1) ; lib.diff(x) ; lib.diff(x,dim=0,n=2) ; lib.diff(b) ;
    lib.quantile(x,.3) ; lib.quantile(x,lib.tensor([.1,.5]),dim=1) ; x.quantile(.5,dim=0,keepdim=True) ; lib.std_mean(x,1) ;
    lib.var_mean(x,dim=0,keepdim=True,correction=0) ; x.var(unbiased=False) ; x.std(1,False) ; x.std(1,unbiased=False,keepdim=True) ; x.var(False) ;
    lib.aminmax(x,dim=0) ; lib.histc(x,5) ; lib.bincount(i[0]) ; lib.searchsorted(lib.tensor([.1,.5]),x) ; lib.bucketize(x,lib.tensor([.1,.5])) ;
    lib.dist(x,y) ; x.softmax(0) ; lib.softmax(i,0,dtype=lib.float32) ; x.softmax(1,dtype=lib.float64) ; x.log_softmax(-1) ;
    lib.polygamma(1,x.abs()) ; lib.complex(x,y) ; lib.polar(x,y) ; x.conj() ; lib.real(x) ; x.real ; lib.angle(x) ; x.signbit() ; x.sgn() ;
    lib.ldexp(x,i) ; lib.frexp(x) ; lib.copysign(x,-1.) ; lib.float_power(x,2) ; x.float_power(2) ; lib.gcd(i,i+2) ; lib.lcm(i+1,i+2) ;
    lib.clip(x,0,1) ; x.clip(max=.2) ; x.clamp_min(.1) ; x.clamp(y,y+1) ; d+x ; x+i ; i+b ; u+i ; h+x ; h*2.5 ; h+1 ; s+x ; x+s ; i+sf ; d*2 ;
    x*True ; i*True ; b*2 ; b+b ; b*b ; b/b ; u-1 ; u+300 ; 5-u ; x+1j ; lib.tensor(2)*x ; x*lib.tensor(2.,dtype=lib.float64) ; x.nansum(0) ;
    x.nanmean() ; x.nanmedian(0) ; x.msort() ; lib.threshold(x,.1,5.) ; lib.hardshrink(x) ; lib.selu(x) ; lib.celu(x,.5) ;
    lib.prelu(x,lib.tensor([.1])) ; lib.relu(i) ; x.prelu(lib.tensor([.1])) ; x.trunc() ; x.fix() ; x.positive() ; x.square() ; x.expm1() ;
    x.log1p() ; x.erfinv() ; x.logit(eps=.1) ; lib.sigmoid(b) ; x.argsort(0,True) ; x.argsort(descending=True) ; x.sort(stable=True) ;
    lib.sort(x,stable=True,dim=0) ; x.max(0,True) ; x.isposinf() ; x.count_nonzero(1) ; i.count_nonzero() ; x.amin((0,1),True) ;
    x.unique_consecutive() ; lib.unique_consecutive(i,return_counts=True,dim=0) ; x.std(dim=1,correction=2) ; i.float().mean(1) ; x.sum(-3) ;
    x.max(2) ; x.cumsum(2) ; x.softmax(2) ; x.sum((0,0)) ; i.mean() ; i.std() ; b.mean() ; x.argmax(2) ; x&x ; i&x ; ~x ; x<<x ; b-b ; -b ; +b ;
    x.clamp() ; lib.div(x,y,rounding_mode='a') ; x.topk(9) ; x.kthvalue(9) ; x.masked_fill(i,1) ; lib.where(i,x,y) ; x.quantile(2.) ;
    lib.lerp(x,d,.5) ; b.argmax() ; x+'a' ; i**-1 ; lib.nextafter(x,d) ; i//0 ; i%0 ; x//0 ; lib.real(i) ; lib.imag(x) ; lib.view_as_real(x) ;
    lib.view_as_complex(x) ; i.norm() ; x.softmax(0).sum(0) ; lib.mvlgamma(x.abs()+3,2) ; lib.pow(2,x) ; lib.pow(x,i) ; lib.pow(i,i) ; pow(x,2) ;
    x.pow(-1) ; x.pow(.5) ; lib.max(x,1) ; lib.max(x,1,True) ; lib.min(x,y) ; x.min() ; x.max(dim=-1)[1] ; lib.cumsum(x,dim=-1) ; x.median(-1,True)
""".replace("\n", ";").split(";")
    if call.strip()
]


def operands(lib: Any) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((3, 4)).astype(np.float32), rng.random((3, 4)).astype(np.float32) + 0.2
    i, b = rng.integers(0, 4, (3, 4)), rng.random((3, 4)) > 0.5
    arrays = {
        "x": x,
        "y": y,
        "i": i,
        "b": b,
        "u": i.astype(np.uint8),
        "d": x.astype(np.float64),
        "h": x.astype(np.float16),
    }
    made = {name: lib.from_numpy(array.copy()) for name, array in arrays.items()}
    return {"lib": lib, **made, "s": lib.tensor(2.5), "sf": lib.tensor(1.5)}


def outcome(lib: Any, call: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return flat(eval(call, operands(lib)))
        except Exception as error:  # whatever torch raises is what we are to raise
            return error


def flat(result: Any) -> list[Any]:
    return [part for item in result for part in flat(item)] if isinstance(result, (tuple, list)) else [result]


def described(value: Any) -> tuple[str, tuple[int, ...], np.ndarray] | str:
    if not hasattr(value, "dtype"):
        return str(value)
    value = value.resolve_conj() if isinstance(value, torch.Tensor) else value
    return str(value.dtype), tuple(value.shape), np.array(value.tolist(), np.complex128)


def difference(call: str) -> str | None:
    """How the outcomes differ, or None."""
    right, mine = outcome(torch, call), outcome(tapegrad, call)
    if isinstance(right, Exception) or isinstance(mine, Exception):
        if isinstance(mine, Exception) and isinstance(right, Exception) and isinstance(mine, type(right)):
            return None
        return f"{mine!r}, torch: {right!r}"
    for a, b in zip(mine, right, strict=True):
        (one, other) = described(a), described(b)
        if isinstance(one, str) or isinstance(other, str):
            if one != other:
                return f"{one}, torch: {other}"
        elif one[:2] != other[:2] or not np.allclose(
            one[2], other[2], rtol=2e-3 if "16" in one[0] else 1e-5, atol=1e-5, equal_nan=True
        ):
            return f"{a}, torch: {b}"
    return None


def test_calls() -> None:
    assert len(CALLS) > 250
    wrong = {call: found for call in CALLS if (found := difference(call)) is not None}
    assert not wrong, "\n".join(f"{call}: {found}" for call, found in wrong.items())


def test_differences_are_found() -> None:
    """A value, a dtype, an error that differ are told."""
    assert difference("x + (0 if lib.__name__ == 'torch' else 1)") is not None
    assert difference("x.to(lib.float64) if lib.__name__ == 'torch' else x") is not None
    assert difference("x.sum(9) if lib.__name__ == 'torch' else x.sum(0)") is not None
