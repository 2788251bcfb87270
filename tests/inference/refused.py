"""Writes [exit code, standard error] of exports that must fail: `-m tests.inference.refused ARGUMENTS-OF-EACH`."""

import contextlib
import io
import json
import sys

from inference.export.__main__ import main

answers = []
for arguments in json.loads(sys.argv[1]):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        answers.append([main(arguments), errors.getvalue()])
json.dump(answers, sys.stdout)
