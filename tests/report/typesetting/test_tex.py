"""LaTeX documents: escaped, declared, and compiled where a TeX is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from deltarule.report.typesetting.tex import tex_document, tex_equations, tex_escape
from deltarule.report.words import Words
from tests.report.formulas import written_formulas

NAMES = "a_b % $ # & ~ ^ \\ { } < > | \" ' ` -- ?` \n layer¹ δ ‖x‖ ∂L/∂W⁽¹⁾ ᵀ ① café 5.0·10⁻⁵ − … ✓"


def compile_document(text: str, folder: Path, engine: str) -> str:
    """The log of a compilation, which must succeed."""
    (folder / "page.tex").write_text(text, encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = (folder / "page.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert (folder / "page.pdf").read_bytes().startswith(b"%PDF")
    return log


def engine(*needed: str) -> str:
    """An engine that is installed with the packages; else the test is skipped."""
    found = next((each for each in ("pdflatex", "xelatex") if shutil.which(each)), None)
    if "ctex.sty" in needed:
        found = "xelatex" if shutil.which("xelatex") else None
    if found is None:
        pytest.skip("no TeX is installed" if "ctex.sty" not in needed else "no xelatex is installed")
    for package in needed:
        if subprocess.run(["kpsewhich", package], capture_output=True, check=False).returncode:
            pytest.skip(f"this TeX has no {package}")
    return found


def test_text_is_escaped() -> None:
    assert tex_escape("a_b & 50% {x} \\y") == r"a\_b \& 50\% \{x\} \textbackslash{}y"
    assert tex_escape("a\nb\x00c") == "a bc"
    # Two hyphens are no dash, and <, > and | are themselves in every encoding.
    assert tex_escape("--<>|") == r"-{}-{}\textless{}\textgreater{}\textbar{}"


def test_equations_are_aligned_where_they_say_so() -> None:
    assert (
        tex_equations([r"\ref{a}{y} &= x", "z &= y"]) == "\\begin{align*}\ny &= x \\\\\nz &= y\n\\end{align*}"
    )
    assert tex_equations(["y = x"]) == "\\begin{gather*}\ny = x\n\\end{gather*}"
    assert tex_equations([]) == ""


def test_the_document_of_a_language() -> None:
    english = tex_document("A & B", "Text.", words=Words("en"))
    assert r"\title{A \& B}" in english and "ctex" not in english and r"\ref" not in english
    assert r"\usepackage[UTF8]{ctex}" in tex_document("反向传播", words=Words("zh"))
    # A Chinese name in an English document.
    assert r"\usepackage[UTF8,scheme=plain]{ctex}" in tex_document(
        "Layer", tex_escape("更新门"), words=Words("en")
    )


def test_marks_do_not_reach_latex() -> None:
    assert r"\ref" not in tex_document("M", r"\[\ref{a}{x}_{\ref{b}{i}}\]", words=Words("en"))


def test_every_formula_compiles(tmp_path: Path) -> None:
    program = engine("amsmath.sty", "iftex.sty", "geometry.sty")
    formulas = [each.replace(" = ", " &= ", 1) for each in written_formulas()[::5]]
    text = tex_document(
        NAMES,
        rf"\section{{{tex_escape(NAMES)}}}",
        tex_escape(NAMES),
        tex_equations(formulas),
        tex_equations([r"\ref{a}{\delta} = \ref{b.c}{W}^{\mathsf{T}} x"]),
        words=Words("en"),
    )
    log = compile_document(text, tmp_path, program)
    assert "Undefined" not in log and "Missing character" not in log


def test_a_chinese_document_compiles(tmp_path: Path) -> None:
    program = engine("ctex.sty")
    text = tex_document(
        "反向传播", tex_escape("隐藏状态的梯度 δ"), tex_equations(["y = x"]), words=Words("zh")
    )
    assert "Missing character" not in compile_document(text, tmp_path, program)
