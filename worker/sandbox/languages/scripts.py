"""Ruby, Perl, PHP, Lua and R: one interpreter each, and tests that follow the program in its file."""

import re

from jobs.languages import Language

from .errors import CompileError, ErrorForm
from .looks import with_braces, with_words
from .row import (
    ANSWER_DESCRIPTOR,
    QUESTION_DESCRIPTOR,
    Appended,
    LanguageRow,
    Tool,
    lines_that_begin,
)

_AFTER = "after the program, in its file"

RUBY = LanguageRow(
    language=Language.RUBY,
    title="Ruby",
    description="Ruby, with nothing but its standard library",
    labels=("ruby", "rb"),
    suffixes=(".rb",),
    tool=Tool(("ruby",), "ruby"),
    source=Appended(
        name="program.rb",
        tests_prologue="",
        # Test::Unit would run its tests when all is over: they are run here, and no second time.
        tests_epilogue=(
            "if defined?(Test::Unit::AutoRunner) && Test::Unit::AutoRunner.need_auto_run?; "
            "Test::Unit::AutoRunner.need_auto_run = false; "
            "exit(false) unless Test::Unit::AutoRunner.run; end; "
            f"IO.for_fd({ANSWER_DESCRIPTOR}, 'w').syswrite(IO.for_fd({QUESTION_DESCRIPTOR}, 'r').sysread(64))"
        ),
    ),
    run=("{tool}", "{source}"),
    hello="puts 6 * 7",
    tests=f"{_AFTER}; those of Test::Unit are run at its end",
    errors=ErrorForm(
        run=re.compile(
            r"\S*program\.rb:(?P<line>\d+):(?:in [`'](?P<function>[^']*)':)? "
            r"(?P<words>.*?)(?: \((?P<name>[A-Z][\w:]*)\))?$"
        ),
        frame=re.compile(
            r"\s+(?:\d+: )?from \S*program\.rb:(?P<line>\d+)(?::in [`'](?P<function>[^']*)')?"
        ),
        assertion=re.compile(r"Assert"),
        missing=re.compile(
            r"undefined (?:local variable or )?method .* for (?!nil)|uninitialized constant"
        ),
    ),
    compile_error=CompileError(
        first_line=None,
        error_line=re.compile(r"\S*/work/program\.rb:\d+: syntax errors?\b"),
        never_after="",
    ),
    looks=with_words(
        "#",
        "def|class|module|if|elsif|else|unless|while|until|for|case|when|begin|rescue|ensure|end|return|yield|next"
        "|break|loop|require|require_relative|puts|print|p|attr_\\w+|include|raise",
        r"^\s*(?:def \w|class [A-Z]|require ['\"]|puts\b|end$)|\bdo \|\w|\.each\b",
        r"^(?:def|class|module)\s+(?:self\.)?([\w?!]+)",
    ),
    private_memory_room_mib=64,
    memory_words=lines_that_begin(
        r"\[FATAL\] failed to allocate memory", r"\S*program\.rb:.*\(NoMemoryError\)$"
    ),
    denied_words=lines_that_begin(r"\S*program\.rb:\d+:.*\(Errno::EPERM\)$"),
)
PERL = LanguageRow(
    language=Language.PERL,
    title="Perl",
    description="Perl 5, with nothing but its core modules",
    labels=("perl", "pl", "pm"),
    suffixes=(".pl",),
    tool=Tool(("perl",), "perl"),
    source=Appended(
        name="program.pl",
        tests_prologue="",
        tests_epilogue=(
            f"; {{ open(my $a, '>&=', {ANSWER_DESCRIPTOR}); open(my $q, '<&=', {QUESTION_DESCRIPTOR}); "
            "sysread($q, my $n, 64); syswrite($a, $n); }"
        ),
    ),
    run=("{tool}", "{source}"),
    hello='print 6 * 7, "\\n";',
    tests=_AFTER,
    errors=ErrorForm(
        run=re.compile(r"(?P<words>.+) at \S*program\.pl line (?P<line>\d+)(?:\.|, .*)?$"),
        frame=re.compile(r"\t(?P<function>\S+)\(.*\) called at \S*program\.pl line (?P<line>\d+)"),
        missing=re.compile(r"Undefined subroutine|Can't locate object method"),
        misplaced=re.compile(r"\b(?:Carp|croak|confess)\b|^#\s*line\b", re.MULTILINE),
        compile=re.compile(
            r"(?P<name>syntax error|Global symbol .*?|Can't locate .*?|Missing right .*?|Can't find .*?) "
            r"at \S*program\.pl line (?P<line>\d+)"
        ),
    ),
    compile_error=CompileError(
        first_line=None,
        error_line=re.compile(
            r"(?:Execution of )?\S*/work/program\.pl (?:aborted due to|had) (?:compilation|too many) errors"
        ),
        never_after="",
    ),
    looks=with_words(
        "#",
        "use|my|our|local|sub|if|elsif|else|unless|while|until|for|foreach|return|print|printf|say|package|die|last|next",
        r"^\s*use (?:strict|warnings|\w+::)|\b(?:my|our) [$@%(]|^\s*sub \w|[$@%]\w+\s*=[^=]|\bprint\b.*;",
        r"^\s*sub\s+(\w+)",
    ),
    private_memory_room_mib=64,
    memory_words=lines_that_begin(r"Out of memory[! ]"),
    denied_words=lines_that_begin(r".*Operation not permitted at \S*program\.pl line \d+"),
)


