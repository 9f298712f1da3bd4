"""One program of each kind in each language: what every row of the language table has to get right."""

from dataclasses import dataclass

from jobs.languages import Language


@dataclass(frozen=True)
class Programs:
    """What goes wrong, and what is told of it; and one task with its tests."""

    broken: str
    """Refused by the compiler, or by the interpreter before it runs."""
    broken_words: str
    """What standard error has to hold of it."""
    failing: str
    """Ends by a run-time error."""
    failing_words: str
    """What the explanation has to hold of it."""
    endless: str
    hog: str
    """Takes memory for as long as it is given some."""
    right: str
    """Defines `add`, which adds two numbers."""
    wrong: str
    """Defines one that subtracts."""
    leaving: str
    """Defines one that ends the process with exit code 0."""
    tests: str
    """Of `add`."""
    line_of_failure: int | None = None
    """In `failing`; None where the language does not tell."""


_C_HOG = """\
#include <stdlib.h>
#include <string.h>
int main(void) { for (;;) { char *p = malloc(1 << 20); memset(p, 1, 1 << 20); } }
"""
_JAVA = "class Solution {{\n  static int add(int a, int b) {{ {body} }}\n"
_JAVA_MAIN = (
    "public class Main {{\n  public static void main(String[] words) {{\n    {body}\n  }}\n}}\n"
)
_GO = 'package main\n\nimport "fmt"\n\nfunc main() {{\n{body}\n}}\n'
_GO_TEST = 'package add_test\n\nimport "testing"\n\n'
_JS = Programs(
    broken="const = 1;\n",
    broken_words="SyntaxError",
    failing="function f() {\n  return null.x;\n}\nf();\n",
    failing_words="TypeError",
    line_of_failure=2,
    endless="for (;;) {}\n",
    hog="const a = [];\nfor (;;) a.push(new Array(1000).fill(a.length));\n",
    right="const add = (a, b) => a + b;",
    wrong="const add = (a, b) => a - b;",
    leaving="const add = (a, b) => process.exit(0);",
    tests="const assert = require('node:assert');\nassert.equal(add(1, 2), 3);",
)
_SH = Programs(
    broken="echo (\n",
    broken_words="yntax error",
    failing="echo 1\nexit 3\n",
    failing_words="exit code 3",
    endless="while :; do :; done\n",
    hog="x=$(printf %65536d 0)\ni=0\nwhile :; do i=$((i + 1)); eval v$i=\\$x; done\n",
    right="add() { echo $(($1 + $2)); }",
    wrong="add() { echo $(($1 - $2)); }",
    leaving="add() { exit 0; }",
    tests='[ "$(add 1 2)" = 3 ]',
)

