"""Turns the installed Autobahn testsuite, which is Python 2 code, into Python 3 code, in place.

Run once by the Python of the environment that the suite was installed into (install.py does it).

The idea: in Python 2 a string is a row of octets, and the cases are full of octets that are no valid text. Every
file is therefore declared Latin-1, so that each character of a string is one octet with the same number. The cases
stay as they are; conversion happens only where their strings meet the wire, a hash, hex digits or a report.

Mechanical differences (print, except, has_key, ...) are left to fissix. Everything else is an edit below, which must
match exactly as often as it says: if the installed source is not the expected one, the port stops instead of guessing.
"""

import logging
import pathlib
import re
import sysconfig

from fissix.refactor import RefactoringTool

SITE = pathlib.Path(sysconfig.get_paths()["purelib"])
SUITE = SITE / "autobahntestsuite"

FIXERS = ["print", "except", "raise", "has_key", "import", "xrange", "unicode", "numliterals"]

# Parts of the suite that its WebSocket cases do not use; they stay Python 2 and are never imported.
UNUSED = ("wamp", "wsperf", "testdb", "testrun", "serializer", "util")

HELPERS = '''"""Conversions between the suite's strings (one character is one octet) and octets or readable text."""
import binascii

def octets(value):
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)

def chars(value):
    return octets(value).decode("latin-1") if isinstance(value, (bytes, bytearray, memoryview)) else value

def readable(value):
    return octets(value).decode("utf-8", "backslashreplace")

def readable_if_octets(value):
    return readable(value) if isinstance(value, (bytes, bytearray)) else value

def b2a_hex(value):
    return binascii.b2a_hex(octets(value)).decode("ascii")

hexlify = b2a_hex

def binLogData(data, maxlen=64):
    data = octets(data)
    return b2a_hex(data[:maxlen]) + " ..." if len(data) > maxlen - 4 else b2a_hex(data)

def asciiLogData(data, maxlen=64, replace=False):
    data = octets(data)
    shown = data[:maxlen] + b" ..." if len(data) > maxlen - 4 else data
    try:
        return shown.decode("utf-8", "replace" if replace else "strict")
    except UnicodeDecodeError:
        return "0x" + binLogData(data, maxlen)

class SendsOctets:
    """Put in front of a protocol class: whatever a case sends goes out as octets."""
    def sendFrame(self, opcode, payload=b"", **rest):
        return super().sendFrame(opcode, octets(payload), **rest)
    def sendMessage(self, payload, *args, **rest):
        return super().sendMessage(octets(payload), *args, **rest)
    def sendMessageFrame(self, payload, *args, **rest):
        return super().sendMessageFrame(octets(payload), *args, **rest)
    def sendMessageFrameData(self, payload, *args, **rest):
        return super().sendMessageFrameData(octets(payload), *args, **rest)
    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        return super().sendCloseFrame(code, None if reasonUtf8 is None else octets(reasonUtf8), isReply)
'''