def _php_prologue(program: str) -> str:
    # What follows a closing tag would be printed.
    return "<?php" if program.rstrip().endswith("?>") else ""


PHP = LanguageRow(
    language=Language.PHP,
    title="PHP",
    description="PHP for the command line, beginning with <?php, with nothing but its core",
    labels=("php", "php8", "php7"),
    suffixes=(".php",),
    tool=Tool(("php",), "php-cli"),
    source=Appended(
        name="program.php",
        tests_prologue=_php_prologue,
        tests_epilogue=(
            f"; $_a = fopen('php://fd/{ANSWER_DESCRIPTOR}', 'w'); "
            f"fwrite($_a, fread(fopen('php://fd/{QUESTION_DESCRIPTOR}', 'r'), 64));"
        ),
    ),
    run=(
        "{tool}",
        "-d",
        "memory_limit={memory_mib}M",
        "-d",
        "display_errors=stderr",
        "-d",
        "log_errors=0",
        "-d",
        "zend.assertions=1",
        "-d",
        "max_execution_time=0",
        "{source}",
    ),
    hello='<?php\necho 6 * 7, "\\n";\n',
    tests=f"{_AFTER}; `assert` throws",
    errors=ErrorForm(
        run=re.compile(
            r"(?:PHP )?(?P<kind>Fatal error|Parse error|Catchable fatal error):\s+(?:Uncaught (?P<name>[\w\\]+): )?"
            r"(?P<words>.*) (?:in \S*program\.php(?::| on line )(?P<line>\d+))$"
        ),
        frame=re.compile(r"#\d+ \S*program\.php\((?P<line>\d+)\): (?P<function>[^(]+)\("),
        assertion=re.compile(r"AssertionError|Test failed"),
        missing=re.compile(r"Call to undefined|Class \S+ not found|Undefined constant"),
    ),
    compile_error=CompileError(
        first_line=None,
        error_line=re.compile(r"(?:PHP )?Parse error: .* in \S*/work/program\.php on line \d+$"),
        never_after="",
    ),
    looks=with_braces(
        "<\\?php|\\$\\w+|function|class|interface|trait|namespace|use|if|else|foreach|for|while|switch|case|return"
        "|echo|print|public|private|protected|try|catch",
        r"<\?php|\$\w+\s*(?:=[^=]|->)|^\s*echo\b.*;|\bfunction\s+\w+\s*\(",
        r"^\s*(?:(?:abstract|final)\s+)?(?:function|class|interface|trait)\s+(\w+)",
    ),
    private_memory_room_mib=128,
    # Which modules there are; what the host has set besides is not the program's.
    readable=("/etc/php/*/cli/conf.d", "/etc/php/*/mods-available"),
    memory_words=lines_that_begin(
        r"(?:PHP )?Fatal error:\s+(?:Allowed memory size of|Out of memory)", "Out of memory"
    ),
)
LUA = LanguageRow(
    language=Language.LUA,
    title="Lua",
    description="Lua, with nothing but its standard library",
    labels=("lua",),
    suffixes=(".lua",),
    tool=Tool(("lua5.4", "lua", "lua5.3"), "lua5.4", version_question=("-v",), stands_alone=True),
    source=Appended(
        name="program.lua",
        tests_prologue="",
        tests_epilogue=(
            f"; do local q = io.open('/proc/self/fd/{QUESTION_DESCRIPTOR}'); local n = q:read('l'); q:close(); "
            f"local a = io.open('/proc/self/fd/{ANSWER_DESCRIPTOR}', 'w'); a:write(n); a:close() end"
        ),
    ),
    run=("{tool}", "{source}"),
    hello="print(6 * 7)",
    tests=f"{_AFTER}; those that end the process themselves, as with luaunit, never pass",
    errors=ErrorForm(
        run=re.compile(r"\S*lua[\d.]*: (?:\S*program\.lua:(?P<line>\d+): )?(?P<words>.+)$"),
        frame=re.compile(
            r"\t\S*program\.lua:(?P<line>\d+): in (?:(?:function|local|upvalue|method|field) )?"
            r"['<]?(?P<function>[^'>]+)"
        ),
        assertion=re.compile(r"assertion failed!"),
        missing=re.compile(r"attempt to call a nil value|\(global '"),
    ),
    # What is raised at run time passes through the main chunk.
    compile_error=CompileError(
        first_line=None,
        error_line=re.compile(r"\S*lua[\d.]*: \S*/work/program\.lua:\d+: .* near "),
        never_after="in main chunk",
    ),
    looks=with_words(
        "--",
        "local|function|if|elseif|else|for|while|repeat|until|end|return|print|do|then|break|require",
        r"^\s*(?:local\s+\w|(?:local )?function\b|end\b|print\()|\bthen$|\bdo$",
        r"^(?:local\s+)?function\s+([\w.:]+)",
    ),
    private_memory_room_mib=64,
    memory_words=lines_that_begin(r"\S*lua[\d.]*: not enough memory"),
)
R = LanguageRow(
    language=Language.R,
    title="R",
    description="R, with nothing but its base packages; standard input is file('stdin')",
    labels=("r", "rscript", "rlang"),
    suffixes=(".r",),
    tool=Tool(("Rscript",), "r-base-core"),
    source=Appended(
        name="program.R",
        tests_prologue="",
        tests_epilogue=(
            f"cat(readLines('/proc/self/fd/{QUESTION_DESCRIPTOR}', n = 1), "
            f"file = '/proc/self/fd/{ANSWER_DESCRIPTOR}')"
        ),
    ),
    run=("{tool}", "--vanilla", "{source}"),
    hello="cat(6 * 7, fill = TRUE)",
    tests=_AFTER,
    errors=ErrorForm(
        run=re.compile(r"Error(?: in (?P<function>.{1,200}?))? ?: ?(?P<words>.*)$"),
        continued=re.compile(r"  (?P<words>\S.*)$"),
    ),
    compile_error=CompileError(
        first_line=None,
        error_line=re.compile(
            r"Error: (?:unexpected (?:(?:end of )?input|symbol|numeric constant|string constant|assignment|'[^']{1,9}')"
            r"(?: in\b| *$)|(?:malformed|invalid) (?:raw|token))|Error: \S*program\.R:\d+:\d+: "
        ),
        never_after="",
    ),
    looks=with_words(
        "#",
        "if|else|for|while|repeat|function|return|library|require|print|cat|source|break|next",
        r"<-\s*\S|\bfunction\s*\(|^\s*(?:library|print|cat|paste0?)\(",
        r"^([\w.]+)\s*(?:<-|=)\s*function\b",
    ),
    least_open_files=256,
    private_memory_room_mib=128,
    readable=("/etc/R/ldpaths", "/etc/R/Renviron"),
    memory_words=lines_that_begin(
        r"Error: (?:cannot allocate|vector memory|memory exhausted|protect\(\): protection stack)",
        r"Error: cons memory exhausted",
    ),
)