PROGRAMS = {
    Language.PYTHON: Programs(
        broken="def f(:\n    pass\n",
        broken_words="SyntaxError",
        failing="def f():\n    return 1 // 0\nf()\n",
        failing_words="ZeroDivisionError",
        line_of_failure=2,
        endless="while True: pass\n",
        hog="a = []\nwhile True: a.append(bytearray(1 << 20))\n",
        right="def add(a, b): return a + b",
        wrong="def add(a, b): return a - b",
        leaving="import os\ndef add(a, b): os._exit(0)",
        tests="assert add(1, 2) == 3",
    ),
    Language.JAVASCRIPT: _JS,
    Language.TYPESCRIPT: Programs(
        broken="const a: = 1;\n",
        broken_words="SyntaxError",
        failing="enum Side { Left }\nfunction f(x: any): number {\n  return x.y.z;\n}\nf(Side);\n",
        failing_words="TypeError",
        line_of_failure=3,
        endless="for (;;) {}\n",
        hog="const a: number[][] = [];\nfor (;;) a.push(new Array(1000).fill(a.length));\n",
        right="function add(a: number, b: number): number { return a + b; }",
        wrong="function add(a: number, b: number): number { return a - b; }",
        leaving="function add(a: number, b: number): number { process.exit(0); }",
        tests="declare var require: any;\nconst assert = require('node:assert');\nassert.equal(add(1, 2), 3);",
    ),
    Language.SH: _SH,
    Language.BASH: Programs(
        **{**vars(_SH), "broken": "for i in 1 2; do\necho )\n", "tests": "[[ $(add 1 2) == 3 ]]"}
    ),
    Language.C: Programs(
        broken="int main(void) {\n  return x;\n}\n",
        broken_words="program.c:2:10: error: ",
        failing="#include <assert.h>\nint main(void) {\n  assert(1 == 2);\n}\n",
        failing_words="Assertion",
        line_of_failure=3,
        endless="int main(void) { for (volatile int i = 0;; i++) {} }\n",
        hog=_C_HOG,
        right="#include <assert.h>\nint add(int a, int b) { return a + b; }",
        wrong="#include <assert.h>\nint add(int a, int b) { return a - b; }",
        leaving="#include <assert.h>\n#include <stdlib.h>\nint add(int a, int b) { exit(0); }",
        tests="int main(void) {\n  assert(add(1, 2) == 3);\n  return 0;\n}",
    ),
    Language.CPP: Programs(
        broken="int main() {\n  return x;\n}\n",
        broken_words="program.cpp:2:10: error: ",
        failing="#include <vector>\nint main() {\n  std::vector<int> v;\n  v.at(3);\n}\n",
        failing_words="std::out_of_range",
        endless="int main() { for (volatile int i = 0;; i = i + 1) {} }\n",
        hog="#include <vector>\nint main() { std::vector<std::vector<int>> v; for (;;) v.emplace_back(1 << 18, 1); }\n",
        right="#include <cassert>\nint add(int a, int b) { return a + b; }",
        wrong="#include <cassert>\nint add(int a, int b) { return a - b; }",
        leaving="#include <cassert>\n#include <cstdlib>\nint add(int a, int b) { std::exit(0); }",
        tests="int main() {\n  auto candidate = add;\n  assert(candidate(1, 2) == 3);\n}",
    ),
    Language.GO: Programs(
        broken="package main\n\nfunc main() {\n\tx\n}\n",
        broken_words="program.go:4:2: undefined: x",
        failing=_GO.format(body="\tvar a []int\n\tfmt.Println(a[len(a)+3])"),
        failing_words="index out of range",
        line_of_failure=7,
        endless="package main\n\nfunc main() {\n\tfor {\n\t}\n}\n",
        hog=_GO.format(
            body="\tvar a [][]byte\n\tfor i := 0; ; i++ {\n\t\tb := make([]byte, 1<<20)\n\t\tfor j := range b "
            "{\n\t\t\tb[j] = byte(i)\n\t\t}\n\t\ta = append(a, b)\n\t\tif i < 0 {\n\t\t\tfmt.Println(a)\n\t\t}\n\t}"
        ),
        right=f"{_GO_TEST}func add(a, b int) int {{ return a + b }}",
        wrong=f"{_GO_TEST}func add(a, b int) int {{ return a - b }}",
        leaving=f'{_GO_TEST}import "os"\n\nfunc add(a, b int) int {{ os.Exit(0); return 0 }}',
        tests='func TestAdd(t *testing.T) {\n\tif add(1, 2) != 3 {\n\t\tt.Errorf("got %d", add(1, 2))\n\t}\n}',
    ),
    Language.RUST: Programs(
        broken='fn main() {\n    let x: i32 = "a";\n}\n',
        broken_words="error[E0308]: mismatched types",
        failing='fn main() {\n    let v: Vec<i32> = Vec::new();\n    println!("{}", v[std::env::args().count()]);\n}\n',
        failing_words="index out of bounds",
        line_of_failure=3,
        endless="fn main() {\n    let x: u64 = 0;\n    loop { unsafe { std::ptr::read_volatile(&x); } }\n}\n",
        hog="fn main() {\n    let mut v: Vec<Vec<u8>> = Vec::new();\n    loop { v.push(vec![1; 1 << 20]); }\n}\n",
        right="fn add(a: i32, b: i32) -> i32 { a + b }",
        wrong="fn add(a: i32, b: i32) -> i32 { a - b }",
        leaving="fn add(_a: i32, _b: i32) -> i32 { std::process::exit(0) }",
        tests="fn main() {\n    let candidate = add;\n    assert_eq!(candidate(1, 2), 3);\n}",
    ),
    Language.JAVA: Programs(
        broken=_JAVA_MAIN.format(body="return x;"),
        broken_words="Main.java:3: error: ",
        failing=_JAVA_MAIN.format(body="System.out.println(1 / words.length);"),
        failing_words="java.lang.ArithmeticException: / by zero",
        line_of_failure=3,
        endless=_JAVA_MAIN.format(body="for (int i = 0;; i++) {}"),
        hog=_JAVA_MAIN.format(
            body="var a = new java.util.ArrayList<int[]>(); for (;;) a.add(new int[100_000]);"
        ),
        right=_JAVA.format(body="return a + b;"),
        wrong=_JAVA.format(body="return a - b;"),
        leaving=_JAVA.format(body="System.exit(0); return 0;"),
        tests="  public static void main(String[] words) {\n    assert(add(1, 2) == 3);\n  }\n}",
    ),
    Language.RUBY: Programs(
        broken="def f(\n  1 +\nend\n",
        broken_words="syntax error",
        failing="def f\n  nil.foo\nend\nf\n",
        failing_words="NoMethodError",
        line_of_failure=2,
        endless="loop {}\n",
        hog="a = []\nloop { a << 'x' * (1 << 20) }\n",
        right="def add(a, b) a + b end",
        wrong="def add(a, b) a - b end",
        leaving="def add(a, b) exit!(0) end",
        tests="abort 'wrong' unless add(1, 2) == 3",
    ),
    Language.PERL: Programs(
        broken="use strict;\nmy $x = (1;\n",
        broken_words="syntax error at",
        failing="sub f {\n  die 'no way';\n}\nf();\n",
        failing_words="no way",
        line_of_failure=2,
        endless="1 while 1;\n",
        hog="my @a; while (1) { push @a, 'x' x (1 << 20); $a[-1] .= 'y'; }\n",
        right="sub add { my ($a, $b) = @_; return $a + $b; }",
        wrong="sub add { my ($a, $b) = @_; return $a - $b; }",
        leaving="sub add { exit 0; }",
        tests="if (add(1, 2) != 3) { print 'not ok!'; exit 1; }",
    ),
    Language.PHP: Programs(
        broken="<?php\nfunction f( {\n",
        broken_words="Parse error",
        failing="<?php\nfunction f($x) {\n  return intdiv(1, $x);\n}\nf(0);\n",
        failing_words="DivisionByZeroError",
        line_of_failure=3,
        endless="<?php\nfor (;;) {}\n",
        hog="<?php\n$a = [];\nfor (;;) $a[] = str_repeat('x', 1 << 20);\n",
        right="<?php\nfunction add($a, $b) { return $a + $b; }\n?>",
        wrong="<?php\nfunction add($a, $b) { return $a - $b; }",
        leaving="<?php\nfunction add($a, $b) { exit(0); }",
        tests="if (add(1, 2) !== 3) { throw new Exception('Test failed!'); }",
    ),
    Language.LUA: Programs(
        broken="local x = = 1\n",
        broken_words="near '='",
        failing="local function f(x)\n  return x.y.z\nend\nprint(f({}))\n",
        failing_words="attempt to index a nil value",
        line_of_failure=2,
        endless="while true do end\n",
        hog="local a = {}\nwhile true do a[#a + 1] = string.rep('x', 1 << 20) .. #a end\n",
        right="function add(a, b) return a + b end",
        wrong="function add(a, b) return a - b end",
        leaving="function add(a, b) os.exit(0) end",
        tests="assert(add(1, 2) == 3)",
    ),
    Language.R: Programs(
        broken="x <- (1 +\n)\n",
        broken_words="unexpected ')'",
        failing="f <- function(x) stop('no way')\nf(1)\n",
        failing_words="no way",
        endless="while (TRUE) {}\n",
        hog="a <- list()\nwhile (TRUE) a[[length(a) + 1]] <- rep(1, 100000)\n",
        right="add <- function(a, b) a + b",
        wrong="add <- function(a, b) a - b",
        leaving="add <- function(a, b) quit('no', 0)",
        tests="if (!identical(add(1, 2), 3)) { quit('no', 1) }",
    ),
}