# file -> [(pattern, replacement, matches expected; None: any number but 0)]
EDITS = {
    "wstest.py": [
        (r"(?m)^.*import serializer$", "", 1),
        (r",\n\s+'serializer'\n", "\n", 1),
    ],
    "caseset.py": [
        (r"(?m)^import re$", "import re\nfrom .octets import readable", 1),
        (r"' '\.join\((klass\.DESCRIPTION)\.split", r"' '.join(readable(\1).split", 1),
    ],
    "fuzzing.py": [
        (r"(?m)^class FuzzingProtocol:",
         "from .octets import (SendsOctets, asciiLogData, b2a_hex, binLogData,\n"
         "                     chars, readable, readable_if_octets)\n\n"
         "class FuzzingProtocol(SendsOctets):", 1),
        # What comes in goes to the case as one character an octet ...
        (r"''\.join\(payload\)", "b''.join(payload)", 1),
        (r"runCase\.onMessage\(msg, binary\)", "runCase.onMessage(chars(msg), binary)", 1),
        (r"runCase\.onPong\(payload\)", "runCase.onPong(chars(payload))", 1),
        # ... and what goes into a report must be text.
        (r"\"Pong received: \" \+ payload", '"Pong received: " + chars(payload)', 1),
        (r"binascii\.b2a_hex", "b2a_hex", None),
        (r"(self\.Case|CCase)\.DESCRIPTION", r"readable(\1.DESCRIPTION)", 2),
        (r"(\"(?:local|remote)CloseReason\": )(self\.\w+)", r"\1readable_if_octets(\2)", 2),
        (r"(self\.http_(?:request|response)_data) if", r"chars(\1) if", 2),
        (r"report_filename\), 'w'\)", "report_filename), 'w', encoding='utf-8', errors='backslashreplace')", 4),
        (r"ll\.encode\('utf8'\)", "ll", 1),
        (r"(c\[0\], case\[c\[0\]\], c\[1\]\))\)\.encode\(\"utf-8\"\)", r"\1)", 1),
        # The fuzzing server would listen on every interface.
        (r"listenWS\(factory, sslContext\)", "listenWS(factory, sslContext, interface='127.0.0.1')", 1),
    ],
    # Equality of pickles depends on the identity of objects in Python 3.
    "case/case.py": [(r"pickle\.dumps\((obj1)\) == pickle\.dumps\((obj2)\)", r"\1 == \2", 1)],
    "case/case6_x_x.py": [(r"v\.validate\(vss\[:i\]\)", "v.validate(binascii.octets(vss[:i]))", 1)],
    "case/case9_9_1.py": [
        (r"implements\(interfaces\.IPushProducer\)", "pass", 1),
        (r"import implements\b", "import implementer", 1),
    ],
    "case/case10_1_1.py": [(r" / (self\.p\.autoFragmentSize)", r" // \1", 1)],
    "case/case12_x_x.py": [
        (r"(def onMessage\(self, msg, binary\):\n)", r"\1   msg = msg.encode('latin-1')\n", 1),
    ],
}


def edit(text, pattern, replacement, expected, where):
    text, matches = re.subn(pattern, replacement, text)
    if matches == 0 or expected not in (None, matches):
        raise SystemExit(f"{where}: {pattern!r} matched {matches} times, not {expected or 'at least once'}")
    return text


def port_file(path, name, fixers):
    source = path.read_bytes().decode("latin-1").replace("\r\n", "\n")
    source = re.sub(r"(?m)\A((?:#.*\n)*?)#.*coding[:=].*\n", r"\1", source)
    source = str(fixers.refactor_string(source.rstrip() + "\n", str(path)))
    if name.startswith("case/"):
        source = source.replace("(object, Case, )", "(Case, )")
        source = re.sub(r"(?m)^import binascii$", "from autobahntestsuite import octets as binascii", source)
    for pattern, replacement, expected in EDITS.get(name, []):
        source = edit(source, pattern, replacement, expected, name)
    octets = ("# -*- coding: latin-1 -*-\n" + source).encode("latin-1")
    compile(octets, str(path), "exec")
    path.write_bytes(octets)


def main():
    logging.disable(logging.CRITICAL)
    fixers = RefactoringTool([f"fissix.fixes.fix_{name}" for name in FIXERS])
    ported = set()
    for path in sorted(SUITE.glob("*.py")) + sorted((SUITE / "case").glob("*.py")):
        if not path.name.startswith(UNUSED):
            name = path.relative_to(SUITE).as_posix()
            port_file(path, name, fixers)
            ported.add(name)
    if set(EDITS) - ported:
        raise SystemExit(f"not found in the installed suite: {sorted(set(EDITS) - ported)}")
    (SUITE / "octets.py").write_text(HELPERS, encoding="utf-8")
    # The autobahn release that the suite stands on has one division that must be a whole number in Python 3.
    protocol = SITE / "autobahn" / "websocket" / "protocol.py"
    source = edit(protocol.read_text(encoding="utf-8"), r"range\(payload_len / len\(payload\)\)",
                  "range(payload_len // len(payload))", 1, "autobahn/websocket/protocol.py")
    protocol.write_text(source, encoding="utf-8")


if __name__ == "__main__":
    main()
