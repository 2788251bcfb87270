"""Runs exports that must fail: `refused.py INFERENCE ARGUMENTS-OF-EACH`. Writes [exit code, standard error] of each."""

import contextlib
import io
import json
import sys

sys.path.insert(0, sys.argv[1])

import export  # its folder is an argument

answers = []
for arguments in json.loads(sys.argv[2]):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        answers.append([export.main(arguments), errors.getvalue()])
json.dump(answers, sys.stdout)
