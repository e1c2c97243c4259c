"""All tidy rules by name: each is run on the source and on offenders planted for it."""

from tests.tidy.exceptions import broad_excepts, lint_exceptions_without_reason
from tests.tidy.names import banned_names, sources_without_test, tests_without_source
from tests.tidy.purity import impure_imports
from tests.tidy.sizes import long_files, long_functions, long_lines
from tests.tidy.tree import Rule
from tests.tidy.words import banned_words

RULES: dict[str, Rule] = {
    "banned_names": banned_names,
    "banned_words": banned_words,
    "broad_excepts": broad_excepts,
    "impure_imports": impure_imports,
    "lint_exceptions_without_reason": lint_exceptions_without_reason,
    "long_files": long_files,
    "long_functions": long_functions,
    "long_lines": long_lines,
    "sources_without_test": sources_without_test,
    "tests_without_source": tests_without_source,
}
