"""Prints what ConfigParser of Python 2 makes of configuration files, asked as Autotest asks it.

Reads a JSON list of {"files": [TEXT...], "ask": ["SECTION key"...]} on stdin, where later files
override earlier ones, and writes a list of lists of answers: {"value": TEXT}, {} where Autotest
takes its default, or {"error": NAME} where an exception ends Autotest.
"""
import ConfigParser
import json
import StringIO
import sys


def parse(text):
    parser = ConfigParser.ConfigParser()
    parser.readfp(StringIO.StringIO(text.encode('utf-8')))
    return parser


def merge(files):
    merged = parse(files[0])
    for text in files[1:]:
        shadow = parse(text)
        for section in shadow.sections():
            if not merged.has_section(section):
                merged.add_section(section)
            for option in shadow.options(section):
                merged.set(section, option, shadow.get(section, option))
    return merged


def ask(files, question):
    section, key = question.encode('utf-8').split(' ', 1)
    try:
        merged = merge(files)
    except Exception as e:
        return {'error': type(e).__name__}
    try:
        value = merged.get(section, key).strip()
    except ConfigParser.Error:
        return {}
    except Exception as e:
        return {'error': type(e).__name__}
    return {'value': value.decode('utf-8')} if value else {}


json.dump([[ask(case['files'], q) for q in case['ask']] for case in json.load(sys.stdin)],
          sys.stdout, indent=0, sort_keys=True)
