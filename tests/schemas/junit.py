"""Validates files against an XSD: python junit.py SCHEMA FILE... Tells every fault; ends with 1 where there is one."""

import sys

import xmlschema

schema = xmlschema.XMLSchema(sys.argv[1])
faults = [f"{path}: {error.path}: {error.reason}" for path in sys.argv[2:] for error in schema.iter_errors(path)]
print("\n".join(faults))
sys.exit(1 if faults else 0)
