"""RFC 6962: reference roots, proofs, and everything that must be rejected."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah.audit import tree

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [tree.leaf_hash(leaf) for leaf in LEAVES]
VECTORS = Path(__file__).parents[2] / "vectors"


def hashes(count: int) -> list[bytes]:
    """Leaf hashes of some tree."""
    return [tree.leaf_hash(str(i).encode()) for i in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_the_reference_leaves_have_the_reference_roots(size: int) -> None:
    """Root and incremental frontier agree with the published values for sizes 0 to 8."""
    frontier = tree.Frontier.empty()
    for leaf in HASHES[:size]:
        frontier.append(leaf)
    assert tree.root(HASHES[:size]).hex() == ROOTS[size]
    assert frontier.root().hex() == ROOTS[size]


@given(st.integers(0, 200))
def test_a_frontier_survives_its_encoding_and_agrees_with_the_definition(size: int) -> None:
    """Stopped and continued anywhere, the incremental tree has the root of section 2.1."""
    frontier = tree.Frontier.empty()
    for leaf in hashes(size):
        frontier.append(leaf)
        frontier = tree.Frontier.decode(frontier.size, frontier.encode())
    assert frontier.root() == tree.root(hashes(size))
    with pytest.raises(ValueError, match="length"):
        tree.Frontier.decode(size, frontier.encode() + b"x")


@given(st.data())
def test_every_inclusion_proof_verifies_for_its_own_leaf_only(data: st.DataObject) -> None:
    """A proof shows one leaf at one position of one tree."""
    size = data.draw(st.integers(1, 70))
    position, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    leaves = hashes(size)
    proof, root = tree.inclusion_proof(leaves, position), tree.root(leaves)
    assert tree.verify_inclusion(leaves[position], position, size, proof, root)
    assert tree.verify_inclusion(leaves[position], other, size, proof, root) == (other == position)
    assert not tree.verify_inclusion(leaves[position], position, size, [*proof, root], root)
    assert not tree.verify_inclusion(leaves[position], position, size, [b"", *proof], root)


@given(st.data())
def test_every_consistency_proof_verifies_and_no_bent_one_does(data: st.DataObject) -> None:
    """A proof shows that one tree is a prefix of another; with any hash changed it does not."""
    second = data.draw(st.integers(1, 70))
    first = data.draw(st.integers(1, second))
    leaves = hashes(second)
    proof, roots = tree.consistency_proof(leaves, first), (tree.root(leaves[:first]), tree.root(leaves))
    assert tree.verify_consistency(first, second, proof, *roots)
    assert not tree.verify_consistency(first, second, [*proof, roots[0]], *roots)
    for i in range(len(proof)):
        assert not tree.verify_consistency(first, second, [*proof[:i], b"\0" * 32, *proof[i + 1 :]], *roots)


@pytest.mark.parametrize("position", [-1, 0, 5])
def test_a_proof_outside_the_tree_is_an_error(position: int) -> None:
    """There is no proof for what is not there."""
    leaves = hashes(0 if position == 0 else 5)
    with pytest.raises(IndexError):
        tree.inclusion_proof(leaves, position)
    with pytest.raises(IndexError):
        tree.consistency_proof(leaves, position or 0) if position != 5 else tree.consistency_proof(leaves, 6)


def _cases(name: str) -> list[Any]:
    cases = json.loads((VECTORS / name).read_text("utf-8"))
    return [pytest.param(case, id=key) for key, case in cases.items()]


def _hash(text: str | None) -> bytes:
    return base64.b64decode(text or "")


@pytest.mark.parametrize("case", _cases("merkle-inclusion.json"))
def test_published_inclusion_vectors(case: dict[str, Any]) -> None:
    """transparency-dev/merkle: what must verify verifies, what must be rejected is."""
    proof = [_hash(item) for item in case["proof"] or []]
    verified = tree.verify_inclusion(
        _hash(case["leafHash"]), case["leafIdx"], case["treeSize"], proof, _hash(case["root"])
    )
    assert verified is not case["wantErr"]


@pytest.mark.parametrize("case", _cases("merkle-consistency.json"))
def test_published_consistency_vectors(case: dict[str, Any]) -> None:
    """transparency-dev/merkle: what must verify verifies, what must be rejected is."""
    proof = [_hash(item) for item in case["proof"] or []]
    verified = tree.verify_consistency(case["size1"], case["size2"], proof, _hash(case["root1"]), _hash(case["root2"]))
    assert verified is not case["wantErr"]


@pytest.mark.parametrize(
    ("first", "second", "proof", "roots", "verified"),
    [
        (0, 0, [], (ROOTS[0], ROOTS[0]), True),
        (0, 0, [ROOTS[1]], (ROOTS[0], ROOTS[0]), False),
        (0, 0, [], (ROOTS[0], ROOTS[1]), False),
        (0, 5, [], (ROOTS[0], ROOTS[5]), True),
        (0, 5, [ROOTS[1]], (ROOTS[0], ROOTS[5]), False),
        (0, 5, [], (ROOTS[1], ROOTS[5]), False),
        (5, 5, [], (ROOTS[5], ROOTS[5]), True),
        (5, 5, [], (ROOTS[5], ROOTS[4]), False),
        (5, 4, [], (ROOTS[5], ROOTS[4]), False),
        (4, 5, [], (ROOTS[4], ROOTS[5]), False),
        (3, 5, [], (ROOTS[3], ROOTS[5]), False),
        (-1, 5, [], (ROOTS[0], ROOTS[5]), False),
        (1, 2, ["00"], (ROOTS[1], ROOTS[2]), False),
    ],
)
def test_consistency_at_the_edges(
    first: int,
    second: int,
    proof: list[str],
    roots: tuple[str, str],
    verified: bool,
) -> None:
    """Empty trees, equal sizes, sizes the wrong way round, missing and short hashes."""
    given_proof = [bytes.fromhex(item) for item in proof]
    first_root, second_root = (bytes.fromhex(item) for item in roots)
    assert tree.verify_consistency(first, second, given_proof, first_root, second_root) is verified
