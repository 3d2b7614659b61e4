"""Do the tests notice? Each small change of a module's code has to fail one of its tests, or be explained.

    python -m tests.mutants [MODULE...]     all settled modules, or some, such as model/days

pairs      module -> the tests that judge it
| changes  source -> the same with one change each; mutmut makes them
| trial    each change in a process of its own: the tests fail, or it survives
| survivors  those that `explained.toml` does not explain; and explanations of what is no more
"""
