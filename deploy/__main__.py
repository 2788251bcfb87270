"""`python -m deploy` is `detect-deploy`."""

from deploy.cli import main

main()
